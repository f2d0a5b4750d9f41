"""The report of an evaluation for people, from the content of `evaluation.json`. Pure."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from agent.evaluation import drawing
from agent.evaluation.markup import Html, chance, figure, number, page, signed, table, verdict
from cloud_sync.evaluation.paired import SIGNIFICANCE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NAMES = {
    "decision_accuracy": "decided right",
    "caught": "bad parts caught",
    "false_rejects": "good parts rejected",
    "unsure": "left to a person",
    "accuracy": "label right",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "auc": "area under ROC",
    "calibration_error": "calibration error",
    "map": "mAP 0.50-0.95",
    "map_50": "mAP at 0.50",
    "mae": "mean error",
    "rmse": "root mean square",
}
_UNIT = frozenset(NAMES) - {"mae", "rmse"}
_MOST_ROWS = 40
_MOST_CELLS = 12


def evaluation_page(report: dict[str, Any], missed: Sequence[str] = (), bounds: dict[str, float] | None = None) -> str:
    """The page.

    Args:
        report: Content of `evaluation.json`.
        missed: Why bounds of the bundle are not met.
        bounds: Measure → limit, of the bundle.
    """
    model, data = report["model"], report["data"]
    subtitle = (
        f"evaluated on {data['samples']:,} samples of {data['name']}, {report['made_at'][:16].replace('T', ' ')} UTC,"
        f" {report['runtime']['runtime']}, {report['runtime']['delegate']}, {report['runtime']['machine']}"
    )
    return page(f"{model['name']} {model['version']}", subtitle, _parts(report, missed, bounds or {}))


def _parts(report: dict[str, Any], missed: Sequence[str], bounds: dict[str, float]) -> Iterator[str]:
    yield _verdict(report, missed, bounds)
    yield "<h2>How good it is</h2>"
    yield _measures(report["measures"], bounds)
    if report["against"]:
        yield from _against(report)
    yield from _what_happens(report)
    yield from _plots(report)
    if report["classes"]:
        yield "<h2>Label by label</h2>" + _classes(report["classes"])
    yield "<h2>How fast it is</h2>" + _latency(report["latency_ms"])
    yield "<h2>How it was found out</h2>" + _method(report)


def _verdict(report: dict[str, Any], missed: Sequence[str], bounds: dict[str, float]) -> str:
    sentences = [_sentence(name, report["measures"][name]) for name in report["primary"]]
    mood = ""
    if bounds:
        sentences += [f"Bound missed: {why}." for why in missed] or ["Every bound of the bundle holds with confidence."]
        mood = "bad" if missed else "good"
    against = report["against"]
    if against:
        sentences.append(compared(report, f"{against['name']} {against['version']}"))
        mood = {"worse": "bad", "better": mood or "good"}.get(against["verdict"], mood)
    return verdict(sentences, mood)


def titled(measure: str) -> str:
    """Name of a measure at the beginning of a sentence."""
    name = NAMES.get(measure, measure)
    return name if name.startswith("mAP") else name[:1].upper() + name[1:]


def compared(report: dict[str, Any], other: str) -> str:
    """What the paired tests say in one sentence, and by which measures."""
    against = report["against"]
    sign = {"worse": -1, "better": 1}.get(against["verdict"], 0)
    by = [
        NAMES.get(test["measure"], test["measure"])
        for test in against["tests"]
        if test["p_adjusted"] is not None and test["p_adjusted"] < SIGNIFICANCE and test["gain"] * sign > 0
    ]
    if not by:
        return f"No difference to {other} is shown on these samples."
    return f"Significantly {against['verdict']} than {other}: {', '.join(by)}."


def _sentence(name: str, found: dict[str, Any]) -> str:
    low, high = number(found["low"]), number(found["high"])
    return f"{titled(name)}: {number(found['value'])}, with 95 % confidence {low} to {high}."


def _measures(found: dict[str, Any], bounds: dict[str, float]) -> str:
    shown = {name: each for name, each in found.items() if each["value"] is not None}
    rows = [
        (NAMES.get(name, name), each["value"], min(1.0, each["low"] or 0.0), min(1.0, each["high"] or 0.0))
        for name, each in shown.items()
        if name in _UNIT
    ]
    limits = {NAMES.get(name, name): limit for name, limit in bounds.items()}
    listed = [
        (
            NAMES.get(name, name),
            number(each["value"]),
            f"{number(each['low'])} – {number(each['high'])}",
            *([f"{bounds[name]:g}" if name in bounds else ""] if bounds else []),
            each["better"],
        )
        for name, each in found.items()
    ]
    head = ("measure", "value", "95 %", *(["bound"] if bounds else []), "better is")
    drawn = drawing.intervals(rows, bounds=limits) if rows else ""
    return '<div class="plots">' + drawn + table(head, listed, words=1) + "</div>"


def _against(report: dict[str, Any]) -> Iterator[str]:
    against = report["against"]
    yield f"<h2>Against {escape(against['name'])} {escape(against['version'])}, on the same samples</h2>"
    yield paired(report, "the other", "this")


def paired(report: dict[str, Any], before: str, after: str) -> str:
    """The paired tests against the other model, measure by measure.

    Args:
        report: Content of `evaluation.json`.
        before: What the other model is called here.
        after: What the model in question is called.
    """
    against, rows = report["against"], []
    for test in against["tests"]:
        name, p = test["measure"], test["p"] if test["p_adjusted"] is None else test["p_adjusted"]
        split = "" if test["only_this"] is None else f"{test['only_other']} : {test['only_this']}"
        mood = ("better" if (test["gain"] or 0) > 0 else "worse") if p is not None and p < SIGNIFICANCE else ""
        rows.append(
            (
                NAMES.get(name, name),
                number(against["measures"][name]["value"]),
                number(report["measures"][name]["value"]),
                Html(f'<span class="{mood}">{signed(test["difference"])}</span>'),
                f"{signed(test['low'])} … {signed(test['high'])}",
                split,
                chance(p),
                test["method"] + (", asked" if name in report["primary"] else ""),
            )
        )
    head = ("measure", before, after, "difference", "95 %", "only one right", "p", "test")
    return table(head, rows, words=1) + (
        f"<p><small>Only one right: samples on which only {before} was right, and those on which only {after} was."
        " Coloured: significant at 5 %. “asked” are the questions that decide whether it is worse; their p-values are adjusted for"
        " being several (Holm). The others are for the eye.</small></p>"
    )


def _what_happens(report: dict[str, Any]) -> Iterator[str]:
    decisions, confusion = report["decisions"], report["confusion"]
    if not decisions and not confusion:
        return
    yield '<h2>What it takes for what</h2><div class="plots">'
    if decisions:
        words = ("accept", "unsure", "reject")
        rows = [
            ("good parts" if truth == "accept" else "bad parts", *(each[word] for word in words))
            for truth, each in decisions.items()
        ]
        yield figure("Decisions", table(("", *words), rows))
    if confusion and len(confusion["labels"]) <= _MOST_CELLS:
        rows = [(f"is {name}", *counts) for name, counts in zip(confusion["labels"], confusion["counts"], strict=True)]
        yield figure("Labels", table(("", *(f"said {name}" for name in confusion["labels"])), rows))
    yield "</div>"


def _plots(report: dict[str, Any]) -> Iterator[str]:
    drawn = []
    if report["curve"]:
        title = f"ROC of the score for {report['positive']}"
        drawn.append(figure(title, drawing.curve(report["curve"], "false positive rate", "true positive rate")))
    if report["calibration"]:
        points = [(each["confidence"], each["accuracy"]) for each in report["calibration"]]
        drawn.append(
            figure("Is it as right as it is sure?", drawing.curve(points, "mean confidence", "share right", dots=True))
        )
    if drawn:
        yield '<h2>Scores</h2><div class="plots">' + "".join(drawn) + "</div>"


def _classes(classes: list[dict[str, Any]]) -> str:
    keys = [key for key in classes[0] if key not in ("label", "samples")]
    rows = [
        (each["label"], each["samples"], *(number(each[key]) for key in keys))
        for each in sorted(classes, key=lambda each: -each["samples"])[:_MOST_ROWS]
    ]
    return table(("label", "samples", *(NAMES.get(key, key) for key in keys)), rows)


def _latency(latency_ms: dict[str, dict[str, float]]) -> str:
    rows = [
        (name, *(f"{latency_ms[key][share]:.2f}" for share in ("p50", "p90", "p99", "max")))
        for key, name in (("invoke", "the interpreter alone"), ("total", "from pixels to result"))
    ]
    return table(("ms, on this machine", "p50", "p90", "p99", "max"), rows)


def _method(report: dict[str, Any]) -> str:
    data, method = report["data"], report["method"]
    labels = ", ".join(f"{escape(name)} {count:,}" for name, count in [*data["labels"].items()][:_MOST_ROWS])
    sentences = [
        f"Samples: {labels}. sha256 of the data: {data['sha256'][:16]}…",
        f"Left out because the same picture came before: {data['repeated']}." if data["repeated"] else "",
        f"Intervals: percentile bootstrap over samples, {method['draws']:,} draws, seed {method['seed']}; of shares, at least Wilson's.",
        "Decided right: rejected and bad, or accepted and good; caught: a bad part that was not accepted."
        if report["decisions"]
        else "",
        *(escape(note) + "." for note in report["notes"]),
    ]
    return "".join(f"<p>{each}</p>" for each in sentences if each)
