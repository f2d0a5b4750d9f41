"""What two models say of the same frame, in a form in which it can be compared and counted. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.core.results import is_finite, label_of
from agent.core.statistics import score_of

if TYPE_CHECKING:
    from agent.core.messages import Decision, Prediction
    from agent.core.results import Result

NOT_FINITE = "its result holds a NaN or an infinity"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one model made of one frame.

    Attributes:
        decision: None for a model that only observes, and where there is a fault.
        label: What it saw, where its kind of result names something.
        score: How sure it was, or its one number; None for kinds that have none, and where there is a fault.
        latency_ms: Of the model's own steps, without waiting: filling the input, the interpreter's time, decoding. Beside a line that
            works a candidate's is an upper bound, since it stands back.
        fault: Why there is no result that could be believed, in words; None where there is one.
    """

    decision: Decision | None
    label: str | None
    score: float | None
    latency_ms: float
    fault: str | None = None

    @property
    def words(self) -> str | None:
        """The gist for a person: decision, else label, else number, else fault; None for a result that has none of these."""
        number = None if self.score is None else f"{self.score:g}"
        return self.decision or self.label or number or self.fault


@dataclass(frozen=True, slots=True)
class Pair:
    """What the active model and its candidate made of one frame.

    Attributes:
        pipeline: Name of its table in the configuration.
        prediction_id: The prediction that was published of this frame.
        at_s: When the pair was complete, monotonic.
        active: What was published.
        candidate: What would have been published in its place.
        same: Whether they found the same (`agent.core.agreement`); asked only where neither decides.
    """

    pipeline: str
    prediction_id: str
    at_s: float
    active: Verdict
    candidate: Verdict
    same: bool = True

    @property
    def differs(self) -> bool:
        """Whether the two make something else of the frame: another decision; where neither decides, something else that was found.

        A candidate that made nothing of the frame differs.
        """
        if self.candidate.fault is not None:
            return True
        if self.active.decision is None and self.candidate.decision is None:
            return not self.same
        return self.active.decision != self.candidate.decision


def verdict_of(result: Result, decision: Decision | None, latency_ms: float) -> Verdict:
    """What a model made of a frame.

    Args:
        result: What its decoder read.
        decision: What was decided by it.
        latency_ms: Of the model's own steps.
    """
    if not is_finite(result):
        return Verdict(decision, label_of(result), None, latency_ms, NOT_FINITE)
    return Verdict(decision, label_of(result), score_of(result), latency_ms)


def own_ms_of(prediction: Prediction) -> float:
    """Milliseconds of the model's own steps, and of handing its result over where the next frame waits already."""
    latency = prediction.latency_ms
    return latency.pre + latency.invoke + latency.post


def failed(fault: str, latency_ms: float) -> Verdict:
    """A frame of which a model made nothing.

    Args:
        fault: Why, in words.
        latency_ms: Until it was known.
    """
    return Verdict(None, None, None, latency_ms, fault)
