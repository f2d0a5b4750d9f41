"""`lineside bench`: what this device can do with this configuration, and what would help."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from agent.cli import output
from agent.cli.output import ConfigOption, JsonOption
from agent.cli.serve import DEFAULT_CONFIG


def bench(
    config: ConfigOption = DEFAULT_CONFIG,
    seconds: Annotated[
        float, typer.Option("--seconds", "-s", min=0.5, max=3600, help="How long each pipeline works on its source.")
    ] = 10,
    as_json: JsonOption = False,
) -> None:
    """Measure on this device: each model bare and inside its pipeline, what rate each source allows, memory, temperature.

    Files are played round and round, every frame is inspected, and nothing is published. An agent that runs goes on.
    Exit codes: 0 measured, whatever came of it; 1 nothing could be measured, 3 invalid configuration, 5 no model is to be trusted.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the agent does: each thread of it holds memory

    from agent.config.loading import load

    settings = load(Path(config)).usable()
    _only_tracebacks()

    from agent.bench.measuring import measure
    from agent.cli.bench_text import text

    report = measure(settings, seconds, _progress)
    output.result(report.as_dict(), text(report, config), as_json=as_json)


def _progress(what: str) -> None:
    """What is measured now, on one line of a terminal; an empty text takes the line away."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{'measuring ' if what else ''}{what}")
        sys.stderr.flush()


def _only_tracebacks() -> None:
    """All that the agent would log is in the report, except where a driver or a decoder crashed."""
    handler = logging.StreamHandler()
    handler.addFilter(lambda record: record.exc_info is not None)
    logging.getLogger().addHandler(handler)
