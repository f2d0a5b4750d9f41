"""`tap` and `doctor`: hear what is published, and try a broker."""

from __future__ import annotations

import json
import time

import pytest
from broker import Mosquitto, Proxy, needs_mosquitto
from deadlines import LONG_S
from ports import HeldPort
from publishing import TOPICS, publishing, send

from agent.core.errors import BrokerUnreachable
from agent.mqtt.listener import ProbeResult, listen, probe
from agent.mqtt.settings import MqttSettings

pytestmark = needs_mosquitto


@pytest.fixture
def broker():
    with Mosquitto() as running:
        yield running


def test_payloads_come_as_they_are_published_and_end_with_the_silence(broker):
    """Every message once, in order; then the generator ends by itself."""
    with publishing(broker.url) as publisher:
        send(publisher, 0)
        heard = []
        for payload in listen(MqttSettings(url=broker.url), TOPICS.prediction("+"), timeout_s=LONG_S, silence_s=3):
            heard.append(json.loads(payload)["seq"])
            if heard[-1] < 100:
                send(publisher, heard[-1] + 1)
    assert heard == list(range(101))


def test_without_a_first_message_it_ends_after_the_timeout(broker):
    """Who taps an agent that is not there is not left waiting."""
    begun_s = time.monotonic()
    assert list(listen(MqttSettings(url=broker.url), "nobody/speaks", timeout_s=0.3)) == []
    assert 0.3 <= time.monotonic() - begun_s < LONG_S


def test_it_ends_when_the_caller_has_lost_interest(broker):
    """`alive` is asked between messages and during silence."""
    answers = iter([True, True, False])
    assert list(listen(MqttSettings(url=broker.url), "a", timeout_s=None, alive=lambda: next(answers))) == []


def test_a_broker_that_is_not_there_is_unreachable():
    """With the address and the next step, and the exit code of `unreachable`."""
    with HeldPort() as nobody:
        settings = MqttSettings(url=nobody.url)
        with pytest.raises(BrokerUnreachable, match="nothing listens at mqtt://127") as caught:
            next(listen(settings, "a", timeout_s=1))
        assert caught.value.hint
        assert caught.value.exit_code == 4
        with pytest.raises(BrokerUnreachable):
            probe(settings, 1)


def test_a_broker_that_goes_away_while_we_listen_is_unreachable(broker):
    """It is not mistaken for silence."""
    listening = listen(
        MqttSettings(url=broker.url), "+/status", timeout_s=LONG_S, alive=lambda: (broker.kill(), True)[1]
    )
    with pytest.raises(BrokerUnreachable, match="was cut"):
        next(listening)


def test_a_broker_that_speaks_3_1_1_only_can_be_listened_to(broker):
    """As the agent itself falls back."""
    with Proxy(broker.port, refuse_5="answer") as old, publishing(broker.url) as publisher:
        send(publisher, 7)
        heard = next(listen(MqttSettings(url=old.url), TOPICS.prediction("p"), timeout_s=LONG_S))
        assert json.loads(heard)["seq"] == 7
        assert probe(MqttSettings(url=old.url), LONG_S).protocol == "3.1.1"


@pytest.mark.parametrize("has_nagle", [False, True])
def test_a_probe_tells_whether_the_broker_holds_messages_back(has_nagle):
    """mosquitto's default costs 10 ms now and then; `doctor` says how to end it. Nothing is left behind at the broker."""
    with Mosquitto(nodelay=not has_nagle) as broker:
        result = probe(MqttSettings(url=broker.url), timeout_s=LONG_S)
        assert result.protocol == "5"
        assert 0 < result.round_trip_ms < LONG_S * 1e3
        assert result.has_nagle == has_nagle
        assert list(listen(MqttSettings(url=broker.url), "lineside/#", timeout_s=0.2)) == []


def test_a_busy_machine_is_not_mistaken_for_a_broker_that_holds_messages_back():
    """It makes some messages late, single ones and pairs; Nagle's algorithm makes every pair late."""
    busy = [(0.5, 60.0), (30.0, 0.6), (0.5, 45.0), (0.7, 50.0)]
    assert not ProbeResult.of("5", busy, 1000).has_nagle
    held = [(0.5, 44.0), (35.0, 41.0), (40.0, 60.0), (30.0, 44.0)]
    assert ProbeResult.of("5", held, 1000).has_nagle


def test_a_probe_whose_messages_do_not_come_back_says_so(tmp_path):
    """An access list that forbids it is a frequent reason."""
    (tmp_path / "acl").write_text("topic read #\n")
    with Mosquitto(options=f"acl_file {tmp_path / 'acl'}") as broker, pytest.raises(BrokerUnreachable) as caught:
        probe(MqttSettings(url=broker.url), timeout_s=3)
    assert "no message to ourselves came back" in str(caught.value)
    assert "access list" in caught.value.hint
