"""`lineside demo`: solar cells on a belt, inspected by a real agent over a real broker."""

from __future__ import annotations

from typing import Annotated

import typer

from agent.cli import output
from agent.cli.output import JsonOption


def demo(
    seconds: Annotated[float, typer.Option("--seconds", "-s", min=1, help="How long the belt runs.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Inspect photographs of solar cells that the model has never seen, and say how well.

    Exit codes: 0 done, 1 the data set is missing or the agent failed.
    """
    from agent.cli.demo_show import live, summary_text
    from agent.core.errors import LinesideError
    from agent.demo import belt
    from agent.demo.broker import broker
    from agent.demo.score import Score

    cells = belt.held_out()
    score = Score()
    with broker() as running, belt.workplace() as folder:
        config = belt.write_configuration(folder, cells, running.port)
        for line in (
            f"{len(cells)} photographs of solar cells pass the camera, {belt.RATE_HZ} a second; the model has seen none of them.",
            "  photographs  elpv-dataset (Buerhop-Lutz, Deitsch et al.), CC BY-NC-SA 4.0: for demonstration only",
            f"  broker       {running.name} on mqtt://127.0.0.1:{running.port}",
            f"  watch it     mosquitto_sub -v -p {running.port} -t '{belt.TOPICS.root}/#'",
            "",
        ):
            output.talk(line)
        with live(quiet=as_json) as show:
            for part in belt.watch(cells, running.port, config, seconds):
                score.add(part)
                show.part(part, len(score.parts))
    if not score.parts:
        raise LinesideError("no part was inspected", hint="lineside doctor")
    summary = score.summary(seconds)
    output.talk("")
    output.result(summary, summary_text(summary), as_json=as_json)
