"""`lineside`, and `python -m agent`: what was asked for, and the one place where errors become exit codes."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from agent.cli.serve import plain_run, serve
from agent.core.errors import LinesideError
from cloud_sync.errors import CloudSyncError


def main() -> None:
    """Run the command line; the entry point of `lineside`. Ctrl-C and closed pipes are typer's: it exits 130 and 1."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")  # a locale that lacks a sign must not end a command
    try:
        config = plain_run(sys.argv[1:])
        if config is not None:
            serve(Path(config))
        else:
            from agent.cli.main import app  # noqa: PLC0415 - typer, which the agent's start does without

            app()
    except (LinesideError, CloudSyncError) as error:
        from agent.cli import output  # noqa: PLC0415 - typer again

        output.fault(error, as_json="--json" in sys.argv)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
