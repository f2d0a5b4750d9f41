"""Does a version decide as its reference did? For the watch over its bake time. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ENOUGH = 50
"""Decisions on either side, below which shares say nothing."""
_SURE = 4.0
"""Standard deviations. It is looked at again and again, and frames of one part are not independent."""


def shifted(seen: Mapping[str, int], reference: Mapping[str, int], bound: float) -> str:
    """Which decision has another share than it should have, in words; empty where none has, or too little was seen.

    A share must differ by more than the bound, and by more than chance: the two-proportion z test with a pooled share.

    Args:
        seen: Count by decision.
        reference: Likewise, of its predecessor or of the set that it was evaluated on.
        bound: See `agent.core.gates.Gates.max_decision_shift`.
    """
    n, m = sum(seen.values()), sum(reference.values())
    if n < ENOUGH or m < ENOUGH:
        return ""
    for decision in sorted({*seen, *reference}):
        now, then = seen.get(decision, 0) / n, reference.get(decision, 0) / m
        pooled = (seen.get(decision, 0) + reference.get(decision, 0)) / (n + m)
        deviation = math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
        if abs(now - then) > bound and abs(now - then) > _SURE * deviation:
            return f"it says {decision} of {now:.1%} of {n} frames, its reference of {then:.1%}"
    return ""
