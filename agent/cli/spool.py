"""`lineside spool list|show|retry|drop`: what waits for the broker, and what the broker does not take.

Asks the running agent over its control socket; where none runs, opens the file itself, under the lock of the state directory.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli import output
from agent.cli.output import ConfigOption, JsonOption
from agent.cli.serve import DEFAULT_CONFIG

if TYPE_CHECKING:
    from collections.abc import Sequence

app = typer.Typer(help="Look at what waits for the broker; send or drop what it does not take.")

NumberArgument = Annotated[int, typer.Argument(help="Number in `lineside spool list`.", metavar="ID")]
NumbersArgument = Annotated[
    list[int] | None, typer.Argument(help="Numbers in `lineside spool list`.", metavar="ID…", show_default=False)
]
AllOption = Annotated[bool, typer.Option("--all", help="Every message in quarantine.")]


@app.callback(invoke_without_command=True)
def _root(context: typer.Context) -> None:
    output.demand_a_command(context)


@app.command("list")
def list_(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Show how many messages wait, for how long, and which ones the broker does not take.

    Exit codes: 0 done, 1 the spool cannot be read.
    """
    answer = _ask(config, "list")
    output.result(answer, render(answer), as_json=as_json)


@app.command()
def show(number: NumberArgument, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Print a message in quarantine, and why the broker does not take it.

    Exit codes: 0 done, 1 there is no such message.
    """
    import json

    answer = _ask(config, "show", [number])
    text = output.table([(key, value) for key, value in answer.items() if key != "message"], widths=(10,))
    message = json.dumps(answer["message"], indent=2, ensure_ascii=False)
    output.result(answer, f"{text}\n\n{message}", as_json=as_json)


@app.command()
def retry(
    numbers: NumbersArgument = None,
    every: AllOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Send messages in quarantine after all, behind what waits.

    Exit codes: 0 they wait for the broker again, 1 one of them is not there.
    """
    answer = _ask(config, "retry", _chosen(numbers, every=every))
    output.result(answer, f"{output.counted(len(answer['retried']), 'message')} to be sent again", as_json=as_json)


@app.command()
def drop(
    numbers: NumbersArgument = None,
    every: AllOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Forget messages in quarantine for good.

    Exit codes: 0 they are gone, 1 one of them is not there.
    """
    answer = _ask(config, "drop", _chosen(numbers, every=every))
    output.result(answer, f"{output.counted(len(answer['dropped']), 'message')} dropped", as_json=as_json)


def _chosen(numbers: list[int] | None, *, every: bool) -> list[int]:
    from agent.core.errors import UsageError

    if bool(numbers) == every:
        raise UsageError("name messages by their numbers, or all of them", hint="lineside spool list; --all")
    return numbers or []


def _ask(config: str, verb: str, numbers: Sequence[int] = ()) -> dict[str, Any]:
    """The answer of the agent, or of the file where no agent runs.

    Raises:
        BadData: It will not, and says why.
        SpoolUnwritable: There is no file, or it cannot be used.
    """
    from agent.config.loading import load
    from agent.control import ask
    from agent.lock import StateLock, holder
    from agent.spool.desk import SpoolDesk
    from agent.spool.faults import SpoolUnwritable
    from agent.spool.spool import Spool
    from agent.spool.store import NAME

    settings = load(Path(config)).usable()
    state_dir, question = settings.device.state_dir, f"spool {verb}"
    if holder(state_dir) is not None:
        return ask(state_dir, question, ids=list(numbers))
    if not (state_dir / NAME).exists():
        raise SpoolUnwritable(f"there is no spool in {state_dir}", hint="it begins with the first `lineside run`")
    with StateLock(state_dir):
        spool = Spool(settings.spool, state_dir)
        spool.open()
        try:
            return SpoolDesk(spool).answers()[question]({"ids": list(numbers)})
        finally:
            spool.close()


def render(answer: dict[str, Any]) -> str:
    """The answer of `agent.spool.desk.SpoolDesk.overview`, for people."""
    lanes = [
        (name, lane["messages"], f"{lane['size_bytes'] / 1e6:.1f}", _age(lane["oldest_s"]))
        for name, lane in answer["lanes"].items()
    ]
    parts = [output.table(lanes, head=("lane", "messages", "MB", "oldest"))]
    if answer["fault"]:
        parts.append(f"! {answer['fault']}")
    if answer["dropped"]:
        counts = ", ".join(f"{reason} {count}" for reason, count in answer["dropped"].items())
        parts.append(f"given up since the start: {counts}")
    held = answer["quarantine"]
    if not held:
        return "\n\n".join([*parts, "nothing in quarantine"])
    rows = [
        (
            item["id"],
            item["since"][:19].replace("T", " "),
            item["lane"],
            item["pipeline"],
            item["number"],
            item["decision"] or "-",
            item["tries"],
            item["reason"],
        )
        for item in held
    ]
    head = ("id", "since (UTC)", "lane", "pipeline", "number", "decision", "tries", "reason")
    parts += [output.table(rows, head=head), "next: lineside spool show ID, then retry ID or drop ID"]
    return "\n\n".join(parts)


def _age(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    units = (("d", 86400), ("h", 3600), ("min", 60))
    return next((f"{seconds / size:.1f} {unit}" for unit, size in units if seconds >= size), f"{seconds:.0f} s")
