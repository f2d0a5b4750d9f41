"""Times as they stand in messages, and ids that sort by time."""

from __future__ import annotations

import os
import time
from datetime import datetime, timezone

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


def new_id() -> str:
    """A UUID of version 7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, then 74 random bits."""
    ms = time.time_ns() // 1_000_000
    rand = int.from_bytes(os.urandom(10), "big")
    value = (ms << 80) | (0x7 << 76) | ((rand >> 68) << 64) | (0b10 << 62) | (rand & ((1 << 62) - 1))
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
