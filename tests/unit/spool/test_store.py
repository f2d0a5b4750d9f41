"""The spool's file: all of a change or nothing of it, and whole again after the next start."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from spooling import event, gap, said

from agent.spool.faults import SpoolCorrupt, SpoolUnwritable
from agent.spool.store import NAME, VERSION, Change, LaneState, Store


@pytest.fixture
def path(tmp_path):
    return tmp_path / NAME


@pytest.fixture
def store(path):
    with closing(Store(path)) as store:
        yield store


def put(store, *records, removed=(), cursor=0, lane="event", purge=False, durable=True):
    state = LaneState(cursor, max((record.id for record in records), default=0), len(records), 100, 7.5)
    store.commit([Change(lane, state, records, list(removed), purge=purge)], durable=durable)


def kept(store, lane="event", **where):
    return [said(record) for record in store.read(lane, **{"from_id": 0, "limit": 1000} | where)]


def test_a_message_is_read_as_it_was_written_and_is_late(store):
    """Whatever comes from the disk was not sent when it was made."""
    made = event(4, record_id=9, decision="reject", payload=b'{"a": "\xc3\xa4"}')
    made.at_s = 1.25
    put(store, made, gap(5, 7, record_id=10))
    message, missing = store.read("event", 1, 10)
    assert (message.id, message.first, message.decision, message.payload) == (9, 4, "reject", made.payload)
    assert (message.at_s, message.is_late, message.is_gap) == (1.25, True, False)
    assert said(missing) == (5, 7, "spool_full")


@pytest.mark.parametrize("count", [1, 9, 99, 100, 111, 250])
def test_groups_of_any_length_are_written_whole(store, count):
    """They are written in statements of a few lengths."""
    put(store, *(event(number, record_id=number + 1) for number in range(count)))
    assert kept(store) == list(range(count))


def test_the_file_says_after_a_restart_what_was_said_last(path):
    """Each lane for itself."""
    with closing(Store(path)) as store:
        put(store, event(0, record_id=1))
    with closing(Store(path)) as store:
        assert store.states["event"] == LaneState(0, 1, 1, 100, 7.5)
        assert store.states["backlog"] == LaneState()
        assert kept(store) == [0]


def test_a_change_that_fails_in_the_middle_changes_nothing(store):
    """No half group, no state without its messages."""
    broken = event(1, record_id=2)
    broken.pipeline = None
    with pytest.raises(SpoolUnwritable):
        put(store, event(0, record_id=1), broken)
    assert kept(store) == []
    put(store, event(0, record_id=1))
    assert kept(store) == [0]


def test_both_lanes_are_committed_together_or_not_at_all(store):
    """A fault in the second takes the first back."""
    broken = event(1, record_id=2)
    broken.pipeline = None
    changes = [Change("event", LaneState(), [event(0, record_id=1)]), Change("backlog", LaneState(), [broken])]
    with pytest.raises(SpoolUnwritable):
        store.commit(changes, durable=True)
    assert (kept(store), kept(store, "backlog")) == ([], [])


def test_what_is_put_under_a_known_id_takes_its_place_and_what_is_removed_goes(store):
    """So a gap stands where the last of its messages stood."""
    put(store, *(event(number, record_id=number + 1) for number in range(4)))
    put(store, gap(0, 1, record_id=2), removed=[1])
    assert kept(store) == [(0, 1, "spool_full"), 2, 3]


def test_a_purge_removes_what_is_confirmed(store):
    """Up to the cursor, and not before somebody asks for it."""
    put(store, *(event(number, record_id=number + 1) for number in range(4)))
    put(store, cursor=2)
    assert kept(store) == [0, 1, 2, 3]
    put(store, cursor=2, purge=True)
    assert kept(store) == [2, 3]


def test_who_records_a_confirmation_does_not_wait_for_a_group_that_is_being_written(store):
    """It is told that the disk is busy."""
    change = Change("event", LaneState(cursor=3))
    with store.editing():
        assert not store.try_commit(change)
    assert store.try_commit(change)


def test_messages_can_be_read_by_decision(store):
    """For the bound that keeps rejects longest; gaps have none."""
    put(
        store,
        event(0, record_id=1, decision="accept"),
        event(1, record_id=2),
        gap(2, 2, record_id=3),
        event(3, record_id=4, decision="unsure"),
    )
    assert kept(store, decisions=(None, "accept")) == [0, 1]
    assert kept(store, decisions=("unsure",)) == [3]


def test_neighbours_are_those_of_the_same_pipeline(store):
    """One before, one behind, or fewer at the ends."""
    put(
        store,
        event(0, record_id=1),
        event(0, "other", record_id=2),
        middle := event(1, record_id=3),
        event(1, "other", record_id=4),
        last := event(2, record_id=5),
    )
    assert [record.id for record in store.neighbours(middle)] == [1, 5]
    assert [record.id for record in store.neighbours(last)] == [3]


def test_a_file_of_a_later_version_is_refused_and_left_alone(path):
    """The newer agent's messages are not lost by a return to the older one."""
    Store(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(SpoolUnwritable, match=f"version {VERSION + 1}"):
        Store(path)
    assert path.exists()


def test_a_file_that_is_no_database_is_damaged(path):
    """Whatever wrote over it."""
    path.write_bytes(b"not a database, but long enough to be looked at" * 100)
    with pytest.raises(SpoolCorrupt):
        Store(path)


def test_a_folder_that_is_not_there_is_no_damage(tmp_path):
    """A disk that is not mounted yet comes later."""
    with pytest.raises(SpoolUnwritable):
        Store(tmp_path / "not" / "mounted" / NAME)


def test_closing_twice_is_closing_once(path):
    """And afterwards nothing is taken."""
    store = Store(path)
    store.close()
    store.close()
    with pytest.raises(SpoolUnwritable):
        put(store, event(0, record_id=1))
