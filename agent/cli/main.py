"""The tree of commands, and the one place where errors become exit codes."""

from __future__ import annotations

import io
import sys

import typer

from agent.cli import check, demo, doctor, init, model, output, run, status, tap
from agent.core.errors import LinesideError

app = typer.Typer(
    name="lineside",
    help="Runs quantized TFLite models on camera streams and publishes the verdicts over MQTT.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (demo.demo, init.init, check.check, run.run, status.status, doctor.doctor, tap.tap):
    app.command()(command)
app.add_typer(model.app, name="model")


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context, version: bool = typer.Option(False, "--version", help="Print the version and exit.")
) -> None:
    if version:
        from agent import __version__

        output.result({"version": __version__}, f"lineside {__version__}", as_json=False)
        raise typer.Exit
    output.demand_a_command(context)


def main() -> None:
    """Run the command line; the entry point of `lineside`. Ctrl-C and closed pipes are typer's: it exits 130 and 1."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")  # a locale that lacks a sign must not end a command
    try:
        app()
    except LinesideError as error:
        output.fault(error, as_json="--json" in sys.argv)
        sys.exit(error.exit_code)
