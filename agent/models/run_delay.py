"""For how long a thread was ready to run and had to wait for a core.

Linux counts it for each thread: `/proc/<pid>/task/<tid>/schedstat`, the second number, in nanoseconds (Documentation/scheduler/sched-stats.rst).
"""

from __future__ import annotations

import os
from contextlib import suppress

_LONGEST = 128


class RunDelay:
    """Of the thread that makes it, which alone may read it. Where the kernel does not count, it is always 0."""

    def __init__(self) -> None:
        self._file: int | None = None
        with suppress(OSError):
            self._file = os.open("/proc/thread-self/schedstat", os.O_RDONLY | os.O_CLOEXEC)

    def ns(self) -> int:
        """Nanoseconds since the thread began."""
        if self._file is None:
            return 0
        try:
            return int(os.pread(self._file, _LONGEST, 0).split()[1])
        except (OSError, ValueError, IndexError):
            return 0

    def close(self) -> None:
        """Give the file back. May be called twice."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
