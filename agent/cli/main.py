"""The tree of commands."""

from __future__ import annotations

import typer

from agent.cli import bench, check, demo, doctor, init, model, output, registry, run, samples, spool, status, sync, tap

app = typer.Typer(
    name="lineside",
    help="Runs quantized TFLite models on camera streams and publishes the verdicts over MQTT.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (demo.demo, init.init, check.check, run.run, status.status, doctor.doctor, tap.tap, bench.bench):
    app.command()(command)
app.add_typer(model.app, name="model")
app.add_typer(spool.app, name="spool")
app.add_typer(samples.app, name="samples")
app.add_typer(registry.app, name="registry")
app.add_typer(sync.app, name="sync")


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context, version: bool = typer.Option(False, "--version", help="Print the version and exit.")
) -> None:
    if version:
        from agent import __version__

        output.result({"version": __version__}, f"lineside {__version__}", as_json=False)
        raise typer.Exit
    output.demand_a_command(context)
