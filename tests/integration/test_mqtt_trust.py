"""Who is let in, whom we believe, and that no secret gets into a log."""

from __future__ import annotations

import logging
import shutil
import subprocess

import pytest
from authority import Authority
from broker import Mosquitto, Proxy, Subscriber, needs_mosquitto
from deadlines import LONG_S
from publishing import Links, publishing, send, status

from agent.config.layers import credentials_layer

pytestmark = needs_mosquitto

PASSWORD = "correct-horse-battery"
WRONG = "wrong-horse-battery"


@pytest.fixture(scope="module")
def authority():
    return Authority("plant")


@pytest.fixture
def keyed_broker(tmp_path):
    """A broker that wants the user `press` with PASSWORD."""
    program = shutil.which("mosquitto_passwd")
    if program is None:
        pytest.skip("mosquitto_passwd is not installed; it comes with mosquitto")
    subprocess.run([program, "-b", "-c", str(tmp_path / "users"), "press", PASSWORD], check=True, capture_output=True)
    with Mosquitto(anonymous=False, options=f"password_file {tmp_path / 'users'}") as running:
        yield running


def tls_broker(folder, authority, *, host="127.0.0.1", client_certificates=False):
    files = authority.issue(folder, "broker", host=host)
    options = [
        f"cafile {authority.write(folder / 'broker-ca.pem')}",
        f"certfile {files['cert_file']}",
        f"keyfile {files['key_file']}",
        f"require_certificate {str(client_certificates).lower()}",
    ]
    return Mosquitto(listener_options="\n".join(options))


def secure_url(broker):
    return f"mqtts://127.0.0.1:{broker.port}"


def test_user_and_password_come_from_the_settings_and_a_file(keyed_broker, tmp_path):
    """The broker lets us in and takes our messages."""
    (tmp_path / "pw").write_text(PASSWORD + "\n")
    with publishing(keyed_broker.url, username="press", password_file=tmp_path / "pw") as publisher:
        send(publisher, 0, event_seq=0)
        assert publisher.stop(status("stopped"), LONG_S) == 0


def test_user_and_password_may_be_systemd_credentials(keyed_broker, tmp_path):
    """A unit with `LoadCredential=` needs nothing in the configuration."""
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "mqtt-username").write_text("press")
    (credentials / "mqtt-password").write_text(PASSWORD)
    layer, _ = credentials_layer({"CREDENTIALS_DIRECTORY": str(credentials)})
    with publishing(keyed_broker.url, **layer.values["mqtt"]) as publisher:
        assert publisher.link.state == "connected"


def test_a_wrong_password_is_a_refusal_and_in_no_log(keyed_broker, tmp_path, caplog):
    """The state says what to check; neither it nor any log line at any level shows the password."""
    caplog.set_level(logging.DEBUG)
    (tmp_path / "pw").write_text(WRONG)
    links = Links()
    options = {"username": "press", "password_file": tmp_path / "pw"}
    with (
        Proxy(keyed_broker.port) as way,
        publishing(way.url, on_link=links, wait_s=0, **options) as publisher,
    ):
        link = links.wait_for("refused")
        send(publisher, 0)
        # Refused twice is refused: stopping asks once more and does not wait for a change of mind.
        assert publisher.stop(status("stopped"), 3600) == 2
        assert way.connections == 2
    assert "password" in link.sentence
    shown = caplog.text + repr(links.all) + "".join(str(vars(record)) for record in caplog.records)
    assert "password_file" in shown
    assert WRONG not in shown


def test_a_password_that_was_corrected_delivers_at_the_end_what_waits(keyed_broker, tmp_path):
    """The next try may be minutes away; who stops has one at once."""
    (tmp_path / "pw").write_text(WRONG)
    links = Links()
    options = {"username": "press", "password_file": tmp_path / "pw"}
    with publishing(keyed_broker.url, on_link=links, wait_s=0, **options) as publisher:
        links.wait_for("refused")
        send(publisher, 0, event_seq=0)
        (tmp_path / "pw").write_text(PASSWORD)
        assert publisher.stop(status("stopped"), LONG_S) == 0


def test_a_password_file_that_is_missing_is_a_refusal_that_names_it(keyed_broker, tmp_path):
    """It is looked for again later, as somebody may mount it."""
    links = Links()
    with publishing(keyed_broker.url, on_link=links, wait_s=0, username="press", password_file=tmp_path / "not-there"):
        assert "not-there does not exist" in links.wait_for("refused").sentence


def test_a_broker_whose_authority_we_know_is_believed(authority, tmp_path):
    """Encrypted, and messages flow."""
    with tls_broker(tmp_path, authority) as broker:
        ca_file = authority.write(tmp_path / "ca.pem")
        with publishing(secure_url(broker), ca_file=ca_file) as publisher:
            for seq in range(300):
                send(publisher, seq, event_seq=seq, qos=1)
            assert publisher.stop(status("stopped"), LONG_S) == 0


@pytest.mark.parametrize("fault", ["another authority", "another host", "the system's authorities"])
def test_a_broker_that_is_not_who_we_expect_is_refused(authority, tmp_path, fault):
    """No message is sent to it, and there is no setting that would allow it."""
    host = "192.0.2.1" if fault == "another host" else "127.0.0.1"
    trusted = Authority("somebody else") if fault == "another authority" else authority
    options = {} if fault == "the system's authorities" else {"ca_file": trusted.write(tmp_path / "ca.pem")}
    links = Links()
    with tls_broker(tmp_path, authority, host=host) as broker:
        with publishing(secure_url(broker), on_link=links, wait_s=0, **options):
            assert "is not trusted" in links.wait_for("refused").sentence
        assert "New client connected" not in broker.log()


def test_a_port_without_tls_is_named_as_such(authority, tmp_path):
    """The most frequent slip: mqtts:// and the port of mqtt://."""
    links = Links()
    ca_file = authority.write(tmp_path / "ca.pem")
    with Mosquitto() as broker, publishing(secure_url(broker), on_link=links, wait_s=0, ca_file=ca_file):
        links.wait_for("away", "does the broker speak TLS on this port?")


def test_a_port_with_tls_is_named_as_such(authority, tmp_path):
    """The other way round: mqtt:// and the port of mqtts://."""
    links = Links()
    with (
        tls_broker(tmp_path, authority) as broker,
        publishing(f"mqtt://127.0.0.1:{broker.port}", on_link=links, wait_s=0),
    ):
        links.wait_for("away", "does the broker speak TLS on this port?")


def test_the_certificate_of_the_device_lets_it_in(authority, tmp_path):
    """A broker that asks for one gets it."""
    with tls_broker(tmp_path, authority, client_certificates=True) as broker:
        options = {"ca_file": authority.write(tmp_path / "ca.pem"), **authority.issue(tmp_path, "press-07")}
        with publishing(secure_url(broker), **options) as publisher:
            send(publisher, 0, event_seq=0)
            assert publisher.stop(status("stopped"), LONG_S) == 0


@pytest.mark.parametrize("shown", ["none", "of another authority"])
def test_without_a_certificate_that_the_broker_trusts_we_are_refused(authority, tmp_path, shown):
    """With TLS 1.3 the broker says so only after the handshake; the state says it all the same."""
    links = Links()
    with tls_broker(tmp_path, authority, client_certificates=True) as broker:
        options = {} if shown == "none" else Authority("somebody else").issue(tmp_path, "stranger")
        with publishing(
            secure_url(broker), on_link=links, wait_s=0, ca_file=authority.write(tmp_path / "ca.pem"), **options
        ):
            assert "certificate" in links.wait_for("refused").sentence


def test_a_rotated_certificate_is_used_at_the_next_connect(authority, tmp_path):
    """Files are read at each connect, so that nobody restarts an agent for a new authority."""
    ca_file = tmp_path / "ca.pem"
    authority.write(ca_file)
    links = Links()
    successor = Authority("plant, next year")
    with tls_broker(tmp_path, authority) as broker, publishing(secure_url(broker), on_link=links, ca_file=ca_file):
        broker.stop()
        links.wait_for("away", "nothing listens")
        successor.write(tmp_path / "broker-ca.pem")
        successor.issue(tmp_path, "broker", host="127.0.0.1")
        successor.write(ca_file)
        broker.start()
        links.wait_for("connected", times=2)


def test_a_subscriber_in_clear_text_is_not_served_by_an_encrypted_port(authority, tmp_path):
    """The broker of these tests really encrypts."""
    with tls_broker(tmp_path, authority) as broker, pytest.raises(AssertionError, match="did not connect"):
        Subscriber(broker.port, wait_s=1.0)
