"""`lineside model return|hold|confirm|feedback`: an operator's word on a version, and a person's on a prediction, to the running agent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from agent.cli import output
from agent.cli.output import ConfigOption, JsonOption
from agent.cli.serve import DEFAULT_CONFIG

if TYPE_CHECKING:
    from agent.life.words import Spoken

NameArgument = Annotated[str, typer.Argument(help="Name under `models` in the configuration.", metavar="MODEL")]
IdArgument = Annotated[str, typer.Argument(help="`id` of the prediction.", metavar="ID")]
VerdictArgument = Annotated[Literal["right", "wrong"], typer.Argument(help="What it was.", metavar="right|wrong")]
LabelOption = Annotated[str | None, typer.Option(help="The right label, or number, where it was wrong.")]
DecisionOption = Annotated[
    Literal["accept", "reject", "unsure"] | None,
    typer.Option(help="The right decision, where it was wrong.", metavar="accept|reject|unsure"),
]


def return_(model: NameArgument, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Take back the newest change of a model: reject what is on trial, or go from the active version back to the previous one.

    Exit codes: 0 it is being done, 1 there is nothing to take back, 4 no agent answers.
    """
    _say(config, "return", model, as_json=as_json)


def hold(model: NameArgument, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Keep the version that is on trial in its state, at most until its deadline.

    Exit codes: 0 it is held, 1 nothing is on trial, 4 no agent answers.
    """
    _say(config, "hold", model, as_json=as_json)


def confirm(model: NameArgument, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Let the version that is on trial go on without what it still had to show on the line; what it proves in a child process stays.

    Exit codes: 0 it goes on, 1 nothing is on trial, 4 no agent answers.
    """
    _say(config, "confirm", model, as_json=as_json)


def feedback(
    prediction: IdArgument,
    verdict: VerdictArgument,
    label: LabelOption = None,
    decision: DecisionOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Say whether a prediction was right: it labels the sample that is kept of it, and counts for or against a version that is on trial.

    Exit codes: 0 it counts, 1 the prediction is not known (any more), 2 usage, 4 no agent answers.
    """
    from agent.core.errors import UsageError

    if verdict == "right" and (label or decision):
        raise UsageError("what was right needs no other label or decision", hint="feedback ID wrong --label LABEL")
    details = {"prediction": prediction, "verdict": verdict, "label": label, "decision": decision}
    answer = _ask(config, "model feedback", **details)
    output.result(answer, answer["counts"], as_json=as_json)


def _say(config: str, word: Spoken, model: str, *, as_json: bool) -> None:
    answer = _ask(config, f"model {word}", model=model)
    text = f"{answer['model']} {answer['version']} ({answer['state']}): {answer['will']}"
    output.result(answer, text, as_json=as_json)


def _ask(config: str, question: str, **details: Any) -> dict[str, Any]:
    from agent.config.loading import load
    from agent.control import ask

    return ask(load(Path(config)).usable().device.state_dir, question, **details)
