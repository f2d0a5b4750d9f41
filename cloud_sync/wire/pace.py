"""How fast and how often: rate limit, waits between attempts, what `Retry-After` says. Pure, with the clock as an argument."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_RETRY_AFTER_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Clock:
    """Time that passes, and a way to let it pass. Tests bring their own."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


class RateLimit:
    """A bucket of tokens, one a byte, that holds as much as flows in in a second.

    Attributes:
        waited_s: How long `take` has waited so far.
    """

    def __init__(self, bytes_s: float, clock: Clock) -> None:
        self._bytes_s = bytes_s
        self._clock = clock
        self._tokens = bytes_s
        self._at = clock.monotonic()
        self.waited_s = 0.0

    def take(self, count: int) -> None:
        """Wait until that many bytes may have come. No limit (0) never waits."""
        if not self._bytes_s:
            return
        now = self._clock.monotonic()
        self._tokens = min(self._bytes_s, self._tokens + (now - self._at) * self._bytes_s) - count
        self._at = now
        if self._tokens < 0:
            wait_s = -self._tokens / self._bytes_s
            self.waited_s += wait_s
            self._clock.sleep(wait_s)


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits between attempts: doubled each time up to a limit, of which a random half, so that a fleet does not come in step."""

    first_s: float = 0.5
    most_s: float = 8.0
    random: Random = field(default_factory=Random)

    def wait_s(self, attempt: int) -> float:
        """Before the attempt after `attempt` (from 0)."""
        whole = min(self.most_s, self.first_s * 2.0 ** min(attempt, 16))
        return whole * (0.5 + self.random.random() / 2)


def retry_after_s(header: str | None, now: datetime) -> float:
    """Seconds from now that a `Retry-After` asks for (RFC 9110, 10.2.3); 0 where it says nothing, at most a day."""
    if header is None:
        return 0.0
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), _MAX_RETRY_AFTER_S)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0
    at = at if at.tzinfo else at.replace(tzinfo=timezone.utc)
    return min(max(0.0, (at - now).total_seconds()), _MAX_RETRY_AFTER_S)
