"""Whether the agent is well, and why not; and the figures of one pipeline over a window of time."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

_KEPT = 4096
"""Latencies kept per pipeline: two minutes at 30 frames/s."""


class Reasons:
    """Why the agent is degraded: one sentence per cause. Any thread.

    `on_change` is called outside the lock, in the thread that made the change.
    """

    def __init__(self, on_change: Callable[[list[str]], None] = lambda _: None) -> None:
        self._reasons: dict[str, str] = {}
        self._lock = threading.Lock()
        self.on_change = on_change

    def set(self, cause: str, sentence: str) -> None:
        """State that `cause`, such as `source/cam`, holds; a sentence that is already there changes nothing."""
        self._change(cause, sentence)

    def clear(self, cause: str) -> None:
        """`cause` holds no longer."""
        self._change(cause, None)

    def tell(self, cause: str, sentence: str | None) -> None:
        """`set` with a sentence, `clear` without."""
        self._change(cause, sentence)

    def _change(self, cause: str, sentence: str | None) -> None:
        with self._lock:
            if self._reasons.get(cause) == sentence:
                return
            if sentence is None:
                del self._reasons[cause]
            else:
                self._reasons[cause] = sentence
            now = list(self._reasons.values())
        self.on_change(now)

    def all(self) -> list[str]:
        """The sentences, oldest cause first."""
        with self._lock:
            return list(self._reasons.values())


class Figures:
    """Counts and latencies of one pipeline. One thread records, any thread reads."""

    def __init__(self) -> None:
        self.predictions = 0
        self._first_s = 0.0
        self._recent: deque[tuple[float, float]] = deque(maxlen=_KEPT)

    def record(self, total_ms: float, now_s: float) -> None:
        """One prediction was made at the monotonic time `now_s`."""
        if not self.predictions:
            self._first_s = now_s
        self.predictions += 1
        self._recent.append((now_s, total_ms))

    def over(self, window_s: float, now_s: float) -> tuple[float, float | None, float | None]:
        """Rate in 1/s, p50 and p99 in ms over the last `window_s` seconds; None without a prediction.

        A session shorter than the window is its own window. Of more than 4,096 predictions in the window the newest speak,
        and the rate is theirs.
        """
        recent = [(at_s, ms) for at_s, ms in list(self._recent) if now_s - at_s <= window_s]
        if not recent:
            return 0.0, None, None
        since_s = self._first_s if len(recent) < _KEPT else recent[0][0]
        covered_s = min(window_s, now_s - since_s)
        p50, p99 = _percentiles([ms for _, ms in recent])
        return len(recent) / max(covered_s, 1e-9), round(p50, 3), round(p99, 3)


def _percentiles(values: list[float]) -> tuple[float, float]:
    """p50 and p99, linear between the nearest ranks: `np.percentile`, which imports numpy.ma, and with it 2 MB, for good."""
    ranks = np.array([0.5, 0.99]) * (len(values) - 1)
    p50, p99 = np.interp(ranks, np.arange(len(values)), np.sort(values))
    return float(p50), float(p99)
