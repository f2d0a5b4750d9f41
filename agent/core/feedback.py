"""What a person's word on a prediction says of the two models that saw its frame. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from agent.core.comparing import Verdict
    from agent.core.messages import Decision

Judgement = Literal["right", "wrong"]


@dataclass(frozen=True, slots=True)
class Feedback:
    """A person's word on one prediction.

    Attributes:
        prediction_id: Of the prediction, as it was published.
        judgement: Whether it was right.
        label: The right label, where it was wrong and somebody knows it.
        decision: The right decision, likewise.
    """

    prediction_id: str
    judgement: Judgement
    label: str | None = None
    decision: Decision | None = None


def differ(one: Verdict, other: Verdict) -> bool:
    """Whether two models make something else of a frame: another decision; another label, where neither decides."""
    if one.decision is None and other.decision is None:
        return one.label != other.label
    return one.decision != other.decision


def was_right(other: Verdict, published: Verdict, said: Feedback) -> bool | None:
    """Whether a model that was not asked was right.

    Args:
        other: What it made of the frame.
        published: What was published, of which a person has spoken.
        said: That word.

    Returns:
        None where the word leaves it open.
    """
    if other.fault is not None:
        return False
    if said.judgement == "right":
        return not differ(other, published)
    if said.decision is not None:
        return other.decision == said.decision
    if said.label is not None:
        return other.label == said.label
    if not differ(other, published):
        return False
    # Wrong, and nothing else was said: where there are two sides, the other one was right.
    return True if {other.decision, published.decision} == {"accept", "reject"} else None
