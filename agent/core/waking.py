"""Waking the main thread, also out of a signal handler."""

from __future__ import annotations

from queue import Empty, SimpleQueue


class Wake:
    """What `threading.Event` is to a thread that waits for work. One thread waits, any thread and any signal handler wakes.

    An event has a lock. A handler that sets it interrupts the main thread, and where that was just waiting or clearing, both wait for ever: an
    agent that was asked to end while it started did not. `SimpleQueue.put` is reentrant.
    """

    def __init__(self) -> None:
        self._asked: SimpleQueue[None] = SimpleQueue()

    def wake(self) -> None:
        """Whoever waits goes on; if nobody does, the next one does not wait. Returns at once."""
        if self._asked.empty():
            self._asked.put(None)

    def wait(self, timeout_s: float) -> None:
        """Until it is woken, or the time is over."""
        try:
            self._asked.get(timeout=timeout_s)
            while True:
                self._asked.get_nowait()
        except Empty:
            return
