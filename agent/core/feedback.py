"""What a person's word on a prediction says of the two models that saw its frame. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from agent.core.comparing import Pair, Verdict
    from agent.core.messages import Decision

Judgement = Literal["right", "wrong"]


@dataclass(frozen=True, slots=True)
class Feedback:
    """A person's word on one prediction.

    Attributes:
        prediction_id: Of the prediction, as it was published.
        judgement: Whether it was right.
        label: The right label, or of a model that gives numbers the right one, where it was wrong and somebody knows it.
        decision: The right decision, likewise.
    """

    prediction_id: str
    judgement: Judgement
    label: str | None = None
    decision: Decision | None = None


def was_right(pair: Pair, said: Feedback) -> bool | None:
    """Whether the candidate, of which nobody has spoken, was right.

    Args:
        pair: What both models made of the frame.
        said: A person's word on what was published.

    Returns:
        None where the word leaves it open.
    """
    candidate, published = pair.candidate, pair.active
    if candidate.fault is not None:
        return False
    if said.judgement == "right":
        return not pair.differs
    if said.decision is not None:
        return candidate.decision == said.decision
    if said.label is not None and (right := _is_it(candidate, published, said.label)) is not None:
        return right
    if not pair.differs:
        return False
    # Wrong, and nothing else was said: where there are two sides, the other one was right.
    return True if {candidate.decision, published.decision} == {"accept", "reject"} else None


def _is_it(candidate: Verdict, published: Verdict, truth: str) -> bool | None:
    """Whether the candidate named what is true; a number, whether it came nearer to it than the one that was called wrong.

    None where the truth is what both named first, such as the label of the first of several objects: it was not that which was wrong.
    """
    if candidate.label is not None or published.label is not None:
        return None if truth == published.label == candidate.label else candidate.label == truth
    number = _number(truth)
    if number is None or candidate.score is None or published.score is None:
        return False
    return abs(candidate.score - number) < abs(published.score - number)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
