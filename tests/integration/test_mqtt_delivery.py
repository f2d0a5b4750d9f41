"""What an agent says reaches whoever subscribes: birth and will, everything retained, each message once and in order."""

from __future__ import annotations

import threading

import pytest
from broker import Mosquitto, Proxy, Subscriber, needs_mosquitto
from deadlines import LONG_S
from publishing import TOPICS, Links, publishing, send, status

from agent.core import results
from agent.core.messages import SourceState
from agent.core.times import now_text

pytestmark = needs_mosquitto


@pytest.fixture
def broker():
    with Mosquitto(listener_options="max_packet_size 4000") as running:
        yield running


@pytest.fixture
def subscriber(broker):
    with Subscriber(broker.port) as running:
        yield running


def source_state(state):
    return SourceState(
        device="press-07", session="session-1", source="cam", state=state, since=now_text(), captured_at_from="arrival"
    )


def test_birth_and_will_share_topic_and_retain_flag(broker):
    """Whoever comes late knows whether the agent is there, whichever of the two was said last."""
    with Proxy(broker.port) as way, Subscriber(broker.port, TOPICS.status) as watcher:
        with publishing(way.url):
            watcher.wait_for("status", lambda body: body["state"] == "online")
            with Subscriber(broker.port, TOPICS.status) as late:
                assert late.wait_for("status", lambda body: body["state"] == "online").is_retained
            way.freeze()
            way.cut()
            will = watcher.wait_for("status", lambda body: body["state"] == "offline")
            with Subscriber(broker.port, TOPICS.status) as late:
                assert late.wait_for("status", lambda body: body["state"] == "offline").is_retained
        assert will.body["session"] == "session-1"
        assert will.qos == 1


def test_after_a_cut_the_agent_is_online_again(broker, subscriber):
    """The will of the old connection does not outlive the birth of the new one."""
    links = Links()
    with Proxy(broker.port) as way, publishing(way.url, on_link=links):
        subscriber.wait_for("status", lambda body: body["state"] == "online")
        way.cut()
        subscriber.wait_for("status", lambda body: body["state"] == "offline")
        links.wait_for("connected", times=2)
        subscriber.wait_count("status", 3)
        with Subscriber(broker.port, TOPICS.status) as late:
            late.wait_for("status", lambda body: body["state"] == "online")


def test_who_stops_on_purpose_says_so_and_leaves_no_will(broker, subscriber):
    """`stopped` is the last word, and it is retained."""
    with publishing(broker.url) as publisher:
        send(publisher, 0, event_seq=0)
        assert publisher.stop(status("stopped"), LONG_S) == 0
        assert publisher.stop(status("stopped"), LONG_S) == 0
    subscriber.wait_for("status", lambda body: body["state"] == "stopped")
    assert subscriber.bodies()[-1]["state"] == "stopped"
    with Subscriber(broker.port, TOPICS.status) as late:
        assert late.wait_for("status", lambda body: True).body["state"] == "stopped"


@pytest.mark.parametrize("qos", [0, 1])
def test_thousands_of_predictions_arrive_in_order_and_without_gap(broker, subscriber, qos):
    """With either quality of service, as fast as they can be made."""
    count = 3000
    with publishing(broker.url) as publisher:
        for seq in range(count):
            send(publisher, seq, qos=qos)
        heard = subscriber.wait_count("/prediction", count)
        assert [body["seq"] for body in heard] == list(range(count))
        assert not any(body["historical"] for body in heard)
        assert publisher.stop(status("stopped"), LONG_S) == 0
        assert publisher.dropped == {}


def test_events_carry_their_number_and_predictions_do_not(broker, subscriber):
    """Both topics get the same prediction, each as the contract says."""
    with publishing(broker.url) as publisher:
        for seq in range(200):
            send(publisher, seq, event_seq=seq // 2 if seq % 2 else None)
        events = subscriber.wait_count("/event", 100)
        predictions = subscriber.wait_count("/prediction", 200)
    assert [body["event_seq"] for body in events] == list(range(100))
    assert [body["seq"] for body in events] == list(range(1, 200, 2))
    assert {body["event_seq"] for body in predictions} == {None}
    by_seq = {body["seq"]: body["id"] for body in predictions}
    assert all(by_seq[body["seq"]] == body["id"] for body in events)
    assert {heard.qos for heard in subscriber.all("/event")} == {1}


def test_a_source_that_can_wait_waits_and_nothing_is_lost(broker, subscriber):
    """A full queue slows a file down and drops none of its frames while the broker is there."""
    count = 2000
    with publishing(broker.url, queue_messages=20) as publisher:
        for seq in range(count):
            send(publisher, seq, event_seq=seq, wait=lambda: True)
        assert [body["seq"] for body in subscriber.wait_count("/prediction", count)] == list(range(count))
        assert [body["event_seq"] for body in subscriber.wait_count("/event", count)] == list(range(count))
        assert publisher.dropped == {}


def test_what_is_announced_is_retained_and_the_newest_counts(broker, subscriber):
    """A subscriber that comes later sees how things are."""
    with publishing(broker.url) as publisher:
        publisher.announce(TOPICS.source_state("cam"), source_state("connecting"))
        publisher.announce(TOPICS.source_state("cam"), source_state("ok"))
        subscriber.wait_for("/source/cam/state", lambda body: body["state"] == "ok")
        with Subscriber(broker.port, TOPICS.source_state("cam")) as late:
            assert late.wait_for("/state", lambda body: True).body["state"] == "ok"


def test_a_message_that_is_too_large_for_the_broker_costs_nothing_but_itself(broker, subscriber):
    """It is counted and announced as a gap; the broker would have cut the connection again and again."""
    links, drops = Links(), []
    with publishing(broker.url, on_link=links, on_drop=lambda *drop: drops.append(drop)) as publisher:
        send(publisher, 0, event_seq=0, publish=False, result=results.Embedding(vector=[0.125] * 2000))
        send(publisher, 1, event_seq=1, publish=False)
        heard = subscriber.wait_count("/event", 2)
        assert (heard[0]["schema"], heard[0]["first"], heard[0]["last"]) == ("lineside.gap/1", 0, 0)
        assert heard[0]["reason"] == "too_large"
        assert heard[1]["event_seq"] == 1
        assert publisher.dropped == {"too_large": 1}
        assert publisher.stop(status("stopped"), LONG_S) == 1
    assert [link.state for link in links.all] == ["connected"]
    ((reason, sentence),) = drops
    assert reason == "too_large"
    assert TOPICS.event("p") in sentence


def test_a_state_that_is_too_large_for_the_broker_costs_nothing_but_itself(broker, subscriber):
    """A status with a long list of reasons does not cut the device off."""
    links = Links()
    with publishing(broker.url, on_link=links) as publisher:
        publisher.announce(TOPICS.status, status("degraded", ("the camera does not answer",) * 200))
        send(publisher, 0)
        subscriber.wait_count("/prediction", 1)
        assert publisher.dropped == {"too_large": 1}
    assert [link.state for link in links.all] == ["connected"]


def test_a_message_that_cannot_be_encoded_costs_nothing_but_itself(broker, subscriber, caplog):
    """A faulty decoder does not silence the agent; that it is faulty is told once."""
    drops = []
    with publishing(broker.url, on_drop=lambda *drop: drops.append(drop)) as publisher:
        for seq in range(2):
            send(publisher, seq, result=results.Regression(value=object(), unit=None))
        send(publisher, 2)
        assert [body["seq"] for body in subscriber.wait_count("/prediction", 1)] == [2]
        assert publisher.dropped == {"unencodable": 2}
        assert publisher.stop(status("stopped"), LONG_S) == 2
    assert [reason for reason, _ in drops] == ["unencodable"]
    assert "object" in caplog.text
    assert caplog.text.count(TOPICS.prediction("p")) == 1


def test_what_the_broker_forbids_does_not_cut_the_device_off(tmp_path, caplog):
    """Some brokers cut the connection at each message on a forbidden topic; it is given up, counted, and the rest goes on."""
    acl = tmp_path / "acl"
    allowed = [TOPICS.status, TOPICS.prediction("p"), TOPICS.backlog("p")]
    acl.write_text("topic read #\n" + "".join(f"topic write {topic}\n" for topic in allowed))
    drops = []
    with (
        Mosquitto(options=f"acl_file {acl}") as broker,
        publishing(broker.url, on_drop=lambda *drop: drops.append(drop)) as publisher,
    ):
        with Subscriber(broker.port) as subscriber:
            send(publisher, 0, event_seq=0, publish=False)
            subscriber.wait_count("/status", 2)
            send(publisher, 1)
            subscriber.wait_for("/prediction", lambda body: body["seq"] == 1)
            assert publisher.stop(status("stopped"), LONG_S) == 1
            subscriber.wait_for("/status", lambda body: body["state"] == "stopped")
        # The event; the gap in its place goes to the same topic, and is not counted again.
        assert publisher.dropped == {"refused": 1}
    ((reason, sentence),) = drops
    assert reason == "refused"
    assert TOPICS.event("p") in sentence
    assert TOPICS.event("p") in caplog.text


def test_a_state_that_the_broker_forbids_is_told(tmp_path):
    """Else nobody learns why there is none; the rest goes on, and the status may say so."""
    acl = tmp_path / "acl"
    allowed = [TOPICS.status, TOPICS.prediction("p")]
    acl.write_text("topic read #\n" + "".join(f"topic write {topic}\n" for topic in allowed))
    drops, told = [], threading.Event()

    def on_drop(*drop):
        drops.append(drop)
        told.set()

    with Mosquitto(options=f"acl_file {acl}") as broker, publishing(broker.url, on_drop=on_drop) as publisher:
        publisher.announce(TOPICS.source_state("cam"), source_state("ok"))
        assert told.wait(LONG_S)
        assert publisher.stop(status("stopped"), LONG_S) == 1
    ((reason, sentence),) = drops
    assert reason == "refused"
    assert TOPICS.source_state("cam") in sentence


def test_a_fault_in_the_callers_callback_does_not_end_the_delivery(broker, subscriber, caplog):
    """It is logged with its trace, and messages go on."""

    def broken(*_):
        raise RuntimeError("the caller's fault")

    with publishing(broker.url, on_link=broken, on_drop=broken) as publisher:
        send(publisher, 0, result=results.Regression(value=object(), unit=None))
        send(publisher, 1)
        subscriber.wait_count("/prediction", 1)
    assert "on_link failed" in caplog.text
    assert "on_drop failed" in caplog.text
    assert "the caller's fault" in caplog.text


def test_what_the_socket_took_in_parts_arrives_whole():
    """A broker that does not read for a while: a message is half written, and nothing comes between its halves."""
    tensors = results.Tensors(tensors={"features": [0.5] * 20_000})
    with (
        Mosquitto() as broker,
        Subscriber(broker.port, TOPICS.prediction("p")) as subscriber,
        publishing(broker.url) as publisher,
    ):
        send(publisher, 0, result=tensors)
        subscriber.wait_count("/prediction", 1)
        with broker.paused():
            for seq in range(1, 200):  # 80 kB each, and the sockets between us hold some megabytes
                send(publisher, seq, result=tensors)
                send(publisher, 1000 + seq, qos=1)
            assert publisher.queued > 100
        heard = subscriber.wait_count("/prediction", 399)
        assert publisher.dropped == {}
    seqs = [body["seq"] for body in heard if not body["historical"]]
    assert [seq for seq in seqs if seq < 1000] == list(range(200))
    assert [seq for seq in seqs if seq > 1000] == list(range(1001, 1200))
