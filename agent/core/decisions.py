"""From a result to a verdict: accept, reject or unsure; smoothing over frames; which predictions are events or published.

All of it is pure. The pipeline keeps the state (`Smoothing`, `EventRule`) and calls; nothing here waits or sends.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from agent.core import results

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from agent.core.messages import Decision
    from agent.core.results import Result

Events = Literal["all", "reject", "change"]
Publish = Literal["every", "change"]


@dataclass(frozen=True, slots=True)
class DecisionRule:
    """When a result is rejected (design, section 4.3). Fields that do not belong to the result's kind are None.

    Attributes:
        label: Label to reject: classification, detection, segmentation.
        min_score: Score from which on `label` rejects, 0..1; for segmentation, its share of the area.
        threshold: Anomaly score, or embedding distance, from which on the frame is rejected.
        above: Regression value above which the frame is rejected.
        below: Regression value below which the frame is rejected.
        unsure_below: Top score under which the decision is `unsure`, 0..1.
    """

    label: str | None = None
    min_score: float = 0.5
    threshold: float | None = None
    above: float | None = None
    below: float | None = None
    unsure_below: float | None = None

    @property
    def values(self) -> frozenset[str]:
        """The numbers that this rule works with, by the names of their fields."""
        limits = {key for key in ("threshold", "above", "below") if getattr(self, key) is not None}
        return frozenset(limits if self.label is None else limits | {"min_score", "unsure_below"})


def decide(result: Result, rule: DecisionRule | None) -> Decision | None:
    """The verdict on one frame.

    Args:
        result: What the model found.
        rule: When to reject, or None for models that only observe.

    Returns:
        `reject` if any result with the reject label reaches `min_score` (anomaly and embedding: `threshold`; regression:
        `above`, `below`); else `unsure` if the reject label leads or the top score is under `unsure_below`; else
        `accept`. None without a rule, and for kinds that cannot be judged.
    """
    if rule is None:
        return None
    match result:
        case results.Classification():
            return _by_label([(s.label, s.score) for s in result.top], rule)
        case results.Detection():
            return _by_label([(o.label, o.score) for o in result.objects], rule)
        case results.Segmentation():
            return _by_label([(a.label, a.score) for a in result.areas], rule)
        case results.Anomaly():
            return _by_limits(result.score, rule.threshold, None)
        case results.Embedding():
            return None if result.distance is None else _by_limits(result.distance, rule.threshold, None)
        case results.Regression():
            if rule.above is not None and result.value > rule.above:
                return "reject"
            return _by_limits(result.value, None, rule.below)
        case _:
            return None


def _by_label(found: list[tuple[str, float]], rule: DecisionRule) -> Decision:
    """`found` is sorted, highest score first."""
    if any(label == rule.label and score >= rule.min_score for label, score in found):
        return "reject"
    if not found:
        return "accept"
    top_label, top_score = found[0]
    if top_label == rule.label or (rule.unsure_below is not None and top_score < rule.unsure_below):
        return "unsure"
    return "accept"


def _by_limits(value: float, at_least: float | None, below: float | None) -> Decision:
    """A number that is not a number is never accepted."""
    if value != value:  # noqa: PLR0124 - the test for NaN that needs no import
        return "unsure"
    if (at_least is not None and value >= at_least) or (below is not None and value < below):
        return "reject"
    return "accept"


def _majority(n: int, decisions: Collection[Decision]) -> Decision:
    """What at least `n` of them say, the gravest first."""
    rejects = sum(decision == "reject" for decision in decisions)
    if rejects >= n:
        return "reject"
    if rejects + sum(decision == "unsure" for decision in decisions) >= n:
        return "unsure"
    return "accept"


class Smoothing:
    """`n` of the last `m` frames must agree before a reject counts.

    A frame is `reject` when at least `n` of the last `m` raw decisions are; else `unsure` when at least `n` of them are
    `reject` or `unsure`; else `accept`. Used by one pipeline thread.
    """

    def __init__(self, n: int, m: int) -> None:
        self._n = n
        self._recent: deque[Decision] = deque(maxlen=m)

    def apply(self, raw: Decision | None) -> Decision | None:
        """The decision for this frame, given those before it."""
        if raw is None:
            return None
        self._recent.append(raw)
        return _majority(self._n, self._recent)

    def instead(self) -> Callable[[Decision | None], Decision | None]:
        """What the decision on the last frame would have been, had its raw one been another; holds for that frame for good."""
        n, others = self._n, tuple(self._recent)[:-1]
        return lambda raw: None if raw is None else _majority(n, (*others, raw))


class EventRule:
    """Which predictions are events. Used by one pipeline thread."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._last: Decision | None = None

    def selects(self, decision: Decision | None) -> bool:
        """Whether a prediction with this decision is an event.

        `all`: every prediction. `reject`: reject and unsure. `change`: a decision other than the one before, the
        first one included. Without a decision only `all` selects.
        """
        changed = decision != self._last
        self._last = decision
        if self._events == "all":
            return True
        if decision is None:
            return False
        if self._events == "change":
            return changed
        return decision in ("reject", "unsure")


class PublishRule:
    """Which predictions are published: every one, or on change of the verdict with a heartbeat. One pipeline thread."""

    def __init__(self, publish: Publish, heartbeat_s: float) -> None:
        self._publish = publish
        self._heartbeat_s = heartbeat_s
        self._last: object = None
        self._last_s = float("-inf")

    def selects(self, decision: Decision | None, result: Result, now_s: float) -> bool:
        """Whether this prediction is published; `now_s` is monotonic."""
        if self._publish == "every":
            return True
        verdict = (decision, _what(result))
        if verdict == self._last and now_s - self._last_s < self._heartbeat_s:
            return False
        self._last, self._last_s = verdict, now_s
        return True


def _what(result: Result) -> object:
    """What counts as a change of the result: labels, never scores."""
    match result:
        case results.Classification():
            return result.label
        case results.Detection():
            return tuple(sorted(o.label for o in result.objects))
        case _:
            return None
