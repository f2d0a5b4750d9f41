"""Times as they stand in messages, and ids that sort by time."""

from __future__ import annotations

import itertools
import os
import threading
import time
from datetime import datetime, timezone

_LOW_62_BITS, _LOW_48_BITS = (1 << 62) - 1, (1 << 48) - 1
_RANDOM_12_BITS = int.from_bytes(os.urandom(2), "big") >> 4
_last_second: tuple[int, str] = (-1, "")


def utc_text(ns: int) -> str:
    """ISO 8601 in UTC with microseconds and `Z`, such as `2026-11-22T15:17:26.123456Z`.

    Args:
        ns: Nanoseconds since the epoch.
    """
    global _last_second  # noqa: PLW0603 - a cache of one entry: the date part changes once a second, frames come faster
    second, rest_ns = divmod(ns, 1_000_000_000)
    cached = _last_second
    if cached[0] != second:
        cached = (second, datetime.fromtimestamp(second, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S"))
        _last_second = cached
    return f"{cached[1]}.{rest_ns // 1000:06d}Z"


def now_text() -> str:
    """The present as `utc_text`."""
    return utc_text(time.time_ns())


_count = itertools.count(int.from_bytes(os.urandom(8), "big") >> 3)
_last_ms = 0
_turn = threading.Lock()


def new_id() -> str:
    """A UUID of version 7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, then a counter from a random start.

    The counter (section 6.2, method 2) makes ids of one process differ and sort within a millisecond, without a system call for each.
    Its 62 bits are the low ones; the 12 above them are random per process. While the clock is behind an id that was made, the last
    timestamp is held (section 6.2, monotonic error checking), so that ids of one process sort by the order of making.
    """
    global _last_ms  # noqa: PLW0603 - one process has one order
    with _turn:
        _last_ms = ms = max(_last_ms, time.time_ns() // 1_000_000)
        tail = next(_count) & _LOW_62_BITS
    return (
        f"{ms >> 16:08x}-{ms & 0xFFFF:04x}-7{_RANDOM_12_BITS:03x}-{0x8000 | tail >> 48:04x}-{tail & _LOW_48_BITS:012x}"
    )
