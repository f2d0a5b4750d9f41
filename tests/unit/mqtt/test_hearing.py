"""What happens to commands between the wire and the desk, with a wire that only remembers."""

from __future__ import annotations

from collections import deque

import pytest

from agent.core.incoming import Incoming
from agent.mqtt.hearing import ANSWERS, CUTS, DEAF_S, FLOOD_HZ, MUTE_S, Answer, Hearing

FILTER = "root/cmd/+"


class FakeWire:
    """As much of `Wire` as is used."""

    def __init__(self, *, window: int = 20, largest_bytes: int = 10_000) -> None:
        self.window = window
        self.largest_bytes = largest_bytes
        self.is_congested = False
        self.consent: bool | None = None
        self.received: deque[Incoming] = deque()
        self.asked: list[str] = []
        self.left: list[str] = []
        self.published: list[tuple] = []

    def ask_for(self, topic: str) -> None:
        self.asked.append(topic)

    def leave(self, topic: str) -> None:
        self.left.append(topic)

    def publish(self, ticket, topic, payload, *, qos, retain, correlation) -> None:
        self.published.append((ticket, topic, payload, qos, retain, correlation))

    def push(self) -> None:
        """What is published here has arrived."""


class Heard:
    """Remembers commands and troubles."""

    def __init__(self) -> None:
        self.commands: list[Incoming] = []
        self.troubles: dict[str, str] = {}
        self.fault: Exception | None = None

    def command(self, incoming: Incoming) -> None:
        self.commands.append(incoming)
        if self.fault is not None:
            raise self.fault

    def trouble(self, cause: str, sentence: str | None) -> None:
        self.troubles.pop(cause, None)
        if sentence is not None:
            self.troubles[cause] = sentence


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def hearing(heard):
    return Hearing(FILTER, heard.command, heard.trouble)


def come(wire, count=1):
    wire.received.extend(Incoming("root/cmd/pause", b"{}") for _ in range(count))


def answer(payload=b"a"):
    return Answer("root/cmd/pause/ack", payload, b"c")


def test_commands_are_asked_for_on_each_connect_and_passed_on(hearing, heard):
    """One of the messages that the broker takes unconfirmed is kept for answers."""
    for _ in range(2):
        wire = FakeWire()
        hearing.begin(wire)
        come(wire, 3)
        hearing.hear(wire, 0.0)
        assert (wire.asked, wire.window) == ([FILTER], 19)
    assert len(heard.commands) == 6


def test_without_commands_nothing_is_asked_for():
    """An agent that obeys nothing does not listen, and has its whole window."""
    wire = FakeWire()
    Hearing().begin(wire)
    Hearing().hear(wire, 0.0)
    assert (wire.asked, wire.window, Hearing().takes_bytes) == ([], 20, None)


def test_a_desk_that_breaks_breaks_no_connection(hearing, heard):
    """Its fault is logged; the next command comes to it too."""
    heard.fault = RuntimeError("broken")
    wire = FakeWire()
    come(wire, 2)
    hearing.hear(wire, 0.0)
    assert len(heard.commands) == 2


def test_a_refused_subscription_is_told_and_healed(hearing, heard):
    """Delivery goes on meanwhile; a later connection may be allowed."""
    wire = FakeWire()
    hearing.begin(wire)
    hearing.hear(wire, 0.0)
    assert heard.troubles == {}
    wire.consent = False
    hearing.hear(wire, 0.0)
    assert "does not let us subscribe to root/cmd/+" in heard.troubles["subscription"]
    again = FakeWire()
    hearing.begin(again)
    again.consent = True
    hearing.hear(again, 0.0)
    assert heard.troubles == {}


def test_after_a_flood_nothing_is_listened_to_for_a_while(hearing, heard):
    """What the broker sends costs time even if it is thrown away; so it is asked not to send."""
    wire = FakeWire()
    hearing.begin(wire)
    hearing.hear(wire, 100.0)
    come(wire, FLOOD_HZ)
    hearing.hear(wire, 100.5)
    assert wire.left == []
    come(wire)
    hearing.hear(wire, 100.6)
    assert wire.left == [FILTER]
    assert "none is heard for 30 s" in heard.troubles["flood"]
    come(wire, 10 * FLOOD_HZ)
    hearing.hear(wire, 100.5 + DEAF_S)
    assert (wire.left, wire.asked) == ([FILTER], [FILTER])
    hearing.hear(wire, 100.7 + DEAF_S)
    assert wire.asked == [FILTER, FILTER]
    assert heard.troubles == {}


def test_a_new_connection_listens_at_once_and_the_flood_is_over(hearing, heard):
    """Else a broker that is restarted meanwhile leaves the agent degraded until the next flood."""
    wire = FakeWire()
    hearing.begin(wire)
    hearing.hear(wire, 100.0)
    come(wire, FLOOD_HZ + 1)
    hearing.hear(wire, 100.5)
    assert "flood" in heard.troubles
    hearing.end(101.0)
    again = FakeWire()
    hearing.begin(again)
    assert (again.asked, heard.troubles) == ([FILTER], {})


def test_so_many_commands_over_time_are_no_flood(hearing):
    """Each second counts for itself."""
    wire = FakeWire()
    for second in range(20):
        come(wire, FLOOD_HZ)
        hearing.hear(wire, 1000.0 + 1.1 * second)
    assert wire.left == []


def test_answers_go_one_after_the_other(hearing):
    """With QoS 1, not retained, with their correlation data, and with tickets that are no message's."""
    wire = FakeWire()
    for payload in (b"1", b"2"):
        hearing.answer(answer(payload))
    hearing.speak(wire, 0.0)
    hearing.speak(wire, 0.0)
    assert wire.published == [(-1, "root/cmd/pause/ack", b"1", 1, False, b"c")]
    assert not hearing.settle(0, None)
    assert hearing.settle(-1, None)
    hearing.speak(wire, 0.0)
    assert [payload for _, _, payload, *_ in wire.published] == [b"1", b"2"]


def test_answers_wait_for_the_socket(hearing):
    """What is published while it is full would come between the bytes of another message."""
    wire = FakeWire()
    wire.is_congested = True
    hearing.answer(answer())
    hearing.speak(wire, 0.0)
    assert wire.published == []


def test_answers_that_are_too_many_or_too_long_are_counted(hearing):
    """The oldest goes: whoever asked has given up waiting."""
    for n in range(ANSWERS + 3):
        hearing.answer(answer(b"%d" % n))
    hearing.answer(answer(b"x" * 20_000))
    assert hearing.unanswered == 4
    wire = FakeWire()
    for ticket in range(-1, -ANSWERS - 1, -1):
        hearing.speak(wire, 0.0)
        hearing.settle(ticket, None)
    assert wire.published[0][2] == b"4"
    assert len(wire.published) == ANSWERS - 1
    assert hearing.unanswered == 5


def test_an_answer_that_the_broker_refuses_is_told(hearing, heard):
    """In a PUBACK of MQTT 5, until one is taken."""
    hearing.answer(answer())
    hearing.answer(answer())
    wire = FakeWire()
    hearing.speak(wire, 0.0)
    hearing.settle(-1, "Not authorized")
    assert heard.troubles == {"answers": "the broker does not take answers to commands: Not authorized"}
    assert hearing.unanswered == 1
    hearing.speak(wire, 0.0)
    hearing.settle(-2, None)
    assert heard.troubles == {}


@pytest.mark.parametrize("says_why", [False, True])
def test_a_broker_that_cuts_the_connection_at_answers_gets_none(hearing, heard, says_why):
    """A retained command is answered at each connect: that must not cut the device off for good."""
    for _ in range(CUTS):
        wire = FakeWire()
        hearing.begin(wire)
        hearing.answer(answer())
        hearing.speak(wire, 1000.0)
        if says_why:
            hearing.settle(wire.published[0][0], "Not authorized")
        assert hearing.is_in_doubt
        hearing.end(1000.0)
        assert not hearing.is_in_doubt
    wire = FakeWire()
    hearing.answer(answer())
    hearing.speak(wire, 1000.0 + MUTE_S - 1)
    assert wire.published == []
    assert "cuts the connection at answers" in heard.troubles["answers"]
    assert hearing.unanswered == CUTS + 1
    hearing.answer(answer())
    hearing.speak(wire, 1000.0 + MUTE_S)
    hearing.settle(wire.published[0][0], None)
    assert heard.troubles == {}


def test_a_connection_that_ends_without_an_answer_on_its_way_is_nobodys_fault(hearing, heard):
    """However often."""
    for _ in range(10):
        hearing.end(0.0)
    assert (hearing.unanswered, heard.troubles) == (0, {})
