"""MQTT 5 and 3.1.1, websockets, and two clients that claim the same name."""

from __future__ import annotations

import time

import pytest
from broker import Mosquitto, Proxy, Subscriber, needs_mosquitto
from deadlines import LONG_S
from ports import HeldPort
from publishing import Links, publishing, send, status

from agent.demo.broker import Amqtt

pytestmark = needs_mosquitto


TAKEN_OVER = b"\xe0\x07\x8e\x05\x1f\x00\x02hi"
"""DISCONNECT, seven bytes: "session taken over", five bytes of properties: a reason string."""


@pytest.fixture
def broker():
    with Mosquitto() as running:
        yield running


def test_mqtt_5_is_spoken_where_the_broker_does(broker):
    """The link says which version it is."""
    with publishing(broker.url) as publisher:
        assert publisher.link.sentence.endswith("MQTT 5")


@pytest.mark.parametrize(("refuse_5", "tries"), [("answer", 2), ("close", 3)])
def test_a_broker_that_does_not_speak_5_gets_3_1_1(broker, refuse_5, tries):
    """Whether it says so or just closes: the first connection is there after two tries or three, which are at most half a second apart."""
    with (
        Proxy(broker.port, refuse_5=refuse_5) as old,
        Subscriber(broker.port) as subscriber,
        publishing(old.url) as publisher,
    ):
        assert old.connections == tries
        assert publisher.link.sentence.endswith("MQTT 3.1.1")
        send(publisher, 0, event_seq=0)
        subscriber.wait_for("/status", lambda body: body["state"] == "online")
        subscriber.wait_count("/event", 1)
        old.freeze()
        old.cut()
        subscriber.wait_for("/status", lambda body: body["state"] == "offline")
        old.thaw()
        send(publisher, 1, event_seq=1)
        subscriber.wait_for("/event", lambda body: body["event_seq"] == 1)
        assert publisher.stop(status("stopped"), LONG_S) == 0


def test_a_broker_in_pure_python_that_is_deaf_to_5_gets_3_1_1():
    """The one that the demo brings along answers nothing at all to MQTT 5."""
    pytest.importorskip("amqtt.broker", reason="amqtt is not installed; it comes with lineside[demo]")
    amqtt = Amqtt()
    amqtt.start()
    try:
        with (
            publishing(f"mqtt://127.0.0.1:{amqtt.port}") as publisher,
            Subscriber(amqtt.port, protocol="3.1.1") as subscriber,
        ):
            for seq in range(100):
                send(publisher, seq, event_seq=seq)
            assert [body["event_seq"] for body in subscriber.wait_count("/event", 100)] == list(range(100))
            assert publisher.stop(status("stopped"), LONG_S) == 0
    finally:
        amqtt.close()


def test_messages_travel_in_a_websocket_too():
    """For plants whose firewall lets nothing else through."""
    with (
        HeldPort() as port,
        Mosquitto(listener_options=f"listener {port.number} 127.0.0.1\nprotocol websockets") as broker,
    ):
        until_s = time.monotonic() + LONG_S  # it opens its first listener before it says anything of the second
        while "websockets" not in broker.log() and time.monotonic() < until_s:
            time.sleep(0.01)
        if "websockets" not in broker.log():
            pytest.skip("this mosquitto was built without websockets")
        with publishing(f"ws://127.0.0.1:{port.number}") as publisher, Subscriber(broker.port) as subscriber:
            for seq in range(500):
                send(publisher, seq, qos=1)
            subscriber.wait_for("/prediction", lambda body: body["seq"] == 499)
            assert publisher.stop(status("stopped"), LONG_S) == 0


def test_who_is_told_that_another_client_has_its_id_gives_way(broker):
    """It says what is wrong, and does not throw the other one out again; at the end it looks once whether the other one is gone."""
    links = Links()
    with (
        Proxy(broker.port) as way,
        Subscriber(broker.port) as subscriber,
        publishing(way.url, on_link=links) as publisher,
    ):
        way.say(TAKEN_OVER)
        assert "client id" in links.wait_for("taken_over").sentence
        send(publisher, 0, event_seq=0)
        assert not publisher.wait_connected(1.0)
        assert way.connections == 1
        assert publisher.stop(status("stopped"), LONG_S) == 0
        subscriber.wait_for("/event", lambda body: body["event_seq"] == 0)
        subscriber.wait_for("/status", lambda body: body["state"] == "stopped")
        assert way.connections == 2


@pytest.mark.parametrize("refuse_5", ["", "answer"], ids=["5", "3.1.1"])
def test_two_agents_of_one_name_do_not_duel_for_ever(broker, refuse_5):
    """mosquitto 2.0.11 does not say why it cuts us; who is cut at once three times in a row gives way, and the other one stays."""
    both = Links()
    with (
        Proxy(broker.port, refuse_5=refuse_5) as way,
        publishing(way.url, on_link=both) as one,
        publishing(way.url, on_link=both, wait_s=0) as other,
    ):
        assert "client id" in both.wait_for("taken_over", timeout_s=2 * LONG_S).sentence
        stays = other if one.link.state == "taken_over" else one
        assert stays.wait_connected(LONG_S)
