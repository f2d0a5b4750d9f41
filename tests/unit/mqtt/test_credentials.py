"""User, password and certificates come from files, and stay out of everything that is shown."""

from __future__ import annotations

import pytest

from agent.mqtt.credentials import login, tls_context
from agent.mqtt.link import LinkFault
from agent.mqtt.settings import MqttSettings


def test_the_password_is_the_content_of_its_file_without_the_end_of_line(tmp_path):
    """As editors and `echo` leave it."""
    (tmp_path / "pw").write_text("s3cret with spaces \n")
    who = login(MqttSettings(username="press", password_file=tmp_path / "pw"))
    assert (who.username, who.password) == ("press", "s3cret with spaces ")
    assert "s3cret" not in repr(who)


def test_the_file_is_read_anew_each_time(tmp_path):
    """A rotated password needs no restart."""
    settings = MqttSettings(username="press", password_file=tmp_path / "pw")
    (tmp_path / "pw").write_text("old")
    before = login(settings).password
    (tmp_path / "pw").write_text("new")
    assert (before, login(settings).password) == ("old", "new")


def test_without_any_there_is_none():
    """A broker on the same machine needs none."""
    who = login(MqttSettings())
    assert (who.username, who.password) == (None, None)


@pytest.mark.parametrize("field", ["ca_file", "cert_file"])
def test_a_missing_file_is_a_refusal_that_names_it(tmp_path, field):
    """It is tried again, as somebody may put it there."""
    there = tmp_path / "there.pem"
    there.write_text("")
    files = {"cert_file": there, "key_file": there} if field == "cert_file" else {}
    settings = MqttSettings(url="mqtts://broker", **(files | {field: tmp_path / "gone.pem"}))
    with pytest.raises(LinkFault, match=r"gone\.pem does not exist") as caught:
        tls_context(settings)
    assert caught.value.kind == "refused"


def test_a_file_that_is_no_certificate_is_a_refusal_that_names_it(tmp_path):
    """OpenSSL alone would not say which file it was."""
    (tmp_path / "ca.pem").write_text("not a certificate")
    with pytest.raises(LinkFault, match=r"ca\.pem holds no certificate"):
        tls_context(MqttSettings(url="mqtts://broker", ca_file=tmp_path / "ca.pem"))


def test_a_password_for_nobody_is_a_refusal(tmp_path):
    """MQTT 3.1.1 cannot say it, and it is never what was meant."""
    (tmp_path / "pw").write_text("secret")
    with pytest.raises(LinkFault, match="no username") as caught:
        login(MqttSettings(password_file=tmp_path / "pw"))
    assert "secret" not in f"{caught.value} {caught.value.hint}"
