"""Whether the agent is well, and why not; and the figures of one pipeline over an interval."""

from __future__ import annotations

import threading
from collections import Counter, deque
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

HealthState = Literal["starting", "ok", "degraded", "failed"]


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
    """Counts and latencies of one pipeline. One thread records, another reads.

    The last 4,096 latencies give the percentiles; the interval is from one `interval()` to the next.
    """

    def __init__(self) -> None:
        self.predictions = 0
        self.drops: Counter[str] = Counter()
        self._latencies_ms: deque[float] = deque(maxlen=4096)
        self._seen = 0

    def record(self, total_ms: float) -> None:
        """One prediction was made."""
        self.predictions += 1
        self._latencies_ms.append(total_ms)

    def interval(self, seconds: float) -> tuple[float, float | None, float | None]:
        """(rate in 1/s, p50 in ms, p99 in ms) since the last call, `seconds` ago; None without a prediction."""
        made, self._seen = self.predictions - self._seen, self.predictions
        recent = list(self._latencies_ms)[-made:] if made else []
        if not recent:
            return 0.0, None, None
        p50, p99 = np.percentile(recent, (50, 99))
        return made / max(seconds, 1e-9), round(float(p50), 3), round(float(p99), 3)
