"""The bounded hand-over from a source to one pipeline. The only queue between capture and inference."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, Literal, TypeVar

T = TypeVar("T")
OnFull = Literal["drop_oldest", "wait"]


class Closed(Exception):
    """The mailbox was closed and holds nothing more."""


class Mailbox(Generic[T]):
    """Newest wins for live sources; files wait. One thread puts, one gets, any thread closes.

    With `drop_oldest` a full mailbox forgets its oldest item and counts it in `dropped`. With `wait` a full mailbox makes
    `put` wait, so that a file is read as fast as the pipeline takes its frames and none is lost.
    """

    def __init__(self, capacity: int, on_full: OnFull) -> None:
        self._items: deque[T] = deque()
        self._capacity = capacity
        self._on_full = on_full
        self._closed = False
        self._changed = threading.Condition()
        self.dropped = 0

    def put(self, item: T, timeout_s: float) -> bool:
        """Offer an item.

        Returns:
            False if the mailbox stayed full for `timeout_s` (the item was not taken) or is closed.
        """
        with self._changed:
            if len(self._items) >= self._capacity and not self._closed:
                if self._on_full == "drop_oldest":
                    self._items.popleft()
                    self.dropped += 1
                elif not self._changed.wait_for(lambda: len(self._items) < self._capacity or self._closed, timeout_s):
                    return False
            if self._closed:
                return False
            self._items.append(item)
            self._changed.notify()
            return True

    def get(self, timeout_s: float) -> T | None:
        """Take the oldest item.

        Returns:
            The item, or None if none came within `timeout_s`.

        Raises:
            Closed: The mailbox is closed and empty.
        """
        with self._changed:
            if not self._items and not self._changed.wait_for(lambda: bool(self._items) or self._closed, timeout_s):
                return None
            if not self._items:
                raise Closed
            item = self._items.popleft()
            self._changed.notify()
            return item

    def close(self) -> None:
        """No more items are taken; those inside can still be got. May be called twice."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __len__(self) -> int:
        return len(self._items)
