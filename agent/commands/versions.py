"""The verbs that speak of versions: `return`, `hold` and `confirm` what is on trial, `feedback` on a prediction. Called by the desk's thread.

What they may do is judged where versions are moved (`agent.life`); here a request becomes a word, and a refusal an answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, get_args

from agent.commands.request import Refused, only, shown, text
from agent.core.errors import LinesideError
from agent.core.feedback import Feedback, Judgement
from agent.core.messages import Decision, FeedbackResult, VersionResult

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from agent.core.messages import AckReason, VersionState

_REASONS: dict[str, AckReason] = {"not-now": "not_applicable", "unknown": "unknown_name"}
_LONGEST = 64


class Heard(Protocol):
    """A word that was taken in."""

    @property
    def version(self) -> str:
        """That it is about."""
        ...

    @property
    def state(self) -> VersionState:
        """Of that version."""
        ...

    @property
    def will(self) -> str:
        """What follows."""
        ...


class Ear(Protocol):
    """Takes words in, or raises LinesideError with the code `not-now` or `unknown`."""

    def say(self, table: str, word: Literal["return", "hold", "confirm"], /) -> Heard:
        """Of a model's version."""
        ...

    def feedback(self, said: Feedback, /) -> str:
        """Of a prediction."""
        ...


class Say:
    """`return`, `hold` or `confirm`."""

    def __init__(self, word: Literal["return", "hold", "confirm"], ear: Ear) -> None:
        """Store."""
        self._word: Literal["return", "hold", "confirm"] = word
        self._ear = ear

    def __call__(self, arguments: Mapping[str, object]) -> VersionResult:
        """See `Verb`; takes `model`, the name of its table."""
        only(arguments, "model")
        model = text(arguments, "model")
        if model is None:
            raise Refused("malformed", "model is missing")
        try:
            heard = self._ear.say(model, self._word)
        except LinesideError as error:
            raise _refused(error) from error
        return VersionResult(model=model, version=heard.version, state=heard.state, will=heard.will)


class Judge:
    """`feedback` on a prediction."""

    def __init__(self, ear: Ear) -> None:
        """Store."""
        self._ear = ear

    def __call__(self, arguments: Mapping[str, object]) -> FeedbackResult:
        """See `Verb`; takes `prediction`, an id, `verdict`, and where that is wrong, `label` or `decision` as they should have been."""
        only(arguments, "prediction", "verdict", "label", "decision")
        said = feedback_of({key: text(arguments, key) for key in ("prediction", "verdict", "label", "decision")})
        try:
            counts = self._ear.feedback(said)
        except LinesideError as error:
            raise _refused(error) from error
        return FeedbackResult(prediction=said.prediction_id, counts=counts)


def feedback_of(given: Mapping[str, str | None]) -> Feedback:
    """Feedback of the texts that somebody gave.

    Raises:
        Refused: They make no sense.
    """
    prediction, verdict, label, decision = (given.get(key) for key in ("prediction", "verdict", "label", "decision"))
    if not prediction:
        raise Refused("malformed", "prediction is missing: the id of one")
    if max(len(each or "") for each in (prediction, label)) > _LONGEST:
        raise Refused("malformed", f"prediction and label have at most {_LONGEST} characters")
    if verdict not in get_args(Judgement):
        raise Refused("malformed", f"verdict must be right or wrong, not {shown(verdict)}")
    if decision is not None and decision not in get_args(Decision):
        raise Refused("malformed", f"decision must be {', '.join(get_args(Decision))}, not {shown(decision)}")
    if verdict == "right" and (label is not None or decision is not None):
        raise Refused("malformed", "what was right needs no other label or decision")
    return Feedback(prediction, verdict, label, decision)  # type: ignore[arg-type]


def _refused(error: LinesideError) -> Refused:
    return Refused(_REASONS.get(error.code, "failed"), str(error))
