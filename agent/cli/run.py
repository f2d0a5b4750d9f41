"""`lineside run`: the agent itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent.cli.output import ConfigOption
from agent.cli.serve import DEFAULT_CONFIG, serve


def run(
    config: ConfigOption = DEFAULT_CONFIG,
    once: Annotated[bool, typer.Option("--once", help="Take one frame or window per pipeline, then end.")] = False,
) -> None:
    """Run the agent until SIGTERM, SIGINT or SIGHUP, or until every source has ended.

    Exit codes: 0 done, 1 a source ended by a fault, 3 invalid configuration or no pipeline can ever work, 4 messages stayed
    undelivered, 5 the models are not to be trusted.
    """
    serve(Path(config), once=once)
