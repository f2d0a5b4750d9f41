"""How the thread that waits at a connection is told that there is work."""

from __future__ import annotations

import contextlib
import os
import weakref


class Wake:
    """Ends another thread's `Wire.wait`. Any thread sets, one clears."""

    def __init__(self) -> None:
        self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._is_set = False
        weakref.finalize(self, os.close, self._fd)

    def fileno(self) -> int:
        """What to poll."""
        return self._fd

    def set(self) -> None:
        """Wake; costs a system call only if nobody has since the last `clear`."""
        if not self._is_set:
            self._is_set = True
            os.eventfd_write(self._fd, 1)

    def clear(self) -> None:
        """Call before looking for work: what comes while looking wakes again."""
        with contextlib.suppress(
            BlockingIOError
        ):  # `set` may be between its two lines; its write then wakes once too often
            os.eventfd_read(self._fd)
        self._is_set = False
