"""The broker goes away and comes back: what was said meanwhile is kept, bounded, counted, and told apart from what is live."""

from __future__ import annotations

import json
import time

import pytest
from broker import Mosquitto, Proxy, Subscriber, needs_mosquitto
from deadlines import LONG_S
from ports import HeldPort
from publishing import TOPICS, Links, publishing, send, status

from agent.core.messages import SourceState
from agent.core.times import now_text
from agent.mqtt.link import Retry
from agent.mqtt.publisher import Publisher
from agent.mqtt.settings import MqttSettings

pytestmark = needs_mosquitto


@pytest.fixture
def broker():
    with Mosquitto() as running:
        yield running


def test_everything_retained_is_said_again_to_a_broker_that_lost_its_memory(broker):
    """Who subscribes after the restart sees status, states and the last prediction."""
    links = Links()
    with publishing(broker.url, on_link=links) as publisher:
        state = SourceState(
            device="press-07", session="s", source="cam", state="ok", since=now_text(), captured_at_from="driver"
        )
        publisher.announce(TOPICS.source_state("cam"), state)
        send(publisher, 41)
        with Subscriber(broker.port) as before:
            before.wait_for("/prediction", lambda body: body["seq"] == 41)
        broker.restart()
        links.wait_for("connected", times=2)
        with Subscriber(broker.port) as late:
            late.wait_for("/status", lambda body: body["state"] == "online")
            late.wait_for("/source/cam/state", lambda body: body["state"] == "ok")
            repeated = late.wait_for("/prediction", lambda body: body["seq"] == 41)
    # It had been delivered when it was made.
    assert repeated.body["historical"] is False


def test_what_was_made_while_the_broker_was_away_arrives_in_order_and_says_so(broker):
    """Events on their own topic, the rest on `backlog`, and on `prediction` only the newest."""
    links = Links()
    with publishing(broker.url, on_link=links) as publisher, Subscriber(broker.port) as subscriber:
        send(publisher, 0, event_seq=0)
        subscriber.wait_count("/prediction", 1)
        broker.kill()
        links.wait_for("away")
        for seq in range(1, 201):
            send(publisher, seq, event_seq=seq // 4 if seq % 4 == 0 else None)
        assert publisher.queued >= 200
        broker.start()
        subscriber.wait_subscribed(2)
        send(publisher, 201, event_seq=51)
        subscriber.wait_for("/prediction", lambda body: body["seq"] == 201)
        assert publisher.stop(status("stopped"), LONG_S) == 0
        subscriber.wait_for("/status", lambda body: body["state"] == "stopped")
        events = [body for body in subscriber.bodies("/event") if body["event_seq"]]
        first_arrivals = list({body["id"]: body["event_seq"] for body in events}.values())
        assert first_arrivals[-1] == 51
        assert first_arrivals == sorted(first_arrivals)
        live = [body["seq"] for body in subscriber.bodies("/prediction")]
        assert live == sorted(live)
        history = subscriber.bodies("/backlog")
    assert all(body["historical"] for body in history)
    assert [body["seq"] for body in history] == sorted(body["seq"] for body in history)
    assert {body["seq"] % 4 for body in history} <= {1, 2, 3}
    assert publisher.dropped == {}


def test_a_cut_brings_no_prediction_twice_while_the_pipeline_runs(broker, monkeypatch):
    """The next one comes while the repetition still waits: for a minute here, as a second may be over on a slow machine."""
    monkeypatch.setattr("agent.mqtt.outbox.REPEAT_AFTER_S", LONG_S)
    links = Links()
    with (
        Proxy(broker.port) as way,
        Subscriber(broker.port) as subscriber,
        publishing(way.url, on_link=links) as publisher,
    ):
        send(publisher, 0)
        subscriber.wait_count("/prediction", 1)
        way.cut()
        links.wait_for("connected", times=2)
        send(publisher, 1)
        subscriber.wait_count("/prediction", 2)
        assert publisher.stop(status("stopped"), LONG_S) == 0
        subscriber.wait_for("/status", lambda body: body["state"] == "stopped")
        assert [(body["seq"], body["historical"]) for body in subscriber.bodies("/prediction")] == [
            (0, False),
            (1, False),
        ]


def test_who_stops_while_the_broker_comes_back_still_repeats_the_last_prediction(broker):
    """Without the second's wait, as no newer one will come."""
    links = Links()
    with publishing(broker.url, on_link=links) as publisher:
        broker.kill()
        links.wait_for("away")
        send(publisher, 7, event_seq=0)
        broker.start()
        assert publisher.stop(status("stopped"), LONG_S) == 0
        with Subscriber(broker.port) as late:
            assert late.wait_for("/prediction", lambda body: body["seq"] == 7).body["historical"] is True


def test_a_broker_that_starts_after_the_agent_is_found_within_half_a_second_and_a_bit(monkeypatch):
    """As they do after a power cut; the agent waits 5 s for its first connection. What lies between two tries is measured by the rule's word."""
    delays_s, after = [], Retry.after

    def noted(rule, *fault, **details):
        following = after(rule, *fault, **details)
        delays_s.append(following.delay_s)
        return following

    monkeypatch.setattr(Retry, "after", noted)
    with Mosquitto() as broker:
        broker.stop()
        with publishing(broker.url, wait_s=0) as publisher:
            assert not publisher.wait_connected(4.0)
            tries = len(delays_s)
            broker.start()
            assert publisher.wait_connected(LONG_S)
    assert tries > 1
    assert max(delays_s[: tries + 1]) <= 0.5


def test_late_messages_are_all_there_for_a_subscriber_that_was_there_first(broker):
    """The same, with a way that is cut while the broker stays: nothing may be missing."""
    links = Links()
    with Proxy(broker.port) as way, Subscriber(broker.port) as subscriber:
        with publishing(way.url, on_link=links) as publisher:
            way.freeze()
            for seq in range(300):
                send(publisher, seq, qos=1, event_seq=seq)
            way.thaw()
            way.cut()
            for seq in range(300, 600):
                send(publisher, seq, qos=1, event_seq=seq)
            links.wait_for("connected", times=2)
            assert publisher.stop(status("stopped"), LONG_S) == 0
        subscriber.wait_for("/status", lambda body: body["state"] == "stopped")
        arrivals = subscriber.bodies("/event")
        first_arrivals = list({body["id"]: body["event_seq"] for body in arrivals}.values())
        assert first_arrivals == list(range(600))
        assert {body["seq"] for body in subscriber.bodies("/prediction")[-1:]} == {599}


def test_memory_is_bounded_what_is_dropped_is_counted_and_announced(broker):
    """A subscriber can prove what is missing: the gap stands before the next event."""
    links = Links()
    with publishing(broker.url, on_link=links, queue_messages=10) as publisher, Subscriber(broker.port) as subscriber:
        broker.kill()
        links.wait_for("away")
        for seq in range(25):
            send(publisher, seq, event_seq=seq)
        for seq in range(25, 60):
            send(publisher, seq)
        assert publisher.queued <= 21
        # A gap takes a place too, among the events and in the backlog.
        assert publisher.dropped == {"queue_full": 16 + 26}
        broker.start()
        subscriber.wait_subscribed(2)
        send(publisher, 60, event_seq=25)
        subscriber.wait_for("/event", lambda body: body.get("event_seq") == 25)
        said = [(heard.body["schema"], heard.payload) for heard in subscriber.all("/event")]
        assert publisher.stop(status("stopped"), LONG_S) == 0
    gaps = [json.loads(payload) for schema, payload in said if schema == "lineside.gap/1"]
    assert [(gap["first"], gap["last"], gap["reason"]) for gap in gaps] in ([(0, 15, "queue_full")], [])
    numbers = [json.loads(payload)["event_seq"] for schema, payload in said if schema == "lineside.prediction/1"]
    assert numbers == sorted(numbers)


def test_the_gap_arrives_before_the_events_that_follow_it(broker):
    """The first connection comes late, so that the subscriber hears everything."""
    with Proxy(broker.port) as way, Subscriber(broker.port) as subscriber:
        way.freeze()
        with publishing(way.url, wait_s=0, queue_messages=10) as publisher:
            for seq in range(25):
                send(publisher, seq, event_seq=seq, publish=False)
            way.thaw()
            way.cut()
            assert publisher.wait_connected(LONG_S)
            heard = subscriber.wait_count("/event", 10)
    assert (heard[0]["schema"], heard[0]["first"], heard[0]["last"]) == ("lineside.gap/1", 0, 15)
    assert [body["event_seq"] for body in heard[1:]] == list(range(16, 25))
    assert all(body["historical"] for body in heard[1:])


def test_live_predictions_pass_a_long_backlog(broker):
    """Hours of history do not hold up what happens now."""
    with Proxy(broker.port) as way, Subscriber(broker.port) as subscriber:
        way.freeze()
        with publishing(way.url, wait_s=0, spool={"backlog_rate": 10.0}) as publisher:
            for seq in range(1000):
                send(publisher, seq)
            way.thaw()
            way.cut()
            assert publisher.wait_connected(LONG_S)
            send(publisher, 1000)
            subscriber.wait_for("/prediction", lambda body: body["seq"] == 1000)
            assert len(subscriber.all("/backlog")) < 900
            assert not subscriber.bodies("/prediction")[-1]["historical"]


def test_the_publisher_never_goes_silent_over_restarts(broker):
    """After each restart of the broker messages flow again by themselves, however it ended."""
    links = Links()
    with publishing(broker.url, on_link=links) as publisher:
        for round_number in range(6):
            (broker.stop if round_number % 2 else broker.kill)()
            links.wait_for("away", "nothing listens", times=round_number + 1)
            broker.start()
            links.wait_for("connected", times=round_number + 2)
            with Subscriber(broker.port, TOPICS.prediction("p")) as subscriber:
                send(publisher, round_number)
                subscriber.wait_for("/prediction", lambda body, seq=round_number: body["seq"] == seq)
        assert publisher.dropped == {}


def test_a_broker_that_vanishes_without_a_word_is_noticed(broker):
    """A pulled cable: nothing is closed, nothing answers; the keepalive ends it, and what was unconfirmed is sent again."""
    links = Links()
    with (
        Proxy(broker.port) as way,
        Subscriber(broker.port) as subscriber,
        publishing(way.url, on_link=links, keepalive_s=5) as publisher,
    ):
        subscriber.wait_for("/status", lambda body: body["state"] == "online")
        way.freeze()
        send(publisher, 0, event_seq=0)
        links.wait_for("away")
        way.thaw()
        way.cut()
        late = subscriber.wait_for("/event", lambda body: body["event_seq"] == 0)
    assert late.body["historical"] is True


def test_stop_without_a_broker_tells_how_much_stayed_undelivered():
    """It takes its grace and no more."""
    with HeldPort() as nobody, publishing(nobody.url, wait_s=0) as publisher:
        for seq in range(7):
            send(publisher, seq)
        begun_s = time.monotonic()
        # Seven predictions and `stopped`.
        assert publisher.stop(status("stopped"), 0.5) == 8
        assert time.monotonic() - begun_s < LONG_S
        assert publisher.stop(status("stopped"), 0.5) == 8


def test_stop_counts_what_the_broker_has_not_confirmed(broker):
    """Written is not delivered: QoS 1 counts until its confirmation."""
    with Proxy(broker.port) as way, publishing(way.url) as publisher:
        with Subscriber(broker.port, TOPICS.status) as watcher:
            watcher.wait_for("/status", lambda body: body["state"] == "online")
        way.freeze()
        for seq in range(30):
            send(publisher, seq, event_seq=seq, publish=False)
        assert publisher.stop(status("stopped"), 0.5) >= 30


def test_stop_waits_for_a_broker_that_comes_back_in_time(broker):
    """A restart of the broker while the agent ends loses nothing."""
    links = Links()
    with publishing(broker.url, on_link=links) as publisher:
        broker.kill()
        links.wait_for("away")
        for seq in range(50):
            send(publisher, seq, event_seq=seq)
        broker.start()
        assert publisher.stop(status("stopped"), LONG_S) == 0


def test_a_publisher_that_was_never_started_can_be_stopped():
    """The composition may fail half way."""
    publisher = Publisher(MqttSettings(), TOPICS, device="press-07", session="session-1", agent_version="1.0")
    send(publisher, 0, event_seq=0)
    assert publisher.stop(status("stopped"), LONG_S) == 2
