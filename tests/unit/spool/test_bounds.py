"""Which messages go when there is too much: nothing goes unannounced, and nothing is announced that is there."""

from __future__ import annotations

import itertools

import hypothesis.strategies as st
import pytest
from hypothesis import given
from spooling import event, gap, said

from agent.spool.bounds import GivenUp, give_up, join
from agent.spool.record import OVERHEAD_BYTES

ONE = OVERHEAD_BYTES + 2
"""What an event of the tests counts."""


def lane(*decisions, pipeline="p"):
    """Events 0, 1, … with ids 1, 2, …"""
    return [
        event(number, pipeline, record_id=number + 1, decision=decision) for number, decision in enumerate(decisions)
    ]


def after(records, outcome):
    """What stands in the lane then."""
    left = {record.id: record for record in records if record.id not in outcome.removed}
    left |= {record.id: record for record in outcome.gaps}
    return [left[number] for number in sorted(left)]


@pytest.mark.parametrize(
    ("order", "left"),
    [
        ("oldest", [(0, 1, "full"), 2, 3, 4]),
        ("newest", [0, 1, 2, (3, 4, "full")]),
        ("decision", [0, (1, 1, "full"), 2, 3, (4, 4, "full")]),
    ],
)
def test_what_goes_first_is_what_the_operator_chose(order, left):
    """The announcement stands where the messages stood."""
    records = lane("reject", "accept", "reject", "unsure", "accept")
    outcome = give_up(records, free_bytes=2 * ONE, order=order, reason="full")
    assert [said(record) for record in after(records, outcome)] == left
    assert outcome.messages == 2


def test_unsure_goes_before_reject_and_a_message_without_decision_first():
    """Least needed first, the oldest of each."""
    records = lane("reject", "unsure", None, "accept")
    gone = [
        [said(record) for record in give_up(records, free_bytes=count * ONE, order="decision", reason="r").gaps]
        for count in (1, 2, 3)
    ]
    assert gone == [[(2, 2, "r")], [(2, 3, "r")], [(1, 3, "r")]]


def test_gaps_of_one_reason_that_touch_become_one():
    """So a lane that overflows for a day announces one stretch."""
    records = [gap(0, 6, record_id=7, reason="full"), event(7, record_id=8), event(8, record_id=9)]
    outcome = give_up(records, free_bytes=1, order="oldest", reason="full")
    assert [said(record) for record in after(records, outcome)] == [(0, 7, "full"), 8]


def test_gaps_of_other_reasons_stay():
    """Why a message is missing is told as it was."""
    records = [gap(0, 6, record_id=7, reason="too_old"), event(7, record_id=8)]
    outcome = give_up(records, free_bytes=1, order="oldest", reason="full")
    assert [said(record) for record in after(records, outcome)] == [(0, 6, "too_old"), (7, 7, "full")]


def test_more_may_go_than_is_needed():
    """So that this need not be done for each message."""
    records = lane(None, None, None, None)
    assert give_up(records, free_bytes=1, order="oldest", reason="full", least=3).messages == 3


def test_nothing_goes_where_there_are_only_gaps():
    """An announcement is never given up."""
    assert give_up([gap(0, 3, record_id=4)], free_bytes=1000, order="oldest", reason="full") == GivenUp()


def joined(records, victims, old):
    """What stands in the lane after the victims were given up, and joined with old gaps beside them."""
    outcome = give_up(victims, free_bytes=1000, order="oldest", reason="spool_full", least=len(victims))
    join(outcome, old)
    return [said(record) for record in after(records, outcome)]


@pytest.mark.parametrize("is_told_twice", [True, False])
def test_an_old_gap_between_two_victims_joins_them(is_told_twice):
    """All three become one, however often the old one is named."""
    first, old, last = event(0, record_id=1), gap(1, 1, record_id=2), event(2, record_id=3)
    assert joined([first, old, last], [first, last], [old, old] if is_told_twice else [old]) == [(0, 2, "spool_full")]


def test_an_old_gap_behind_a_victim_takes_it_in():
    """And one of another session does not."""
    victim, old = event(0, record_id=1), gap(1, 4, record_id=5)
    assert joined([victim, old], [victim], [old]) == [(0, 4, "spool_full")]
    foreign = gap(1, 4, record_id=5)
    foreign.session = "other"
    assert joined([victim, foreign], [victim], [foreign]) == [(0, 0, "spool_full"), (1, 4, "spool_full")]


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([None, "accept", "unsure", "reject"])), max_size=30),
    st.lists(st.tuples(st.sampled_from(["oldest", "newest", "decision"]), st.integers(1, 10)), max_size=5),
)
def test_each_number_is_kept_or_announced_once_however_often_something_goes(made, rounds):
    """By rising ids, so that a subscriber finds each gap in its place."""
    numbers = {"a": 0, "b": 0}
    records = []
    for number, (pipeline, decision) in enumerate(made):
        records.append(event(numbers[pipeline], pipeline, record_id=number + 1, decision=decision))
        numbers[pipeline] += 1
    messages = len(records)
    for order, count in rounds:
        outcome = give_up(records, free_bytes=count * ONE, order=order, reason="full")
        records = after(records, outcome)
        assert sum(not record.is_gap for record in records) == messages - outcome.messages
        messages -= outcome.messages
        assert outcome.messages >= min(count, messages) or messages == 0
    for pipeline, count in numbers.items():
        told = [number for r in records if r.pipeline == pipeline for number in range(r.first, r.last + 1)]
        assert told == list(range(count))
    stretches = [(r.pipeline, r.is_gap) for r in records if r.pipeline == "a"]
    assert all(not (one[1] and other[1]) for one, other in itertools.pairwise(stretches))
