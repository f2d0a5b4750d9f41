"""Which frames are worth keeping, and which kept ones go first. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from agent.core import results

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.core.decisions import DecisionRule
    from agent.core.results import Result

Reason = Literal["feedback", "disagreement", "drift", "near_threshold", "random"]
REASONS: Final[tuple[Reason, ...]] = ("feedback", "disagreement", "drift", "near_threshold", "random")
"""Why a frame is kept, the most precious first: a person's word, two models that differ, what no evaluation has seen, what was almost
decided otherwise, a share of all."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What must be known of a sample to decide what may stay.

    Attributes:
        id: Of its prediction. Ids sort by time.
        day: When the frame was captured, `YYYY-MM-DD`, UTC.
        reasons: At least one.
        size_bytes: Of its files.
        pipeline: That made the prediction.
        likeness: See `agent.core.likeness`; None where it is not known.
    """

    id: str
    day: str
    reasons: tuple[Reason, ...]
    size_bytes: int
    pipeline: str
    likeness: int | None = None

    @property
    def rank(self) -> int:
        """Of its best reason; the higher, the longer it stays."""
        return max(len(REASONS) - REASONS.index(reason) for reason in self.reasons)


@dataclass(frozen=True, slots=True)
class Quotas:
    """How much is kept.

    Attributes:
        count: Samples in all.
        size_bytes: Of all their files.
        per_day: Samples of one day, so that one bad day does not take everything.
    """

    count: int
    size_bytes: int
    per_day: int


def in_the_way(kept: Iterable[Kept], new: Kept, quotas: Quotas) -> list[Kept] | None:
    """What has to go before a sample may come: the lowest-ranking first, and of those the oldest.

    Args:
        kept: What there is.
        new: What would come.
        quotas: Bounds that hold before and after.

    Returns:
        Samples to remove, none of which ranks higher than the new one; None if there is no room without such.
    """
    left, gone = sorted(kept, key=_goes_first), []
    while over := _over(left, new, quotas):
        first = next((one for one in left if over == "all" or one.day == new.day), None)
        if first is None or first.rank > new.rank:
            return None
        left.remove(first)
        gone.append(first)
    return gone


def _over(kept: list[Kept], new: Kept, quotas: Quotas) -> Literal["day", "all"] | None:
    """Which bound one more sample would break."""
    if sum(one.day == new.day for one in kept) >= quotas.per_day:
        return "day"
    size_bytes = sum(one.size_bytes for one in kept) + new.size_bytes
    return "all" if len(kept) >= quotas.count or size_bytes > quotas.size_bytes else None


def excess(kept: Iterable[Kept], quotas: Quotas) -> list[Kept]:
    """What has to go where the quotas have become smaller, the lowest-ranking first."""
    left = sorted(kept, key=_goes_first)
    gone: list[Kept] = []
    size_bytes = sum(one.size_bytes for one in left)
    while left and (len(left) > quotas.count or size_bytes > quotas.size_bytes):
        gone.append(left.pop(0))
        size_bytes -= gone[-1].size_bytes
    return gone


def _goes_first(one: Kept) -> tuple[int, str]:
    return one.rank, one.id


def distance_to_limit(result: Result, rule: DecisionRule | None) -> float | None:
    """How far a result is from being decided otherwise.

    Returns:
        For labels the difference of the reject label's best score (segmentation: its share) and `min_score`, in 0..1; for anomaly, embedding
        and regression the difference to the nearest limit as a share of that limit. None without a rule, and where there is no such number.
    """
    if rule is None:
        return None
    match result:
        case results.Classification():
            return _by_label([s.score for s in result.top if s.label == rule.label], rule)
        case results.Detection():
            return _by_label([o.score for o in result.objects if o.label == rule.label], rule)
        case results.Segmentation():
            return _by_label([a.score for a in result.areas if a.label == rule.label], rule)
        case results.Anomaly():
            return _by_limits(result.score, rule.threshold)
        case results.Embedding():
            return None if result.distance is None else _by_limits(result.distance, rule.threshold)
        case results.Regression():
            return _by_limits(result.value, rule.above, rule.below)
        case _:
            return None


def _by_label(scores: list[float], rule: DecisionRule) -> float | None:
    return min((abs(score - rule.min_score) for score in scores), default=None)


def _by_limits(value: float, *limits: float | None) -> float | None:
    return min((abs(value - limit) / max(abs(limit), 1e-9) for limit in limits if limit is not None), default=None)
