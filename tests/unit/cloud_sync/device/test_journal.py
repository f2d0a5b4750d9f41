"""What the sync remembers outlives it, and what is damaged stands in nobody's way."""

from __future__ import annotations

import sqlite3
from datetime import timedelta

import pytest
from folder_registry import NOW

from cloud_sync.assignment import CounterFloor
from cloud_sync.device.faults import OrderInvalid
from cloud_sync.device.journal import MOST_FLOORS, MOST_STEPS, Journal, last_outcome
from cloud_sync.device.order import Order
from cloud_sync.device.turn import SyncRunning, turn


def test_floors_are_kept_by_subject_and_key(tmp_path):
    """Each with the content that was accepted last."""
    with Journal.open(tmp_path) as journal:
        journal.raise_floor("device:a", CounterFloor("k1", 5, "s"), b"five")
        journal.raise_floor("device:a", CounterFloor("k2", 1, "t"), b"one")
        journal.raise_floor("channel:a", CounterFloor("k1", 9, "u"), b"nine")
    with Journal.open(tmp_path) as journal:
        assert journal.floors("device:a") == [CounterFloor("k1", 5, "s"), CounterFloor("k2", 1, "t")]
        assert (journal.last_accepted("device:a"), journal.last_accepted("channel:a")) == (b"one", b"nine")
        assert (journal.floors("device:b"), journal.last_accepted("device:b")) == ([], None)


def test_the_clock_never_goes_back_under_the_same_keys(tmp_path):
    """Under others it begins anew."""
    with Journal.open(tmp_path) as journal:
        journal.raise_clock_floor(NOW, "k1")
        journal.raise_clock_floor(NOW - timedelta(days=1), "k1")
        assert (journal.clock_floor("k1"), journal.clock_floor("k2")) == (NOW, None)
        journal.raise_clock_floor(NOW - timedelta(days=1), "k2")
        assert journal.clock_floor("k2") == NOW - timedelta(days=1)


def test_what_is_noted_does_not_grow_without_end(tmp_path):
    """The last steps and floors stay."""
    with Journal.open(tmp_path) as journal:
        journal._db.execute("PRAGMA synchronous = OFF")
        for number in range(MOST_STEPS + 5):
            journal.note("step", number=number)
        for number in range(MOST_FLOORS + 5):
            journal.raise_floor(f"channel:{number}", CounterFloor("k", 1, "s"), b"")
        assert [step["number"] for step in journal.steps()] == list(range(5, MOST_STEPS + 5))
        assert journal.floors("channel:4") == []
        assert journal.floors("channel:5") != []


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_damaged_file_is_put_aside(tmp_path, content):
    """And said so."""
    (tmp_path / "journal.db").write_bytes(content)
    with Journal.open(tmp_path) as journal:
        assert (journal.was_damaged, journal.steps()) == (True, [])
    assert (tmp_path / "journal.db.damaged").exists()


def test_a_file_of_a_later_version_is_left_alone(tmp_path):
    """An agent that was taken back must not throw away what the newer one knows."""
    Journal.open(tmp_path).close()
    db = sqlite3.connect(tmp_path / "journal.db")
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(sqlite3.NotSupportedError):
        Journal.open(tmp_path)
    assert not (tmp_path / "journal.db.damaged").exists()


def test_the_last_outcome_can_be_had_without_a_sync(tmp_path):
    """For `lineside sync status` where no agent runs."""
    assert last_outcome(tmp_path) is None
    with Journal.open(tmp_path) as journal:
        journal.set_value("outcome", '{"state": "current"}')
    assert last_outcome(tmp_path) == {"state": "current"}
    (tmp_path / "journal.db").write_bytes(b"damaged")
    assert last_outcome(tmp_path) is None


def test_one_sync_at_a_time(tmp_path):
    """The second is told, and comes in when the first is done."""
    with turn(tmp_path), pytest.raises(SyncRunning), turn(tmp_path, wait_s=0):
        pass
    with turn(tmp_path, wait_s=0):
        pass


def test_an_order_is_read_as_it_was_written(tmp_path):
    """Over the pipe to the child."""
    order = Order(
        tmp_path,
        "press-07",
        "https://registry",
        models={"parts": "stable"},
        hardware=("pi",),
        runs={"parts": {"digest": "sha256:ab"}},
        in_use=("cd",),
    )
    assert Order.decode(order.encode()) == order
    assert order.digests_in_use() == {"ab", "cd"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"3",
        b"[" * 100_000,
        b'{"device": "a"}',
        b'{"state_dir": "/x", "device": "../a"}',
        b'{"state_dir": "/x", "device": "a", "models": {"../b": "c"}}',
        b'{"state_dir": "/x", "device": "a", "unknown": 1}',
        b'{"state_dir": "/x", "device": "a", "hardware": [null]}',
        b'{"state_dir": "/x", "device": "a", "models": 3}',
        b'{"state_dir": "/x", "device": "a", "runs": {"parts": 3}}',
        b'{"state_dir": "/x", "device": "a", "on_delta_failure": "maybe"}',
    ],
)
def test_an_order_that_makes_no_sense_is_refused(content):
    """Names become paths."""
    with pytest.raises(OrderInvalid):
        Order.decode(content)
