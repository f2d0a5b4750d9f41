"""How soon that which crashed is started again, and when it is enough."""

from __future__ import annotations

from collections import deque

LIMIT = 5
"""Recent crashes that are answered by another start."""
RECENT_S = 60.0
RECENT_WORK = 100
_SECOND_S, _LONGEST_S = 0.25, 2.0


class Crashes:
    """Remembers the recent crashes of one thing. One thread at a time.

    The first one is answered at once, since a line waits; each further one that is recent doubles the wait. Recent is what was less
    than a minute or less than a hundred pieces of work ago: something that hangs on every piece crashes seldom, and works never.
    """

    def __init__(self) -> None:
        self._recent: deque[tuple[float, int]] = deque(maxlen=LIMIT + 1)

    def again_s(self, now_s: float, done: int) -> float | None:
        """It crashed now.

        Args:
            now_s: Monotonic time.
            done: Pieces of work since the beginning.

        Returns:
            How long to wait before it is started again; None when it crashed too often for that.
        """
        self._recent.append((now_s, done))
        recent = sum(now_s - at_s < RECENT_S or done - then < RECENT_WORK for at_s, then in self._recent)
        if recent > LIMIT:
            return None
        return 0.0 if recent == 1 else min(_LONGEST_S, _SECOND_S * 2.0 ** (recent - 2))
