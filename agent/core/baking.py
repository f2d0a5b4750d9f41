"""Does a version decide as its reference did? For the watch over its bake time. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from agent.core.worth import worth_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ENOUGH = 50
"""Decisions on either side, below which shares say nothing."""
_ENOUGH_WORTH = 30.0
"""The same in independent decisions."""
_SURE = 4.0
"""Standard deviations: it is looked at again and again."""


@dataclass(frozen=True, slots=True)
class Decided:
    """Decisions on one side.

    Attributes:
        counts: By decision.
        recent: The last of them, in the order of time: how much each depends on the one before. Empty where they are independent, as those
            of an evaluation are.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    recent: Sequence[str] = ()

    @property
    def total(self) -> int:
        """Of all decisions."""
        return sum(self.counts.values())


def shifted(seen: Decided, reference: Decided, bound: float) -> str:
    """Which decision has another share than it should have, in words; empty where none has, or too little was seen.

    A share must differ by more than the bound, and by more than chance: the two-proportion z test with a pooled share. A camera sees a part in
    many frames and parts come in lots, so each side counts for as many decisions as it is worth (`agent.core.worth`).

    Args:
        seen: Of the version.
        reference: Of its predecessor, or of the set that it was evaluated on.
        bound: See `agent.core.gates.Gates.max_decision_shift`.
    """
    n, m = seen.total, reference.total
    if n < ENOUGH or m < ENOUGH:
        return ""
    for decision in sorted({*seen.counts, *reference.counts}):
        now, then = seen.counts.get(decision, 0) / n, reference.counts.get(decision, 0) / m
        pooled = (seen.counts.get(decision, 0) + reference.counts.get(decision, 0)) / (n + m)
        share = _share_of_worth(seen, reference, decision)
        worth, worth_then = n * share, m * (share if reference.recent else 1.0)
        if min(worth, worth_then) < _ENOUGH_WORTH:
            continue
        deviation = math.sqrt(pooled * (1 - pooled) * (1 / worth + 1 / worth_then))
        if abs(now - then) > bound and abs(now - then) > _SURE * deviation:
            return f"it says {decision} of {now:.1%} of {n} frames, its reference of {then:.1%}"
    return ""


def _share_of_worth(seen: Decided, reference: Decided, decision: str) -> float:
    """How many independent decisions one is worth, in 0..1: what the side shows that has the longer memory, as both saw the same line."""
    shown = (_worth_shown(side.recent, decision) for side in (seen, reference))
    return min((share for share in shown if share is not None), default=1.0)


def _worth_shown(recent: Sequence[str], decision: str) -> float | None:
    """None where all are the same, which does not say how they depend on each other."""
    is_it = np.array([each == decision for each in recent], np.float64)
    if not is_it.size or is_it.min() == is_it.max():
        return None
    return worth_of(is_it) / len(is_it)
