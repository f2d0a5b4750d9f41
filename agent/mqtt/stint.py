"""One thread of the publisher, from its start until it ends or is given up because a call of it hangs.

Name resolution and a failing disk have no timeout. A stint that was given up ends in `GivenUp` at its next step, and touches nothing.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class GivenUp(Exception):
    """Another thread delivers now."""


class Stint:
    """`start`, `stalled_s` and `give_up`: whoever owns the publisher. `step` and `rest`: the thread itself."""

    def __init__(self, run: Callable[[Stint], None]) -> None:
        """Store.

        Args:
            run: What the thread does; it must call `step` before whatever may hang, and after it.
        """
        self._lock = threading.Lock()
        self._since_s: float | None = None
        self._is_over = False
        self._thread = threading.Thread(target=self._until_given_up, args=(run,), name="mqtt", daemon=True)

    def _until_given_up(self, run: Callable[[Stint], None]) -> None:
        try:
            run(self)
        except GivenUp:
            return
        finally:
            self.rest()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        """Wait for the end, if it was begun."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    @property
    def alive(self) -> bool:
        """Whether the thread still runs."""
        return self._thread.is_alive()

    def step(self) -> None:
        """It comes round; from here on it may hang.

        Raises:
            GivenUp: It was given up meanwhile.
        """
        with self._lock:
            if self._is_over:
                raise GivenUp
            self._since_s = time.monotonic()

    def rest(self) -> None:
        """It waits for something to do, with a deadline: that is no stall."""
        with self._lock:
            self._since_s = None

    def stalled_s(self, now_s: float, patience_s: float) -> float | None:
        """How long its step lasts, if that is longer than `patience_s`; `now_s` is monotonic."""
        since_s = self._since_s
        return now_s - since_s if since_s is not None and now_s - since_s > patience_s and not self._is_over else None

    def give_up(self, now_s: float, patience_s: float) -> bool:
        """It is over, unless it has come round after all; then False."""
        with self._lock:
            if self._is_over or self.stalled_s(now_s, patience_s) is None:
                return False
            self._is_over = True
            return True
