"""How much one asker may ask: a token bucket each, in bounded memory.

Whoever is not remembered has a full bucket, so forgetting the longest unseen of very many is in their favour and never in an
attacker's: an address must be idle for long, or one of thousands, to be forgotten.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cloud_sync.registry.server.faults import RateLimited

if TYPE_CHECKING:
    from collections.abc import Callable

_REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True)
class Rate:
    """A steady rate, and how much may come at once.

    Attributes:
        per_s: Calls a second, in the long run.
        burst: Calls at once after a rest.
    """

    per_s: float
    burst: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What the server takes.

    Attributes:
        token: Calls with one token.
        address: Calls without a token from one address: devices that report and enrol. A whole plant may stand behind one.
        failures: Tokens that are not known, from one address.
        body_bytes: One request, unless its route says less.
        body_s: How long its body may take to arrive.
        depth: Of nested JSON.
    """

    token: Rate = Rate(50, 500)
    address: Rate = Rate(100, 2000)
    failures: Rate = Rate(0.2, 20)
    body_bytes: int = 8 << 20
    body_s: float = 120.0
    depth: int = 32


class RateLimit:
    """Buckets by asker.

    Args:
        rate: Of each.
        clock: Monotonic seconds.
        remembered: How many askers at most.
    """

    def __init__(self, rate: Rate, clock: Callable[[], float], *, remembered: int = _REMEMBERED) -> None:
        self._rate = rate
        self._clock = clock
        self._remembered = remembered
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, asker: str) -> None:
        """Count a call.

        Raises:
            RateLimited: It is one too many; says when to come back.
        """
        self.check(asker)
        tokens, now_s = self._tokens(asker)
        self._buckets[asker] = (tokens - 1, now_s)
        self._buckets.move_to_end(asker)
        while len(self._buckets) > self._remembered:
            self._buckets.popitem(last=False)

    def check(self, asker: str) -> None:
        """Look without counting.

        Raises:
            RateLimited: The next call would be one too many.
        """
        tokens, _ = self._tokens(asker)
        if tokens < 1:
            wait_s = (1 - tokens) / self._rate.per_s
            raise RateLimited("too many requests", hint=f"again in {math.ceil(wait_s)} s", retry_after_s=wait_s)

    def _tokens(self, asker: str) -> tuple[float, float]:
        now_s = self._clock()
        tokens, then_s = self._buckets.get(asker, (float(self._rate.burst), now_s))
        return min(float(self._rate.burst), tokens + (now_s - then_s) * self._rate.per_s), now_s
