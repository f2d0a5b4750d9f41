"""How much may be written: a flash card lives as long as its writes allow. Pure; the spool's writer asks before each group."""

from __future__ import annotations

import math

MAX_HOLD_S = 60.0
"""So long a group is held back at most, however little the budget allows: an event is accepted only when it is written."""
_PAGE_BYTES = 4096
_PAYLOAD_BYTES_A_PAGE = 3500
_PAGES_A_GROUP = 3
"""Pages that a group touches whatever is in it: the lane's row, the table's last leaf, its parent."""
_TIMES = 2
"""Each page is written to the log, and later to the database (SQLite, "Write-Ahead Logging", checkpoints)."""
_BURST_S = 600.0
"""What was not used is saved for so long."""


def cost_bytes(payload_bytes: int) -> int:
    """What a group of messages writes to the disk, about, in bytes.

    Args:
        payload_bytes: Of all its messages, with what each row costs.
    """
    pages = _PAGES_A_GROUP + math.ceil(payload_bytes / _PAYLOAD_BYTES_A_PAGE)
    return _TIMES * pages * _PAGE_BYTES


class WriteBudget:
    """A bucket that fills at the permitted rate. One thread; times are monotonic seconds.

    Attributes:
        overdrawn: Groups that were written although the budget did not allow it, as they could wait no longer.
    """

    def __init__(self, bytes_h: int | None, now_s: float) -> None:
        self.overdrawn = 0
        self._rate = math.inf if bytes_h is None else bytes_h / 3600
        self._most = self._rate * _BURST_S
        self._left = self._most
        self._at_s = now_s

    def wait_s(self, payload_bytes: int, held_s: float, now_s: float) -> float:
        """How long a group should still be held back, 0 if it may be written now.

        Args:
            payload_bytes: What is in the group by now.
            held_s: How long its oldest message has waited.
            now_s: Monotonic time.
        """
        if math.isinf(self._rate):
            return 0.0
        self._fill(now_s)
        missing = min(cost_bytes(payload_bytes), self._most) - self._left
        return max(0.0, min(missing / self._rate, MAX_HOLD_S - held_s))

    def spend(self, payload_bytes: int, now_s: float) -> None:
        """A group was written."""
        if math.isinf(self._rate):
            return
        self._fill(now_s)
        self._left -= cost_bytes(payload_bytes)
        if self._left < 0:
            self.overdrawn += 1
            self._left = max(self._left, -self._most)

    def _fill(self, now_s: float) -> None:
        self._left = min(self._most, self._left + (now_s - self._at_s) * self._rate)
        self._at_s = now_s
