"""How long to wait before the next try."""

from __future__ import annotations

import random


class Backoff:
    """Exponential backoff with equal jitter, so that a fleet does not return in step.

    The k-th delay lies between half of and all of `min(max_s, first_s * 2**k)` (the "equal jitter" of Brooker,
    "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
    """

    def __init__(self, first_s: float, max_s: float, *, rng: random.Random | None = None) -> None:
        self._first_s = first_s
        self._max_s = max_s
        self._rng = rng or random.Random()  # noqa: S311 - spreads load, guards nothing
        self.tries = 0

    def next_s(self) -> float:
        """The delay before the next try, in seconds; each call counts as a failed try."""
        ceiling_s = min(self._max_s, self._first_s * 2.0 ** min(self.tries, 32))
        self.tries += 1
        return ceiling_s / 2 + self._rng.random() * ceiling_s / 2

    def reset(self) -> None:
        """A try succeeded."""
        self.tries = 0
