"""`lineside model quantize`: an int8 bundle made of one with a float model, and what that cost."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from agent.cli import output
from agent.cli.output import JsonOption

_WORSE = 3


class Mode(str, Enum):
    """How activations are quantized."""

    static = "static"
    dynamic = "dynamic"

    def __str__(self) -> str:
        """As it is typed."""
        return self.value


def quantize(
    bundle: Annotated[Path, typer.Argument(help="Bundle folder with the float model.", metavar="BUNDLE")],
    out: Annotated[Path, typer.Option("--out", help="New folder for the int8 bundle.", metavar="DIR")],
    calibration: Annotated[
        Path | None,
        typer.Option(
            "--calibration",
            help="Folder of pictures as the line sees them, such as `samples export` writes; 100 to 500 are enough.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            help="Evaluation set, for measures before and after: as for `model evaluate`.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    mode: Annotated[
        Mode,
        typer.Option(
            "--mode",
            help="static: integers throughout, needs --calibration; dynamic: only weights are int8.",
            metavar="MODE",
        ),
    ] = Mode.static,
    version: Annotated[
        str | None,
        typer.Option("--version", help="Of the new bundle.", metavar="VERSION", show_default="VERSION-int8"),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", help="Where the report goes; one file.", metavar="FILE", show_default="DIR.html"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Quantize a float model to int8 by the LiteRT quantizer, and say what it cost: size, latency, agreement, measures, layers.

    Needs the extra [publish].

    Exit codes: 0 done, 1 it cannot be quantized, 3 it is significantly worse than the float model.
    """
    from agent.cli.model_progress import counted
    from agent.evaluation.data import read_data
    from agent.evaluation.evaluating import Order
    from agent.evaluation.smaller import make_smaller
    from agent.evaluation.smaller_page import short_name, smaller_page, summary
    from cloud_sync.atomic import write_atomically

    samples = read_data(data) if data else None
    report = make_smaller(
        bundle, out, version, mode.value, calibration, samples, Order(), counted("evaluating", quiet=as_json)
    )
    page_to = html or out.with_name(f"{out.name}.html")
    write_atomically(page_to, smaller_page(report).encode())
    if report["evaluation"]:
        text = json.dumps(report["evaluation"], ensure_ascii=False, separators=(",", ":"))
        write_atomically(out / "evaluation.json", text.encode() + b"\n")
    lost = [(f"{row['operator']} {short_name(row['name'])}", f"{row['loss']:.1%}") for row in report["layers"][:5]]
    parts = [
        "\n".join(summary(report)),
        output.table(lost, head=("layers that lose most", "noise to signal")) if lost else "",
    ]
    told = "\n\n".join(filter(None, parts))
    output.result(report, f"{told}\nwritten: {out}, {page_to}\nnext: lineside model pack {out}", as_json=as_json)
    if report["evaluation"] and report["evaluation"]["against"]["verdict"] == "worse":
        raise typer.Exit(_WORSE)
