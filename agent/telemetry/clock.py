"""What the wall clock is worth: whether a time server disciplines it, and whether it jumped.

Decides nothing: timers are monotonic. Asked for each prediction, so a jump is known at the next one.
"""

from __future__ import annotations

import ctypes
import logging
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.core.messages import Clock

log = logging.getLogger("lineside.clock")

TIMESYNCD_FLAG = Path("/run/systemd/timesync/synchronized")
"""Made by systemd-timesyncd at the first answer of a server after the boot; it stays when servers are lost."""
_STA_UNSYNC = 0x0040
_TIMEX_BYTES = 208
_STATUS_OFFSET = 40
"""adjtimex(2): struct timex on 64-bit; `status` follows modes (4, padded), offset, freq, maxerror, esterror (8 each)."""
_STATUS_OFFSET_32 = 20
_ASK_EVERY_NS = 10_000_000_000
_JUMP_NS = 500_000_000
"""What is set at once and not slewed: systemd-timesyncd slews up to 0.4 s (NTP_MAX_ADJUST)."""
_READINGS = 3


class KernelClock:
    """Answers `synced` or `unsynced`. Any thread; cheap enough for each frame, as the kernel is asked every 10 s and after a jump.

    A jump shows in the difference between the wall clock and the monotonic one, which slewing does not change: it moves both
    (clock_gettime(2)).

    Attributes:
        jumps: How often the wall clock was set by more than half a second since the start.
    """

    def __init__(
        self,
        ask: Callable[[], Clock] | None = None,
        *,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Store.

        Args:
            ask: Gives the kernel's answer.
            monotonic_ns: The monotonic clock.
            wall_ns: The wall clock.
        """
        self.jumps = 0
        self._ask = ask or ask_kernel
        self._monotonic_ns = monotonic_ns
        self._wall_ns = wall_ns
        self._turn = threading.Lock()
        self._ahead_ns = self._measured_ahead_ns()
        self._until_ns = 0
        self._answer: Clock = "unsynced"

    def __call__(self) -> Clock:
        """The state of the clock: at most 10 s old, and never from before a jump."""
        now_ns = self._monotonic_ns()
        moved_ns = self._wall_ns() - now_ns - self._ahead_ns
        if now_ns >= self._until_ns or not -_JUMP_NS < moved_ns < _JUMP_NS:
            self._look()
        return self._answer

    def _measured_ahead_ns(self) -> int:
        """Wall clock less monotonic clock. Least of some, as whoever is interrupted between the two readings measures too much."""
        return min(-self._monotonic_ns() + self._wall_ns() for _ in range(_READINGS))

    def _look(self) -> None:
        with self._turn:
            now_ns, ahead_ns = self._monotonic_ns(), self._measured_ahead_ns()
            by_ns = ahead_ns - self._ahead_ns
            jumped = abs(by_ns) >= _JUMP_NS
            if not jumped and now_ns < self._until_ns:
                return  # another thread has looked
            self._ahead_ns, self._until_ns = ahead_ns, now_ns + _ASK_EVERY_NS
            self._answer = self._ask()
            self.jumps += jumped
        if jumped:
            log.warning(
                "the wall clock jumped %s by %.3f s and is %s",
                "ahead" if by_ns > 0 else "back",
                abs(by_ns) / 1e9,
                self._answer,
                extra={
                    "jump_s": round(by_ns / 1e9, 3),
                    "clock": self._answer,
                    "hint": "times from before cannot be compared with later ones; order by seq and event_seq",
                },
            )


def ask_kernel(
    adjtimex: Callable[[ctypes.Array[ctypes.c_char]], int] | None = None, flag: Path = TIMESYNCD_FLAG
) -> Clock:
    """Whether a time server disciplines the clock, by the kernel's own account.

    The kernel is the better witness: its answer turns to `unsynced` when somebody sets the clock by hand, and when no server has
    answered for hours. Where it may not be asked (a service with `ProtectClock=yes`, some containers) timesyncd's flag file is what
    there is; it only says that a server answered since the boot.

    Args:
        adjtimex: The system call, for tests.
        flag: Where systemd-timesyncd says that it was successful.
    """
    buffer = ctypes.create_string_buffer(_TIMEX_BYTES)
    if (adjtimex or ctypes.CDLL(None).adjtimex)(buffer) < 0:
        return "synced" if flag.exists() else "unsynced"
    offset = _STATUS_OFFSET if ctypes.sizeof(ctypes.c_long) == 8 else _STATUS_OFFSET_32  # noqa: PLR2004 - bytes
    status = int.from_bytes(buffer.raw[offset : offset + 4], "little")
    return "unsynced" if status & _STA_UNSYNC else "synced"
