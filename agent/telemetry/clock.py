"""Whether the kernel's clock is disciplined by a time server."""

from __future__ import annotations

import ctypes
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.core.messages import Clock

_STA_UNSYNC = 0x0040
_TIMEX_BYTES = 208
_STATUS_OFFSET = 40
"""adjtimex(2): struct timex on 64-bit; `status` follows modes (4, padded), offset, freq, maxerror, esterror (8 each)."""
_STATUS_OFFSET_32 = 20
_ASK_EVERY_S = 10.0


class KernelClock:
    """Answers `synced` or `unsynced`; asks the kernel at most every 10 s, so that it may be called for each frame."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._until_s = 0.0
        self._answer: Clock = "unsynced"

    def __call__(self) -> Clock:
        """The state of the clock, at most 10 s old."""
        now_s = time.monotonic()
        if now_s >= self._until_s:
            self._until_s = now_s + _ASK_EVERY_S
            self._answer = self._ask()
        return self._answer

    def _ask(self) -> Clock:
        buffer = ctypes.create_string_buffer(_TIMEX_BYTES)
        if self._libc.adjtimex(buffer) < 0:
            return "unsynced"
        offset = _STATUS_OFFSET if ctypes.sizeof(ctypes.c_long) == 8 else _STATUS_OFFSET_32  # noqa: PLR2004 - bytes
        status = int.from_bytes(buffer.raw[offset : offset + 4], "little")
        return "unsynced" if status & _STA_UNSYNC else "synced"
