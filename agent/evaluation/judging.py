"""From what a model said and what is true to measures, tables and curves. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from agent.core.decisions import decide
from agent.core.errors import BadData
from agent.core.results import Anomaly, Classification, Embedding, Regression
from agent.core.statistics import score_of
from agent.evaluation import measures
from agent.evaluation.measures import share
from agent.models.golden import answer_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.core.decisions import DecisionRule
    from agent.core.results import Result
    from agent.evaluation.data import DataSet
    from agent.evaluation.measures import Bools, Measure, Reals
    from agent.evaluation.running import Run

GOOD = frozenset({"good", "normal", "ok"})
"""Labels of parts without a fault, where a model says how strange a part is and knows no labels."""
_TWO = 2
_MOST_CLASSES = 5
"""Results name the five best labels, so the scores of all are known only of models with no more."""
_CURVE_POINTS = 200


@dataclass(slots=True)
class Judged:
    """A model's answers, judged.

    Attributes:
        measures: By name, as in `cloud_sync.evaluation.bounds`.
        primary: What is asked when two versions are compared.
        confusion: Labels, and how often the row's label was taken for the column's.
        decisions: What is true (`accept`, `reject`) to how often each decision was made.
        classes: Of each label: samples, precision, recall, F1.
        curve: ROC: false and true positive rates.
        positive: What the curve's score is for.
        calibration: Of each bin: samples, mean confidence, accuracy.
        notes: What a reader should know.
    """

    measures: dict[str, Measure] = field(default_factory=dict)
    primary: tuple[str, ...] = ()
    confusion: tuple[list[str], list[list[int]]] | None = None
    decisions: dict[str, dict[str, int]] | None = None
    classes: list[dict[str, Any]] = field(default_factory=list)
    curve: list[tuple[float, float]] | None = None
    positive: str | None = None
    calibration: list[dict[str, float]] | None = None
    notes: list[str] = field(default_factory=list)


def judge(run: Run, data: DataSet, labels: Sequence[str] | None, good: frozenset[str] = GOOD) -> Judged:
    """Judge answers that stand for a whole frame: labels, decisions, anomaly scores, numbers.

    Args:
        run: The answers.
        data: The truth, in the same order.
        labels: Of the bundle.
        good: Labels of parts without a fault, for models that say how strange a part is.

    Raises:
        BadData: The truth is of another kind than the answers.
    """
    said = [answer.result for answer in run.answers]
    kinds = {item.by for item in data.items}
    judged = Judged()
    if len(kinds) > 1:
        data, kinds = _all_decisions(judged, data, run.rule), {"decision"}
    if kinds == {"decision"}:
        bad = np.array([item.expected == "reject" for item in data.items])
        if run.rule is None:
            raise BadData(
                "the samples say what is to be decided, and the bundle decides nothing", hint="add [decision]"
            )
    elif isinstance(said[0], Regression):
        bad = _judge_numbers(judged, said, data, run.rule)
    elif isinstance(said[0], (Anomaly, Embedding)):
        bad = _judge_strangeness(judged, said, data, good)
    else:
        bad = _judge_labels(judged, said, data, labels or (), run.rule)
    judge_decisions(judged, run, bad)
    return judged


def _all_decisions(judged: Judged, data: DataSet, rule: DecisionRule | None) -> DataSet:
    """Where people said of some samples what they show and of others what to do with them, the former say the latter, too."""
    if rule is None or rule.label is None:
        raise BadData("some samples have a label and some a decision", hint="give all of them a label")
    judged.notes.append(
        f"some samples have a decision in place of a label: those labelled {rule.label!r} count as to be rejected"
    )
    items = (
        item
        if item.by == "decision"
        else replace(item, by="decision", expected="reject" if item.expected == rule.label else "accept")
        for item in data.items
    )
    return replace(data, items=tuple(items))


def judge_decisions(judged: Judged, run: Run, bad: Bools) -> None:
    """Add how parts were decided, where the bundle decides; then that is what two versions are compared by.

    A part that the model is unsure of goes to a person: it is not missed, and not decided right either.
    """
    if run.rule is None:
        return
    decided = np.array([str(answer.decision) for answer in run.answers])
    rejected, accepted = decided == "reject", decided == "accept"
    judged.measures |= {
        "decision_accuracy": share((rejected & bad) | (accepted & ~bad)),
        "caught": share(~accepted, bad),
        "false_rejects": share(rejected, ~bad, less_is_better=True),
        "unsure": share(decided == "unsure", less_is_better=True),
    }
    judged.primary = ("decision_accuracy", "caught")
    judged.decisions = {
        truth: {word: int(np.sum((decided == word) & among)) for word in ("accept", "unsure", "reject")}
        for truth, among in (("accept", ~bad), ("reject", bad))
    }


def _judge_labels(
    judged: Judged, said: list[Result], data: DataSet, labels: Sequence[str], rule: DecisionRule | None
) -> Bools:
    truths, found = [item.expected for item in data.items], [answer_of(result) for result in said]
    names = [*dict.fromkeys(labels)]
    if strange := sorted(set(truths) - set(names)):
        judged.notes.append(f"the model does not know {', '.join(map(repr, strange[:5]))}: such samples count as wrong")
    names = [name for name in [*names, *strange, *sorted(set(found))] if name in truths or name in found]
    names = [*dict.fromkeys(names)]
    truth, guess = np.array(truths, object), np.array(found, object)
    right = np.asarray(truth == guess, np.bool_)
    reject = rule.label if rule else None
    positive = reject or (names[1] if len(names) == _TWO else None)
    per_class = {name: _of_label(truth == name, guess == name) for name in names}
    judged.measures["accuracy"] = share(right)
    if positive is not None:
        judged.measures |= _of_label(truth == positive, guess == positive)
    else:
        judged.notes.append("precision, recall and F1 are means over the labels")
        for key in ("precision", "recall", "f1"):
            judged.measures[key] = measures.mean_over_classes([each[key] for each in per_class.values()])
    _add_auc(judged, said, truth, names if positive is None else [positive])
    if isinstance(said[0], Classification):
        confidence = np.array([getattr(result, "score", 0.0) for result in said], np.float64)
        judged.measures["calibration_error"] = measures.calibration_error(np.nan_to_num(confidence), right)
        judged.calibration = _calibration(np.nan_to_num(confidence), right)
    judged.primary = ("accuracy",)
    judged.confusion = (names, [[int(np.sum((truth == a) & (guess == b))) for b in names] for a in names])
    judged.classes = [_row(name, each, int(np.sum(truth == name))) for name, each in per_class.items()]
    return np.asarray(truth == reject, np.bool_)


def _of_label(truth: Bools, guess: Bools) -> dict[str, Measure]:
    truth, guess = truth.astype(np.bool_), guess.astype(np.bool_)
    return {
        "precision": share(truth, guess, by_truth=False),
        "recall": share(guess, truth),
        "f1": measures.f1(truth, guess),
    }


def _row(name: str, each: dict[str, Measure], samples: int) -> dict[str, Any]:
    whole = np.ones((1, len(each["recall"].hits if each["recall"].hits is not None else ())))
    return {"label": name, "samples": samples} | {key: float(measure.of(whole)[0]) for key, measure in each.items()}


def _add_auc(judged: Judged, said: list[Result], truth: np.ndarray[Any, Any], of: list[str]) -> None:
    if len(of) > _MOST_CLASSES:
        return
    scores = {name: np.array([score_of(result, name) or 0.0 for result in said]) for name in of}
    each = [measures.auc(scores[name], np.asarray(truth == name, np.bool_)) for name in of]
    judged.measures["auc"] = each[0] if len(each) == 1 else measures.mean_over_classes(each)
    if len(of) == 1:
        judged.positive, judged.curve = of[0], roc(scores[of[0]], np.asarray(truth == of[0], np.bool_))


def _judge_strangeness(judged: Judged, said: list[Result], data: DataSet, good: frozenset[str]) -> Bools:
    labels = {item.expected for item in data.items}
    if not labels & good:
        raise BadData(
            f"none of the labels {', '.join(sorted(labels)[:5])} says that a part is good",
            hint=f"--good LABEL; without it these are good: {', '.join(sorted(good))}",
        )
    found = [score_of(result) for result in said]
    if isinstance(said[0], Embedding) and any(score is None for score in found):
        raise BadData("the embedding has no distance, as the bundle has no references", hint="output.references")
    bad = np.array([item.expected not in good for item in data.items])
    scores = np.array(
        [np.inf if score is None else score for score in found]
    )  # what is no number is as strange as can be
    judged.measures["auc"], judged.curve = measures.auc(scores, bad), roc(scores, bad)
    judged.primary, judged.positive = ("auc",), "strange"
    return bad


def _judge_numbers(judged: Judged, said: list[Result], data: DataSet, rule: DecisionRule | None) -> Bools:
    try:
        truths = np.array([float(item.expected) for item in data.items])
    except ValueError as error:
        raise BadData(
            f"the model gives numbers, and the data does not: {error}", hint="labels.csv: file,label"
        ) from error
    errors = np.array([result.value for result in said if isinstance(result, Regression)]) - truths
    judged.measures = {"mae": measures.mean_error(errors), "rmse": measures.root_mean_square(errors)}
    judged.primary = ("mae",)
    return np.array([decide(Regression(value=float(value), unit=None), rule) == "reject" for value in truths])


def roc(scores: Reals, positive: Bools) -> list[tuple[float, float]]:
    """False and true positive rate at each threshold, from (0, 0) to (1, 1), at most 200 points."""
    order = np.argsort(-scores, kind="stable")
    last_of_equals = np.append(np.diff(scores[order]) != 0, True) if scores.size else np.array([], np.bool_)
    true, false = np.cumsum(positive[order])[last_of_equals], np.cumsum(~positive[order])[last_of_equals]
    if not true.size or not true[-1] or not false[-1]:
        return []
    kept = np.unique(np.linspace(0, true.size - 1, min(true.size, _CURVE_POINTS)).round().astype(int))
    rates = zip((false / false[-1])[kept].tolist(), (true / true[-1])[kept].tolist(), strict=True)
    return [(0.0, 0.0), *((round(x, 5), round(y, 5)) for x, y in rates)]


def _calibration(confidence: Reals, right: Bools) -> list[dict[str, float]]:
    places = measures.bins(confidence)
    rows = []
    for place in range(measures.CALIBRATION_BINS):
        inside = places == place
        if inside.any():
            rows.append(
                {
                    "samples": int(inside.sum()),
                    "confidence": float(confidence[inside].mean()),
                    "accuracy": float(right[inside].mean()),
                }
            )
    return rows
