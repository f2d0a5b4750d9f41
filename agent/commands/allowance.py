"""How much is too much. Pure; called by the desk."""

from __future__ import annotations


class Allowance:
    """So many a second, and so many at once (a token bucket). One thread."""

    def __init__(self, rate_hz: float, burst: int) -> None:
        self._rate_hz = rate_hz
        self._burst = burst
        self._left = float(burst)
        self._at_s = 0.0

    def take(self, now_s: float) -> bool:
        """Whether one more is allowed at the monotonic time `now_s`."""
        self._left = min(self._burst, self._left + (now_s - self._at_s) * self._rate_hz)
        self._at_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True
