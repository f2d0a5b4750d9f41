"""`[mqtt]`: what is an address, and what is refused before anything is opened."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agent.mqtt.settings import Address, MqttSettings


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://broker", Address("mqtt", "broker", 1883, "")),
        ("mqtts://broker", Address("mqtts", "broker", 8883, "")),
        ("ws://broker", Address("ws", "broker", 80, "/mqtt")),
        ("wss://broker/factory/mqtt", Address("wss", "broker", 443, "/factory/mqtt")),
        ("mqtt://10.0.0.7:2883/", Address("mqtt", "10.0.0.7", 2883, "")),
        ("mqtts://[fe80::1]:9", Address("mqtts", "fe80::1", 9, "")),
    ],
)
def test_an_address_has_the_port_of_its_scheme(url, expected):
    """A port is written only where it is another one, and what is printed reads back as the same."""
    assert Address.parse(url) == expected
    assert Address.parse(str(expected)) == expected


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("http://broker", "mqtts://"),
        ("broker:1883", "mqtts://"),
        ("mqtt://", "names no host"),
        ("mqtt://broker:0", "port 0"),
        ("mqtt://broker:99999", "no address"),
        ("mqtt://broker/path", "have a path"),
        ("ws://broker/mqtt?x=1", "have a path"),
    ],
)
def test_what_is_no_address_is_refused_with_the_reason(url, word):
    """The sentence says what would be right."""
    with pytest.raises(ValidationError, match=word):
        MqttSettings(url=url)


def test_a_password_in_the_url_is_refused_and_not_repeated():
    """The error names `password_file` and does not show the password to whoever reads the log."""
    with pytest.raises(ValidationError) as caught:
        MqttSettings(url="mqtt://press:hunter2@broker")
    assert "password_file" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["mqtt://press:{}@broker", "press:{}@broker", "mqtt://press:{}", "{}:1883", "mqtt://{}@"]
)
@given(password=st.text(alphabet="ω~^℀/?#[]@:%", min_size=1))
def test_no_piece_of_a_password_gets_into_an_error(url, password):
    """Whatever is in it and wherever it stands: what is refused is refused in words of our own."""
    said = ""
    try:
        Address.parse(url.format(password))
    except ValueError as error:
        said = str(error)
    assert not set(said) & set("ω~^℀")


def test_a_certificate_needs_its_key_and_encryption():
    """Files that would have no effect are a fault, as somebody believes that they have one."""
    with pytest.raises(ValidationError, match="go together"):
        MqttSettings(url="mqtts://broker", cert_file="c.pem")
    with pytest.raises(ValidationError, match="not encrypted"):
        MqttSettings(url="mqtt://broker", ca_file="ca.pem")
    assert MqttSettings(url="wss://broker", cert_file="c.pem", key_file="k.pem", ca_file="ca.pem").address.is_tls


@pytest.mark.parametrize("prefix", ["", "/lineside", "a//b", "plant/#", "plant/+", "a/"])
def test_a_prefix_is_made_of_names(prefix):
    """Wildcards and empty segments never get into a topic."""
    with pytest.raises(ValidationError, match="prefix"):
        MqttSettings(prefix=prefix)


def test_the_defaults_are_a_broker_on_this_machine():
    """An empty table works where a broker runs beside the agent."""
    settings = MqttSettings()
    assert settings.address == Address("mqtt", "127.0.0.1", 1883, "")
    assert settings.prefix == "lineside"
