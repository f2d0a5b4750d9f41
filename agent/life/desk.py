"""What `lineside model return|hold|confirm|feedback` asks the running agent over its control socket."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, get_args

from agent.core.errors import BadData
from agent.core.feedback import Feedback, Judgement
from agent.core.messages import Decision

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.life.words import SamplesOnly, Spoken, Words


class LifeDesk:
    """Answers are JSON types. Any thread."""

    def __init__(self, words: Words | SamplesOnly) -> None:
        """Store."""
        self._words = words

    def answers(self) -> dict[str, Callable[[dict[str, Any]], dict[str, Any]]]:
        """For the control socket: question to function of the request."""
        return {
            "model return": lambda request: self._say(request, "return"),
            "model hold": lambda request: self._say(request, "hold"),
            "model confirm": lambda request: self._say(request, "confirm"),
            "model feedback": self._feedback,
        }

    def _say(self, request: dict[str, Any], word: Spoken) -> dict[str, Any]:
        return asdict(self._words.say(str(request.get("model")), word))

    def _feedback(self, request: dict[str, Any]) -> dict[str, Any]:
        name: Any = request.get("prediction")
        judgement: Any = request.get("verdict")
        label, decision = request.get("label"), request.get("decision")
        if judgement not in get_args(Judgement) or decision not in (None, *get_args(Decision)):
            raise BadData("feedback is right or wrong, and a decision accept, reject or unsure", hint="--help")
        said = Feedback(str(name), judgement, None if label is None else str(label), decision)
        return {"prediction": said.prediction_id, "counts": self._words.feedback(said)}
