"""One line of the result: values of several rounds, the bound beside them, and what the values were made of. Pure."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Verdict = Literal["holds", "misses", "no bound", "not measured"]


class NotMeasured(Exception):
    """A run gave no value, or a peer cannot be had on this machine; the text says why and goes into the table."""


@dataclass(frozen=True, slots=True)
class Bound:
    """What the median has to reach."""

    relation: Literal["<=", ">="]
    limit: float

    def holds(self, value: float) -> bool:
        """Whether a value is within the bound; the limit itself is."""
        return value <= self.limit if self.relation == "<=" else value >= self.limit


def at_most(limit: float) -> Bound:
    """An upper bound."""
    return Bound("<=", limit)


def at_least(limit: float) -> Bound:
    """A lower bound."""
    return Bound(">=", limit)


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured in each round.

    Attributes:
        name: What it is, such as `agent / bare invoke`.
        unit: Of `values`; empty for a ratio.
        values: One per round, or none where nothing could be measured.
        bound: For the median.
        parts: The values of each round that `values` were made of or stand beside, by name with unit.
        reason: Why there are no values.
        note: What a reader has to know, such as a shorter duration than usual.
    """

    name: str
    unit: str = ""
    values: tuple[float, ...] = ()
    bound: Bound | None = None
    parts: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    reason: str | None = None
    note: str | None = None

    @property
    def median(self) -> float | None:
        """Of the rounds, None where nothing was measured."""
        return statistics.median(self.values) if self.values else None

    @property
    def spread(self) -> tuple[float, float] | None:
        """Lowest and highest round."""
        return (min(self.values), max(self.values)) if self.values else None

    @property
    def verdict(self) -> Verdict:
        """What the median says of the bound."""
        median = self.median
        if median is None:
            return "not measured"
        if self.bound is None:
            return "no bound"
        return "holds" if self.bound.holds(median) else "misses"
