"""The hand-over from source to pipeline: bounded, counted, and never in the way of others."""

from __future__ import annotations

import threading
import time

import pytest
from deadlines import LONG_S
from hypothesis import given
from hypothesis import strategies as st

from agent.core.mailbox import Closed, Mailbox


def drain(box: Mailbox[int]) -> list[int]:
    taken = []
    while (item := box.get(0)) is not None:
        taken.append(item)
    return taken


@given(st.integers(1, 5), st.lists(st.integers()))
def test_the_newest_win_and_the_rest_is_counted(capacity, items):
    """A full mailbox of a live source forgets the oldest, and every item is either taken or counted."""
    box: Mailbox[int] = Mailbox(capacity, "drop_oldest")
    assert all(box.put(item, 0) for item in items)
    taken = drain(box)
    assert taken == items[-capacity:]
    assert box.dropped == len(items) - len(taken)


def test_a_file_waits_and_loses_nothing():
    """With `wait`, a slow reader slows the writer and gets every item in order."""
    box: Mailbox[int] = Mailbox(2, "wait")

    def write() -> None:
        for item in range(500):
            assert box.put(item, LONG_S)
        box.close()

    writer = threading.Thread(target=write)
    writer.start()
    taken = []
    while len(taken) < 500:
        taken.append(box.get(LONG_S))
    with pytest.raises(Closed):
        box.get(LONG_S)
    writer.join(LONG_S)
    assert taken == list(range(500))
    assert box.dropped == 0


def test_a_full_mailbox_gives_the_item_back_after_the_timeout():
    """The writer can look whether it should stop."""
    box: Mailbox[int] = Mailbox(1, "wait")
    assert box.put(1, 0)
    assert not box.put(2, 0.01)
    assert drain(box) == [1]


def test_what_is_inside_can_be_taken_after_closing():
    """The last frames of a file are not lost."""
    box: Mailbox[int] = Mailbox(3, "wait")
    box.put(1, 0)
    box.close()
    assert not box.put(2, 0)
    assert box.get(0) == 1
    with pytest.raises(Closed):
        box.get(0)


def test_a_reader_that_cannot_work_holds_nobody_up():
    """While skipping, items go and are counted; a writer that waits is let through at once."""
    box: Mailbox[int] = Mailbox(1, "wait")
    box.put(1, 0)
    passed = threading.Event()
    writer = threading.Thread(target=lambda: (box.put(2, LONG_S), passed.set()))
    writer.start()
    box.skip(on=True)
    assert passed.wait(LONG_S)
    writer.join(LONG_S)
    assert box.skipped == 2
    box.skip(on=False)
    box.put(3, 0)
    assert drain(box) == [3]


def test_a_reader_that_was_replaced_leaves_the_item_to_the_other():
    """And passes on what woke it, so that the other does not wait for its timeout."""
    box, got = Mailbox(1, "wait"), []
    left = threading.Event()
    first = threading.Thread(target=lambda: got.append(("first", box.get(LONG_S, left.is_set))))
    first.start()
    until_s = time.monotonic() + LONG_S
    while not box._changed._waiters and time.monotonic() < until_s:
        time.sleep(0.001)
    second = threading.Thread(target=lambda: got.append(("second", box.get(LONG_S))))
    second.start()
    while len(box._changed._waiters) < 2 and time.monotonic() < until_s:
        time.sleep(0.001)
    left.set()
    began_s = time.monotonic()
    assert box.put("item", 0)
    first.join(LONG_S)
    second.join(LONG_S)
    assert sorted(got) == [("first", None), ("second", "item")]
    assert time.monotonic() - began_s < LONG_S / 2
