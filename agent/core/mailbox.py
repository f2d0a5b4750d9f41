"""The bounded hand-over from a source to one pipeline. The only queue between capture and inference."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
OnFull = Literal["drop_oldest", "wait"]


class Closed(Exception):
    """The mailbox was closed and holds nothing more."""


class Mailbox(Generic[T]):
    """Newest wins for live sources; files wait. One thread puts, one gets, any thread closes.

    With `drop_oldest` a full mailbox forgets its oldest item and counts it in `dropped`. With `wait` a full mailbox makes
    `put` wait, so that a file is read as fast as the pipeline takes its frames and none is lost. While its reader cannot work
    (`skip`), items are let go and counted in `skipped`, so that nobody who shares the source is held up.
    """

    def __init__(self, capacity: int, on_full: OnFull) -> None:
        self._items: deque[T] = deque()
        self._capacity = capacity
        self._on_full = on_full
        self._closed = False
        self._skip = False
        self._changed = threading.Condition()
        self.dropped = 0
        self.skipped = 0

    def put(self, item: T, timeout_s: float) -> bool:
        """Offer an item.

        Returns:
            False if the mailbox stayed full for `timeout_s` (the item was not taken) or is closed.
        """
        with self._changed:
            if self._is_full():
                if self._on_full == "drop_oldest":
                    self._items.popleft()
                    self.dropped += 1
                elif not self._changed.wait_for(lambda: not self._is_full(), timeout_s):
                    return False
            if self._closed:
                return False
            if self._skip:
                self.skipped += 1
                return True
            self._items.append(item)
            self._changed.notify()
            return True

    def get(self, timeout_s: float, has_left: Callable[[], bool] = lambda: False) -> T | None:
        """Take the oldest item.

        Args:
            timeout_s: How long to wait for one.
            has_left: Whether another thread reads in place of this one now; then the item is left to it.

        Returns:
            The item, or None if none came within `timeout_s`, or it is another reader's.

        Raises:
            Closed: The mailbox is closed and empty.
        """
        with self._changed:
            if not self._items and not self._changed.wait_for(lambda: bool(self._items) or self._closed, timeout_s):
                return None
            if has_left():
                self._changed.notify_all()  # what woke this thread is meant for the other
                return None
            if not self._items:
                raise Closed
            item = self._items.popleft()
            self._changed.notify()
            return item

    def skip(self, *, on: bool) -> None:
        """While `on`, items are let go; what is inside when it begins goes too."""
        with self._changed:
            self._skip = on
            if on:
                self.skipped += len(self._items)
                self._items.clear()
                self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """Whether nothing more is taken."""
        return self._closed

    def _is_full(self) -> bool:
        return len(self._items) >= self._capacity and not (self._closed or self._skip)

    def close(self) -> None:
        """No more items are taken; those inside can still be got. May be called twice."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __len__(self) -> int:
        return len(self._items)
