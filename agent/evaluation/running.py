"""Runs a model over evaluation data by the agent's own way: the file is tried in a child, then loaded, and each sample takes all three steps."""

from __future__ import annotations

import platform
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.core.decisions import decide
from agent.core.errors import BadData
from agent.core.results import Detection, Tensors, is_finite
from agent.models.loading import load_model
from agent.models.samples import read_sample
from agent.models.trial import try_model

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from agent.core.decisions import DecisionRule
    from agent.core.findings import Finding
    from agent.core.messages import Decision
    from agent.core.results import Result
    from agent.evaluation.data import DataSet
    from agent.models.bundle import Bundle
    from agent.models.contract import Inferred
    from agent.models.execution import Execution, TrialLimits

    Seen = Callable[[npt.NDArray[Any], Result, Decision | None, Inferred], None]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said to one sample.

    Attributes:
        result: As in a prediction.
        decision: As in a prediction; None for models that only observe.
        size: Width and height of the picture in pixels.
        invoke_ms: The interpreter's own time.
        total_ms: From pixels to result.
    """

    result: Result
    decision: Decision | None
    size: tuple[int, int]
    invoke_ms: float
    total_ms: float


@dataclass(frozen=True, slots=True)
class Run:
    """One model over one data set, an answer for each sample in its order."""

    answers: tuple[Answer, ...]
    rule: DecisionRule | None
    runtime: str
    delegate: str
    machine: str
    findings: tuple[Finding, ...]


def run(
    bundle: Bundle,
    data: DataSet,
    how: Execution,
    limits: TrialLimits,
    *,
    reported_from: float = 0.0,
    told: Callable[[int, int], None] = lambda _done, _of: None,
    seen: Seen = lambda *_: None,
) -> Run:
    """Run a bundle over a data set.

    Args:
        bundle: What `agent.models.bundle` opened.
        data: The samples.
        how: Threads and delegates.
        limits: Of the trial in the child process.
        reported_from: Objects below this score take no part in the decision, where `bundle` reports more than its pipeline would.
        told: Told how many samples are done, and of how many.
        seen: Sees pixels, result, decision and raw outputs of each sample.

    Raises:
        ModelRefused: The runtime refuses the file, or its tensors do not fit its description.
        BadData: A sample cannot be read, or the model's results cannot be judged.
    """
    try_model(bundle.model, how, limits)
    model = load_model(bundle, how)
    answers = []
    try:
        preparer = model.preparer()
        for number, item in enumerate(data.items, start=1):
            pixels = read_sample(item.path)
            began_ns = time.perf_counter_ns()
            prepared = preparer.prepare(pixels)
            inferred = model.infer(prepared)
            result = model.decode(inferred)
            total_ms = (time.perf_counter_ns() - began_ns) / 1e6
            if isinstance(result, Tensors):
                raise BadData(
                    f"{bundle.title} gives bare tensors, and nobody can say whether they are right",
                    hint="output.decode names a decoder",
                )
            decision = _decision(_reported(result, reported_from), model.rule)
            seen(pixels, result, decision, inferred)
            preparer.recycle(prepared)
            invoke_ms = (inferred.invoked_ns - inferred.invoke_ns) / 1e6
            answers.append(Answer(result, decision, (pixels.shape[1], pixels.shape[0]), invoke_ms, total_ms))
            told(number, len(data.items))
    finally:
        model.close()
    reference = model.reference
    return Run(
        tuple(answers), model.rule, reference.runtime, reference.delegate, platform.machine(), tuple(model.findings)
    )


def _reported(result: Result, least: float) -> Result:
    return (
        Detection(objects=[one for one in result.objects if one.score >= least])
        if isinstance(result, Detection)
        else result
    )


def _decision(result: Result, rule: DecisionRule | None) -> Decision | None:
    """A model that gives NaN is never believed, here as in a pipeline."""
    return decide(result, rule) if rule is None or is_finite(result) else "unsure"
