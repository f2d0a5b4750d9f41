"""What `lineside run` does, without typer: a service's start needs its 35 ms and 3 MB for nothing."""

from __future__ import annotations

import faulthandler
import gc
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_CONFIG = "/etc/lineside/agent.toml"


def plain_run(arguments: Sequence[str]) -> str | None:
    """The configuration file, if these are the arguments of a service's start; else None, and typer reads them.

    Args:
        arguments: Those of the command line, without the command's name.
    """
    match arguments:
        case ["run"]:
            return DEFAULT_CONFIG
        case ["run", "-c" | "--config", config] if not config.startswith("-"):
            return config
        case _:
            return None


def serve(config: Path, *, once: bool = False) -> None:
    """Run the agent until it is asked to stop or has nothing left to do, then exit with its code.

    Args:
        config: The configuration file.
        once: Take one frame or window per pipeline, then end.

    Raises:
        LinesideError: It cannot begin.
    """
    if sys.stderr is not None:
        faulthandler.enable()  # systemd's watchdog ends with SIGABRT: what each thread did then stands in the journal
    gc.disable()  # until the app has started: a start makes no garbage, and looking for it took 60 of 430 ms
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
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
    code = app.run()
    # Not by the interpreter's own end: it takes away what threads that hang, or a camera's `read()` that is just coming back, still use,
    # and native code answers that with SIGABRT.
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)
