"""`lineside run`: the agent itself."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from agent.cli.output import DEFAULT_CONFIG, ConfigOption


def run(
    config: ConfigOption = DEFAULT_CONFIG,
    once: Annotated[bool, typer.Option("--once", help="Take one frame or window per pipeline, then end.")] = False,
) -> None:
    """Run the agent until SIGTERM, SIGINT or SIGHUP, or until every source has ended.

    Exit codes: 0 done, 1 a source ended by a fault, 3 invalid configuration or no pipeline can ever work, 4 messages stayed
    undelivered, 5 the models are not to be trusted.
    """
    asked = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: asked.set())

    from agent.config.loading import load
    from agent.telemetry.logs import set_up

    loaded = load(Path(config))
    settings = loaded.usable()
    set_up(settings.log.level, settings.log.format)
    log = logging.getLogger("lineside.run")
    for finding in loaded.findings:
        log.warning(finding.message, extra={"code": finding.code, "hint": finding.hint})
    threading.excepthook = lambda args: log.critical(
        "thread %s died",
        args.thread and args.thread.name,
        exc_info=(args.exc_type, args.exc_value, args.exc_traceback),  # type: ignore[arg-type]
    )

    from agent.app import App

    app = App(settings, once=once)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: app.stop())
    if asked.is_set():  # asked to end before it began
        app.stop()
    sys.exit(app.run())
