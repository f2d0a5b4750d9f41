"""The second half of a pipeline: what is done with a frame after the interpreter, beside the inference of the next one.

A line that is faster than the model always has the next frame waiting: then results are finished in a thread of their own, and the
interpreter hardly pauses. Where nothing waits, whoever inferred finishes at once and saves the hand-over.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from agent.core.mailbox import Closed, Mailbox

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_WAITING = 1
"""Results that may wait while one is being finished; then the interpreter waits too."""
_POLL_S = 0.5


class Finisher(Generic[T]):
    """Finishes one thing after the other, in order. One thread hands over; `close` belongs to it too."""

    def __init__(self, name: str, finish: Callable[[T], None]) -> None:
        """Store.

        Args:
            name: Of the thread.
            finish: Called for each thing, by one thread at a time.
        """
        self._name = name
        self._finish = finish
        self._box = Mailbox[T](_WAITING, "wait")
        self._thread: threading.Thread | None = None
        self._taken = 0
        self._done = 0
        self._fault: Exception | None = None

    def now(self, thing: T) -> None:
        """Finish it here, after what was left to the thread.

        Raises:
            Exception: What `finish` raised, now or of an earlier thing.
        """
        if self._taken != self._done or self._fault is not None:
            self.later(thing)
        else:
            self._finish(thing)

    def later(self, thing: T) -> None:
        """Leave it to the thread; waits while another one waits.

        Raises:
            Exception: What `finish` raised of an earlier thing.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        self._taken += 1
        while not self._box.put(thing, _POLL_S):
            if self._fault is not None:
                raise self._fault

    def close(self) -> None:
        """Finish what was handed over, and end. May be called twice.

        Raises:
            Exception: What `finish` raised.
        """
        self._box.close()
        if self._thread is not None:
            while self._thread.is_alive() and self._fault is None:
                self._thread.join(_POLL_S)
        if self._fault is not None:
            raise self._fault

    @property
    def alive(self) -> bool:
        """Whether its thread still runs."""
        return self._thread is not None and self._thread.is_alive()

    def give_up(self, why: Exception) -> None:
        """`finish` hangs: whoever hands over, or waits for the end, raises `why`. Any thread."""
        self._fault = why
        self._box.close()

    def _run(self) -> None:
        while True:
            try:
                thing = self._box.get(_POLL_S)
            except Closed:
                return
            if thing is None:
                continue
            try:
                self._finish(thing)
            except Exception as error:  # noqa: BLE001 - told to whoever hands over: the pipeline's own boundary is there
                self._fault = error
                self._box.close()
                return
            self._done += 1
