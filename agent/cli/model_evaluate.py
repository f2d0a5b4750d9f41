"""`lineside model evaluate`: how good a bundle is on data with known truth, and whether it is better than another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli import output
from agent.cli.output import JsonOption

if TYPE_CHECKING:
    from collections.abc import Sequence

DataOption = Annotated[
    Path,
    typer.Option(
        "--data",
        help="Folder of samples: a folder per label, labels.csv (file,label), or COCO annotations.json.",
        metavar="DIR",
    ),
]
GoodOption = Annotated[
    list[str] | None,
    typer.Option(
        "--good",
        help="Label of parts without a fault, for models that say how strange a part is; else good, normal, ok.",
        metavar="LABEL",
        show_default=False,
    ),
]
_BOUND_MISSED = 3


def evaluate(
    bundle: Annotated[Path, typer.Argument(help="A bundle folder.", metavar="BUNDLE")],
    data: DataOption,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against", help="Bundle to compare with, on the same samples.", metavar="BUNDLE", show_default=False
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            help="Where the report for people goes; one file.",
            metavar="FILE",
            show_default="NAME-VERSION.html",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Where the report for programs goes.", metavar="FILE", show_default="BUNDLE/evaluation.json"
        ),
    ] = None,
    draws: Annotated[
        int, typer.Option("--draws", min=100, max=100_000, help="Of the bootstrap; boxes are drawn 200 times at most.")
    ] = 2000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the bootstrap.")] = 0,
    good: GoodOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge a bundle on data with known truth, by the agent's own way from pixels to decision; compare it with another.

    Writes evaluation.json into the bundle, where `model pack` seals it and `registry publish` reads it, and one HTML file for people.

    Exit codes: 0 done, 1 it cannot be judged, 3 it misses a bound of its own, or is significantly worse than the other, 5 not trusted.
    """
    from agent.cli.model_progress import counted
    from agent.evaluation.data import read_data
    from agent.evaluation.evaluating import Order
    from agent.evaluation.evaluating import evaluate as evaluated
    from agent.evaluation.intervals import Resampling
    from agent.evaluation.judging import GOOD
    from agent.evaluation.page import evaluation_page
    from agent.models.bundle import open_bundle, open_unpacked
    from cloud_sync.atomic import write_atomically
    from cloud_sync.evaluation.report import NAME

    opened = open_unpacked(bundle)
    other = open_bundle(against) if against else None
    samples = read_data(data)
    order = Order(Resampling(draws, seed), frozenset(good) if good else GOOD)
    told = counted(f"evaluating {opened.title}", quiet=as_json)
    report = evaluated(opened, samples, order, other, told)
    limits, missed = _bounds(bundle, report)
    page_to = html or Path(f"{opened.spec.name}-{opened.spec.version}.html")
    json_to = out or bundle / NAME
    write_atomically(json_to, json.dumps(report, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
    write_atomically(page_to, evaluation_page(report, missed, limits).encode())
    _say(report, missed)
    output.result(report, _text(report, bundle, json_to, page_to), as_json=as_json)
    worse = report["against"] is not None and report["against"]["verdict"] == "worse"
    if missed or worse:
        raise typer.Exit(_BOUND_MISSED)


def _bounds(bundle: Path, report: dict[str, Any]) -> tuple[dict[str, float], list[str]]:
    """The limits that the bundle sets, and why some are not met: by the very rule of the publish gate."""
    from cloud_sync.evaluation.bounds import MODEL_TOML, read_bounds
    from cloud_sync.evaluation.report import Report

    bounds = read_bounds((bundle / MODEL_TOML).read_bytes())
    found = Report.decode(json.dumps(report).encode()).measures
    missed = [why for bound in bounds if (why := bound.missed_by(found.get(bound.measure)))]
    return {bound.measure: bound.limit for bound in bounds}, missed


def _say(report: dict[str, Any], missed: Sequence[str]) -> None:
    from agent.core.findings import Finding

    for why in missed:
        output.finding(
            Finding("bound-missed", "error", why, "more samples narrow the interval; a better model moves it")
        )
    for note in report["notes"]:
        output.talk(f"note: {note}")
    if report["data"]["repeated"]:
        output.talk(f"note: {report['data']['repeated']} samples were left out, as the same pictures came before")


def _text(report: dict[str, Any], bundle: Path, json_to: Path, page_to: Path) -> str:
    from agent.evaluation.page import NAMES

    against = report["against"]
    tests = {test["measure"]: test for test in against["tests"]} if against else {}
    rows = []
    for name, found in report["measures"].items():
        row = [NAMES.get(name, name), _figure(found["value"]), f"{_figure(found['low'])} – {_figure(found['high'])}"]
        if name in tests:
            test = tests[name]
            p = test["p"] if test["p_adjusted"] is None else test["p_adjusted"]
            row += [_figure(against["measures"][name]["value"]), "-" if p is None else f"{p:.2g}"]
        rows.append(row)
    head = ["measure", "value", "95 %"] + ([f"{against['version']}", "p"] if against else [])
    total = report["latency_ms"]["total"]
    lines = [
        output.table(rows, head=head),
        "",
        f"{report['data']['samples']:,} samples, {total['p50']:.2f} ms each (p99 {total['p99']:.2f}) on this machine",
    ]
    if against:
        lines.append(f"against {against['name']} {against['version']}: {against['verdict']}")
    return "\n".join([*lines, f"written: {json_to}, {page_to}", f"next: lineside model pack {bundle}"])


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
