"""So many commands and no more, and nobody waits for them."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import hypothesis.strategies as st
import pytest
from commanding import TOPICS, Answers, Verbs, asked, audited, clerk
from deadlines import LONG_S
from hypothesis import given

from agent.commands.allowance import Allowance
from agent.commands.audit import Audit
from agent.commands.desk import BURST, BUSY_BURST, WAITING, Desk
from agent.core.incoming import Incoming
from agent.core.messages import HoldResult


@pytest.fixture
def clock():
    return SimpleNamespace(now_s=1000.0)


@pytest.fixture
def answers():
    return Answers()


def test_what_is_put_is_obeyed_in_order(tmp_path, answers):
    """By a thread of the desk's own."""
    verbs = Verbs()
    desk = Desk(TOPICS, clerk(tmp_path, verbs.by_name(), answers))
    desk.start()
    for n in range(5):
        desk.put(asked("pause", {"id": str(n)}))
    assert [ack.id for ack in answers.wait(5)] == list("01234")
    desk.close()
    desk.close()


def test_a_verb_that_hangs_holds_up_other_commands_only(tmp_path, answers, clock):
    """Whoever puts never waits; what is too much is told to be so."""
    began, go_on = threading.Event(), threading.Event()

    def hang(_arguments):
        began.set()
        assert go_on.wait(2 * LONG_S)
        return HoldResult(pipelines={})

    desk = Desk(TOPICS, clerk(tmp_path, {"pause": hang}, answers), clock=lambda: clock.now_s)
    desk.start()
    desk.put(asked("pause"))
    assert began.wait(LONG_S)
    for n in range(WAITING + 2):
        clock.now_s += 1
        desk.put(asked("pause", {"id": str(n)}))
    assert [ack.reason for ack in answers.wait(2)] == ["busy", "busy"]
    go_on.set()
    answers.wait(2 + 1 + WAITING)
    assert desk.counts == {"busy": 2, "accepted": 1 + WAITING}
    desk.close()


def test_a_flood_is_not_looked_at(tmp_path, answers, clock):
    """A few are told; all are counted; the audit file gets a line for those that were looked at, and no more."""
    desk = Desk(
        TOPICS,
        clerk(tmp_path, Verbs().by_name(), answers, audit=Audit(tmp_path, 100_000)),
        clock=lambda: clock.now_s,
    )
    for n in range(10_000):
        clock.now_s += 0.0001
        desk.put(asked("pause", b"junk" * (n % 7)))
    told = [ack.reason for ack, _ in answers.all]
    assert told == ["busy"] * len(told)
    assert BUSY_BURST <= len(told) <= BUSY_BURST + 2
    desk.start()
    looked_at = 10_000 - desk.counts["busy"]
    assert looked_at == min(WAITING, BURST)
    answers.wait(len(told) + looked_at)
    desk.close()
    lines = audited(tmp_path)
    assert len(lines) == looked_at
    assert lines[0]["unrecorded"] == desk.counts["busy"]


def test_after_a_flood_commands_are_obeyed_again(tmp_path, answers, clock):
    """The allowance grows with time."""
    desk = Desk(TOPICS, clerk(tmp_path, Verbs().by_name(), answers), clock=lambda: clock.now_s)
    desk.start()
    for _ in range(1000):
        desk.put(asked("reboot"))
    looked_at = 1000 - desk.counts["busy"]
    answers.wait(looked_at + BUSY_BURST)
    clock.now_s += 10
    desk.put(asked("pause", {"id": "after"}))
    assert answers.wait(looked_at + BUSY_BURST + 1)[-1].id == "after"
    assert answers.last.ok
    desk.close()


@given(st.text(max_size=100))
def test_any_topic_is_answered_or_silently_counted(tmp_path_factory, verb):
    """Where the verb is no name, an answer would go to a topic of the stranger's making."""
    answers = Answers()
    desk = Desk(TOPICS, clerk(tmp_path_factory.mktemp("state"), {}, answers))
    desk.put(Incoming(f"{TOPICS.root}/cmd/{verb}", b"{}"))
    desk.put(Incoming(verb, b"{}"))
    assert desk.counts.get("malformed", 0) >= 1
    assert answers.all == []


def test_a_desk_that_was_never_started_closes(tmp_path, answers):
    """An agent that could not start closes everything."""
    Desk(TOPICS, clerk(tmp_path, {}, answers)).close()


def test_an_allowance_grows_to_its_burst_and_no_further():
    """A quiet day does not allow a flood in the evening."""
    allowance = Allowance(2.0, 3)
    assert [allowance.take(1000.0) for _ in range(4)] == [True, True, True, False]
    assert [allowance.take(1000.6), allowance.take(1000.6)] == [True, False]
    assert [allowance.take(90_000.0) for _ in range(4)] == [True, True, True, False]
