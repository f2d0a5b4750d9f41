"""What the broker does not take: kept apart with the reason, bounded by number and bytes."""

from __future__ import annotations

from contextlib import closing

import pytest
from spooling import event

from agent.spool import quarantine
from agent.spool.quarantine import Quarantine
from agent.spool.store import NAME, Store

SINCE = "2026-11-22T15:17:26.123456Z"


@pytest.fixture
def store(tmp_path):
    with closing(Store(tmp_path / NAME)) as store:
        yield store


def test_a_message_is_kept_with_what_the_broker_said(store):
    """And over a restart."""
    refused = event(7, decision="reject", payload=b'{"x":1}')
    refused.refusals = 5
    Quarantine(store, 10).add(refused, "not authorized", SINCE)
    (found,) = Quarantine(store, 10).all()
    assert (found.lane, found.pipeline, found.session, found.number) == ("event", "p", "s", 7)
    assert (found.since, found.tries, found.why, found.payload) == (SINCE, 5, "not authorized", b'{"x":1}')


def test_beyond_the_bound_the_oldest_go_and_are_counted(store):
    """Whoever adds learns how many are lost for good."""
    kept = Quarantine(store, 2)
    assert [kept.add(event(number), "no", SINCE) for number in range(4)] == [0, 0, 1, 1]
    assert [found.number for found in kept.all()] == [2, 3]
    assert kept.count == 2


def test_bytes_are_bounded_too_and_the_newest_stays_however_large_it_is(store, monkeypatch):
    """It is the one that a person will ask for."""
    monkeypatch.setattr(quarantine, "MAX_BYTES", 100)
    kept = Quarantine(store, 1000)
    for number, size in enumerate([40, 40, 40, 500]):
        kept.add(event(number, payload=b"x" * size), "no", SINCE)
    assert [found.number for found in kept.all()] == [3]


def test_messages_can_be_forgotten_by_their_numbers(store):
    """How many there were is told."""
    kept = Quarantine(store, 10)
    for number in range(3):
        kept.add(event(number), "no", SINCE)
    first, *_, last = kept.all()
    assert kept.remove([first.id, last.id, 4711]) == 2
    assert [found.number for found in kept.all()] == [1]


def test_one_that_is_tried_again_is_late_and_has_its_old_number(store):
    """It goes to the end of the lane that it was in."""
    kept = Quarantine(store, 10)
    kept.add(event(7, payload=b"{}"), "no", SINCE)
    record = kept.all()[0].record()
    assert (record.id, record.lane, record.first, record.last, record.is_late) == (0, "event", 7, 7, True)
    assert (record.is_gap, record.refusals) == (False, 0)
