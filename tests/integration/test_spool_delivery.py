"""Events with a spool on the disk and a real broker: what was accepted arrives, in order, over restarts of either, and a refusal costs one."""

from __future__ import annotations

import pytest
from broker import Mosquitto, Proxy, Subscriber, needs_mosquitto
from deadlines import LONG_S
from ports import HeldPort
from publishing import TOPICS, Links, publishing, send, status

from agent.spool.lane import WINDOW

pytestmark = needs_mosquitto


@pytest.fixture
def broker():
    with Mosquitto() as running:
        yield running


def first_arrivals(subscriber):
    """Numbers of the events by the first arrival of each id."""
    return list({body["id"]: body["event_seq"] for body in subscriber.bodies("/event")}.values())


def spool_of(publisher):
    return publisher._ledger._spool


def wait_on_disk(publisher, count):
    """Until so many events are on the disk, or confirmed."""
    spool = spool_of(publisher)
    with spool.changed:
        assert spool.changed.wait_for(lambda: spool.events.disk_count == count, LONG_S)


@pytest.mark.parametrize("flush_ms", [0, 100])
def test_what_was_left_is_delivered_by_the_next_start_in_order_and_as_history(broker, tmp_path, flush_ms):
    """Before what the new session makes."""
    spool = {"flush_ms": flush_ms}
    with HeldPort() as nobody, publishing(nobody.url, folder=tmp_path, spool=spool, wait_s=0) as publisher:
        for seq in range(600):
            send(publisher, seq, event_seq=seq, publish=False)
    with Subscriber(broker.port) as subscriber, publishing(broker.url, folder=tmp_path, spool=spool) as publisher:
        bodies = subscriber.wait_count("/event", 600)
        send(publisher, 0, event_seq=600, publish=False)
        bodies = subscriber.wait_count("/event", 601)
        assert publisher.stop(status("stopped"), LONG_S) == 0
    assert [body["event_seq"] for body in bodies] == list(range(601))
    assert [body["historical"] for body in bodies] == [True] * 600 + [False]
    with Subscriber(broker.port) as subscriber, publishing(broker.url, folder=tmp_path) as publisher:
        assert publisher.queued == 0


def test_a_broker_that_is_killed_and_comes_back_gets_everything_in_order(broker, tmp_path):
    """Live ones beside the write, late ones from the disk."""
    links = Links()
    with publishing(broker.url, folder=tmp_path, on_link=links) as publisher, Subscriber(broker.port) as subscriber:
        for seq in range(100):
            send(publisher, seq, event_seq=seq, publish=False)
        subscriber.wait_count("/event", 100)
        broker.kill()
        links.wait_for("away")
        for seq in range(100, 1000):
            send(publisher, seq, event_seq=seq, publish=False)
        wait_on_disk(publisher, 900)
        broker.start()
        subscriber.wait_subscribed(2)
        send(publisher, 1000, event_seq=1000, publish=False)
        subscriber.wait_for("/event", lambda body: body["event_seq"] == 1000)
        assert publisher.stop(status("stopped"), LONG_S) == 0
        assert publisher.dropped == {}
        numbers = first_arrivals(subscriber)
    # The subscriber may come back a moment after the agent; what it hears is in order and ends with the newest.
    assert numbers == sorted(numbers)
    assert numbers[:100] == list(range(100))


def test_a_way_that_is_cut_again_and_again_brings_everything_in_order(broker, tmp_path):
    """The subscriber stays, so nothing may be missing; twice comes what was on its way at a cut."""
    links, cuts = Links(), 5
    with (
        Proxy(broker.port) as way,
        Subscriber(broker.port) as subscriber,
        publishing(way.url, folder=tmp_path, on_link=links, spool={"flush_ms": 1}) as publisher,
    ):
        for cut in range(cuts):
            for seq in range(200 * cut, 200 * cut + 200):
                send(publisher, seq, event_seq=seq, publish=False)
            way.cut()
            links.wait_for("connected", times=cut + 2)
        assert publisher.stop(status("stopped"), LONG_S) == 0
        subscriber.wait_for("/status", lambda body: body["state"] == "stopped")
        assert first_arrivals(subscriber) == list(range(200 * cuts))
        assert len(subscriber.bodies("/event")) <= 200 * cuts + 20 * cuts


def test_what_the_broker_forbids_goes_to_quarantine_and_the_rest_flows(tmp_path):
    """The events of one pipeline only; a person can look at them."""
    acl = tmp_path / "acl"
    allowed = [TOPICS.status, TOPICS.prediction("p"), TOPICS.backlog("p")]
    acl.write_text("topic read #\n" + "".join(f"topic write {topic}\n" for topic in allowed))
    with (
        Mosquitto(options=f"acl_file {acl}") as broker,
        Subscriber(broker.port) as subscriber,
        publishing(broker.url, folder=tmp_path, spool={"refusals": 2}) as publisher,
    ):
        send(publisher, 0, event_seq=0, publish=False)
        send(publisher, 1)
        subscriber.wait_for("/prediction", lambda body: body["seq"] == 1)
        publisher.stop(status("stopped"), LONG_S)
        subscriber.wait_for("/status", lambda body: body["state"] == "stopped")
        assert publisher.quarantined == 1
        assert publisher.dropped == {}
        (held,) = spool_of(publisher).quarantine.all()
    assert (held.pipeline, held.number, held.session) == ("p", 0, "session-1")


def test_a_broker_that_does_not_read_costs_no_memory(broker, tmp_path):
    """What waits lies on the disk, but for a window."""
    with (
        Subscriber(broker.port) as subscriber,
        publishing(broker.url, folder=tmp_path, spool={"flush_ms": 1}) as publisher,
    ):
        send(publisher, 0, event_seq=0, publish=False)
        subscriber.wait_count("/event", 1)
        with broker.paused():
            for seq in range(1, 3001):
                send(publisher, seq, event_seq=seq, publish=False)
            spool = spool_of(publisher)
            with spool.changed:
                assert spool.changed.wait_for(lambda: spool.events.disk_count >= 3000 - 20, LONG_S)
                assert len(spool.events._unsent) <= WINDOW
        bodies = subscriber.wait_count("/event", 3001)
        assert [body["event_seq"] for body in bodies] == list(range(3001))
        assert publisher.stop(status("stopped"), LONG_S) == 0


def test_a_small_spool_gives_up_the_oldest_and_the_gap_comes_first(broker, tmp_path):
    """Every number is there, or is announced as missing."""
    spool = {"max_bytes": 64 << 10, "flush_ms": 0}
    with HeldPort() as nobody, publishing(nobody.url, folder=tmp_path, spool=spool, wait_s=0) as publisher:
        for seq in range(400):
            send(publisher, seq, event_seq=seq, publish=False)
        lost = publisher.dropped["spool_full"]
        assert lost > 200
    with Subscriber(broker.port) as subscriber, publishing(broker.url, folder=tmp_path, spool=spool):
        gap, *events = subscriber.wait_count("/event", 401 - lost)
    assert (gap["schema"], gap["first"], gap["last"], gap["reason"]) == ("lineside.gap/1", 0, lost - 1, "spool_full")
    assert [body["event_seq"] for body in events] == list(range(lost, 400))
