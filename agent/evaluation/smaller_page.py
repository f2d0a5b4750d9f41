"""The report of a quantization for people. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.evaluation import drawing
from agent.evaluation.markup import figure, number, page, table, verdict
from agent.evaluation.page import compared, paired, titled

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_LAYERS = 20
_LONGEST_NAME = 36


def smaller_page(report: dict[str, Any]) -> str:
    """The page.

    Args:
        report: Of `agent.evaluation.smaller`.
    """
    model = report["model"]
    how = (
        f"static int8, ranges from {report['calibration_samples']} samples"
        if report["mode"] == "static"
        else "dynamic range: int8 weights, activations quantized at each invoke"
    )
    subtitle = f"made of {model['from']}, {report['made_at'][:16].replace('T', ' ')} UTC; {how}"
    return page(f"{model['name']} {model['version']}, quantized", subtitle, _parts(report))


def summary(report: dict[str, Any]) -> list[str]:
    """What a reader in a hurry should know."""
    size, invoke = report["size_bytes"], report["invoke_ms"]
    sentences = [
        (
            f"{size['after'] / 1000:,.0f} kB instead of {size['before'] / 1000:,.0f} kB:"
            f" {size['after'] / size['before']:.0%} of the size."
        ),
        f"{invoke['after']['p50']:.2f} ms instead of {invoke['before']['p50']:.2f} ms an invoke on this machine (median).",
    ]
    agreement, evaluation = report["agreement"], report["evaluation"]
    if agreement:
        same = agreement["same_label"] if agreement["same_decision"] is None else agreement["same_decision"]
        what = "label" if agreement["same_decision"] is None else "decision"
        sentences.append(f"The same {what} on {same:.1%} of {agreement['samples']} samples.")
    if evaluation:
        against = evaluation["against"]
        sentences += [
            f"{titled(name)}: {number(against['measures'][name]['value'])} before,"
            f" {number(evaluation['measures'][name]['value'])} after."
            for name in evaluation["primary"]
        ]
        sentences.append(compared(evaluation, "the float model"))
    return sentences


def _parts(report: dict[str, Any]) -> Iterator[str]:
    evaluation = report["evaluation"]
    verdict_of = evaluation["against"]["verdict"] if evaluation else ""
    yield verdict(summary(report), "bad" if verdict_of == "worse" else "good" if verdict_of else "")
    size, invoke = report["size_bytes"], report["invoke_ms"]
    yield "<h2>Size and speed</h2>"
    pairs = [("float", "before"), ("quantized", "after")]
    yield '<div class="plots">'
    yield figure("Size", drawing.bars([(name, size[key], f"{size[key] / 1000:,.0f} kB") for name, key in pairs]))
    yield figure(
        "One invoke, median",
        drawing.bars(
            [
                (name, invoke[key]["p50"], f"{invoke[key]['p50']:.2f} ms (p99 {invoke[key]['p99']:.2f} ms)")
                for name, key in pairs
            ]
        ),
    )
    yield "</div>"
    if evaluation:
        yield "<h2>Before and after, on the same samples</h2>" + paired(evaluation, "float", "quantized")
    if report["agreement"]:
        yield "<h2>How far they agree</h2>" + _agreement(report["agreement"])
    if report["layers"]:
        yield "<h2>Layers that lose most</h2>"
        yield (
            "<p>Noise to signal: root mean square of the difference of a layer's output, as a share of that of the float output."
            " A layer carries along what the layers before it lost; look for jumps.</p>"
        )
        rows = report["layers"][:_MOST_LAYERS]
        yield drawing.bars(
            [(f"{row['operator']} {short_name(row['name'])}", row["loss"], f"{row['loss']:.1%}") for row in rows],
            names=370,
            longest=340,
        )


def _agreement(agreement: dict[str, Any]) -> str:
    rows = [
        ("samples", f"{agreement['samples']:,}"),
        ("same label", f"{agreement['same_label']:.1%}"),
        *([("same decision", f"{agreement['same_decision']:.1%}")] if agreement["same_decision"] is not None else []),
        ("scores apart, mean", number(agreement["score_apart_mean"])),
        ("scores apart, most", number(agreement["score_apart_max"])),
    ]
    return table(("", "float and quantized"), rows)


def short_name(name: str) -> str:
    """The last parts of a tensor's name, which conversion makes long."""
    last = "/".join(name.split(";", maxsplit=1)[0].rstrip("/").split("/")[-2:])
    return last if len(last) <= _LONGEST_NAME else f"…{last[1 - _LONGEST_NAME :]}"
