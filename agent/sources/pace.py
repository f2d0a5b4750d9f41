"""When the next frame of a file is due, so that it plays at its own speed. Pure: the runner asks and waits."""

from __future__ import annotations

_LATE_PERIODS = 10


class Pace:
    """A schedule of equal periods that does not drift: frame k is due at the first frame's time + k periods.

    Who is late catches up, without waiting. Who is late by more than ten periods, and by more than a second, was held up
    (a suspended machine, a pipeline's debugger): the schedule begins anew, so that no burst follows.
    """

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._limit_s = max(1.0, _LATE_PERIODS * period_s)
        self._due_s: float | None = None

    def wait_s(self, now_s: float) -> float:
        """Seconds to wait before the next frame is read; each call is one frame.

        Args:
            now_s: Monotonic time.
        """
        due_s = now_s if self._due_s is None or now_s - self._due_s > self._limit_s else self._due_s
        self._due_s = due_s + self._period_s
        return max(0.0, due_s - now_s)
