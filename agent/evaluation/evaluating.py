"""An evaluation from a bundle and data to the content of `evaluation.json` (`lineside.evaluation/1`)."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from agent import __version__
from agent.core.times import now_text
from agent.evaluation.comparing import compare
from agent.evaluation.detection import DRAWS, LEAST_SCORE, judge_objects
from agent.evaluation.intervals import CONFIDENCE, Resampling, estimate
from agent.evaluation.judging import GOOD, judge
from agent.evaluation.running import run
from agent.models.bundle import DESCRIPTION
from agent.models.execution import Execution, TrialLimits
from cloud_sync.evaluation import holm
from cloud_sync.evaluation.paired import SIGNIFICANCE
from cloud_sync.evaluation.report import NOT_ASKED, RIGHT, SCHEMA, WRONG
from cloud_sync.manifest import file_sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from agent.evaluation.comparing import Test
    from agent.evaluation.data import DataSet
    from agent.evaluation.judging import Judged
    from agent.evaluation.measures import Measure
    from agent.evaluation.running import Run
    from agent.models.bundle import Bundle

_QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}


@dataclass(frozen=True, slots=True)
class Order:
    """How to evaluate.

    Attributes:
        resampling: Of intervals and paired tests; boxes are drawn less often.
        good: Labels of parts without a fault.
        how: Threads and delegates.
        limits: Of the trial in a child process.
    """

    resampling: Resampling = field(default_factory=Resampling)
    good: frozenset[str] = GOOD
    how: Execution = field(default_factory=Execution)
    limits: TrialLimits = field(default_factory=TrialLimits)


def evaluate(
    bundle: Bundle,
    data: DataSet,
    order: Order,
    against: Bundle | None = None,
    told: Callable[[int, int], None] = lambda _done, _of: None,
) -> dict[str, Any]:
    """Run a bundle over data, judge it, and compare it with another on the same samples.

    Args:
        bundle: In question.
        data: With the truth.
        order: How.
        against: The other one.
        told: Told how many samples are done, and of how many.

    Returns:
        The content of `evaluation.json`.

    Raises:
        ModelRefused: A model cannot be run.
        BadData: Data and model do not fit each other.
    """
    how = (
        replace(order.resampling, draws=min(order.resampling.draws, DRAWS)) if data.form == "coco" else order.resampling
    )
    ran, judged = _judged(bundle, data, order, told)
    other = None
    if against is not None:
        _, judged_other = _judged(against, data, order, told)
        tests = compare(judged.measures, judged_other.measures, len(data.items), how)
        other = _against(against, judged_other, tests, judged.primary, how, len(data.items))
    return {
        "schema": SCHEMA,
        "made_at": now_text(),
        "agent": __version__,
        "model": {
            "name": bundle.spec.name,
            "version": bundle.spec.version,
            "task": bundle.spec.task,
            "files": _deciding_files(bundle),
        },
        "runtime": {
            "runtime": ran.runtime,
            "delegate": ran.delegate,
            "machine": ran.machine,
            "threads": order.how.threads,
        },
        "data": _data(data),
        "method": {"confidence": CONFIDENCE, "draws": how.draws, "seed": how.seed},
        "measures": _estimates(judged, how, len(data.items)),
        "primary": [*judged.primary],
        "decisions": judged.decisions,
        "confusion": dict(zip(("labels", "counts"), judged.confusion, strict=True)) if judged.confusion else None,
        "classes": _plain(judged.classes),
        "positive": judged.positive,
        "curve": judged.curve,
        "calibration": judged.calibration,
        "latency_ms": _latencies(ran),
        "notes": judged.notes,
        "samples": {
            "ids": [item.id for item in data.items],
            "hits": {name: _hits(judged.measures[name]) for name in judged.primary if _is_share(judged.measures[name])},
        },
        "against": other,
    }


def _judged(bundle: Bundle, data: DataSet, order: Order, told: Callable[[int, int], None]) -> tuple[Run, Judged]:
    if data.form != "coco":
        ran = run(bundle, data, order.how, order.limits, told=told)
        return ran, judge(ran, data, bundle.labels, order.good)
    threshold = bundle.spec.output.threshold
    output = bundle.spec.output.model_copy(update={"threshold": min(threshold, LEAST_SCORE)})
    lower = replace(bundle, spec=bundle.spec.model_copy(update={"output": output}))
    ran = run(lower, data, order.how, order.limits, reported_from=threshold, told=told)
    return ran, judge_objects(ran, data, threshold)


def _deciding_files(bundle: Bundle) -> dict[str, str]:
    """Path → sha256 of what decides the answers: an evaluation holds for exactly these files."""
    spec, folder = bundle.spec, bundle.folder
    if folder is None:
        return {bundle.model.name: file_sha256(bundle.model)}
    named = (DESCRIPTION, spec.model, spec.labels, spec.output.references)
    return {path: file_sha256(folder / path) for path in named if path}


def _data(data: DataSet) -> dict[str, Any]:
    truths: Iterable[str] = (item.expected for item in data.items)
    if data.form == "coco":
        truths = (each["category"] for item in data.items for each in item.objects)
    return {
        "name": data.name,
        "form": data.form,
        "samples": len(data.items),
        "repeated": data.repeated,
        "sha256": data.sha256,
        "labels": dict(sorted(Counter(truths).items())),
    }


def _against(
    bundle: Bundle, judged: Judged, tests: list[Test], primary: tuple[str, ...], how: Resampling, samples: int
) -> dict[str, Any]:
    asked = {test.measure: test for test in tests if test.measure in primary}
    adjusted = holm({name: test.p for name, test in asked.items()})
    shown = [asked[name].gain for name, p in adjusted.items() if p < SIGNIFICANCE]
    verdict = "no difference shown"
    if shown:
        verdict = "worse" if min(shown) < 0 else "better"
    return {
        "name": bundle.spec.name,
        "version": bundle.spec.version,
        "digest": bundle.digest,
        "measures": _estimates(judged, how, samples),
        "tests": [_plain(asdict(test) | {"p_adjusted": adjusted.get(test.measure)}) for test in tests],
        "verdict": verdict,
    }


def _estimates(judged: Judged, how: Resampling, samples: int) -> dict[str, Any]:
    found = estimate(judged.measures, samples, how)
    return {
        name: _plain(asdict(one)) | {"better": "less" if judged.measures[name].less_is_better else "more"}
        for name, one in found.items()
    }


def _latencies(ran: Run) -> dict[str, dict[str, float]]:
    times_ms = {
        "invoke": [answer.invoke_ms for answer in ran.answers],
        "total": [answer.total_ms for answer in ran.answers],
    }
    return {
        name: {key: round(float(np.quantile(values, share)), 3) for key, share in _QUANTILES.items()}
        for name, values in times_ms.items()
    }


def _is_share(measure: Measure) -> bool:
    return measure.hits is not None and measure.by_truth


def _hits(measure: Measure) -> str:
    if measure.hits is None or measure.among is None:
        raise ValueError("only a share has hits")
    said = np.where(measure.among, np.where(measure.hits, RIGHT, WRONG), NOT_ASKED)
    return "".join(said.tolist())


def _plain(value: Any) -> Any:
    """The same for JSON, which knows no NaN: what the data does not determine is null."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
