"""The thread at the wire may hang for good, in a name server or a disk: it is given up, and a fresh one delivers."""

from __future__ import annotations

import threading
import time

import pytest
from broker import Mosquitto, Subscriber, needs_mosquitto
from deadlines import LONG_S
from publishing import TOPICS, send, status

from agent.core.supervision import Plan, Supervised
from agent.mqtt import wire
from agent.mqtt.publisher import Publisher
from agent.mqtt.settings import MqttSettings
from agent.mqtt.stint import GivenUp, Stint

AT_ONCE = Plan(0.0, failed=False)


class Hang:
    """A step that lasts until it is released."""

    def __init__(self) -> None:
        self.reached, self.released, self.went_on = threading.Event(), threading.Event(), threading.Event()

    def run(self, stint: Stint) -> None:
        stint.step()
        self.reached.set()
        assert self.released.wait(LONG_S)
        stint.step()
        self.went_on.set()


@pytest.fixture
def hang():
    hang = Hang()
    yield hang
    hang.released.set()


def test_a_step_that_lasts_is_a_stall_and_waiting_is_none(hang):
    """Only what lasts longer than the patience counts."""
    stint = Stint(hang.run)
    assert stint.stalled_s(time.monotonic() + 1000, 60) is None
    before_s = time.monotonic()
    stint.start()
    assert hang.reached.wait(LONG_S)
    now_s = time.monotonic()
    assert stint.stalled_s(before_s + 60, 60) is None
    assert 61 <= stint.stalled_s(now_s + 61, 60) <= 61 + now_s - before_s
    stint.rest()
    assert stint.stalled_s(now_s + 61, 60) is None


def test_who_was_given_up_ends_at_its_next_step(hang):
    """And does nothing of what it would have done."""
    stint = Stint(hang.run)
    stint.start()
    assert hang.reached.wait(LONG_S)
    assert stint.give_up(time.monotonic() + 61, 60)
    hang.released.set()
    stint.join(LONG_S)
    assert not stint.alive
    assert not hang.went_on.is_set()
    with pytest.raises(GivenUp):
        stint.step()


def test_who_comes_round_in_time_is_not_given_up(hang):
    """Between the look and the decision it may have moved on."""
    stint = Stint(hang.run)
    before_s = time.monotonic()
    stint.start()
    assert hang.reached.wait(LONG_S)
    assert not stint.give_up(before_s + 60, 60)
    hang.released.set()
    assert hang.went_on.wait(LONG_S)


@needs_mosquitto
def test_a_publisher_whose_name_server_hangs_delivers_with_a_fresh_thread(monkeypatch):
    """What was made meanwhile arrives; the thread that hangs is counted, and says nothing when it wakes."""
    hung, release = threading.Event(), threading.Event()
    real = wire.Wire.open

    def open_(opened):
        if not hung.is_set():
            hung.set()
            assert release.wait(LONG_S)
        real(opened)

    monkeypatch.setattr(wire.Wire, "open", open_)
    with Mosquitto() as broker, Subscriber(broker.port) as subscriber:
        publisher = Publisher(
            MqttSettings(url=broker.url), TOPICS, device="press-07", session="session-1", agent_version="1.0"
        )
        assert isinstance(publisher, Supervised)
        publisher.start()
        assert hung.wait(LONG_S)
        send(publisher, 0, event_seq=0)
        later_s = time.monotonic() + 1000
        assert publisher.stalled_s(later_s) > 900
        assert publisher.abandon(later_s, AT_ONCE)
        assert publisher.stalled_s(later_s) is None
        publisher.restart()
        subscriber.wait_for("/event", lambda body: body["event_seq"] == 0)
        assert (publisher.abandoned, publisher.abandoned_alive) == (1, 1)
        release.set()
        send(publisher, 1, event_seq=1)
        subscriber.wait_for("/event", lambda body: body["event_seq"] == 1)
        assert publisher.stop(status("stopped"), LONG_S) == 0
        assert [body["event_seq"] for body in subscriber.bodies("/event")] == [0, 1]
