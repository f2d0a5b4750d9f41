"""How commands speak: results on stdout, talk on stderr, `--json` wherever there is a result (design, section 4.1)."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
from itertools import zip_longest
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import FrameType

    from agent.core.errors import LinesideError
    from agent.core.findings import Finding
    from cloud_sync.errors import CloudSyncError

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object on stdout in place of text.")]
ConfigOption = Annotated[
    str, typer.Option("--config", "-c", help="Configuration file.", metavar="FILE", show_default=True)
]
_COLOURS = {"error": "red", "warning": "yellow", "info": "cyan"}


def result(data: Any, text: str, *, as_json: bool) -> None:
    """Print a command's result on stdout, as JSON or as the text made for people."""
    said = json.dumps(data, ensure_ascii=False, default=str) if as_json else text
    print(said, flush=True)  # noqa: T201 - the result is stdout, and whoever reads a pipe waits for it


def talk(text: str) -> None:
    """Say something that is no result, on stderr."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - talk is stderr


def demand_a_command(context: typer.Context) -> None:
    """Where a command has subcommands and none was given: its help on stderr and exit code 2, whatever typer's version."""
    if context.invoked_subcommand is None:
        talk(context.get_help())
        raise typer.Exit(UsageError.exit_code)


def fault(error: LinesideError | CloudSyncError, *, as_json: bool) -> None:
    """Say what went wrong and what to do next; with `--json` as an object on stdout."""
    if as_json:
        print(json.dumps({"error": {"code": error.code, "message": str(error), "hint": error.hint}}))  # noqa: T201
        return
    talk(f"{paint('error:', 'red')} {error}")
    if error.hint:
        talk(f"  next: {error.hint}")


@contextlib.contextmanager
def until_left() -> Iterator[threading.Event]:
    """For results without an end: who presses Ctrl-C or closes the pipe (`| head`) has seen enough, and that is no fault.

    Yields an event to look at from time to time. Python drops a KeyboardInterrupt that comes while it takes an object apart (`__del__`);
    the event stays set.
    """
    left = threading.Event()

    def leave(number: int, frame: FrameType | None) -> None:
        left.set()
        signal.default_int_handler(number, frame)

    before = signal.signal(signal.SIGINT, leave)
    try:
        yield left
    except KeyboardInterrupt:
        return
    except BrokenPipeError:
        # Else the interpreter writes what is left at its end, and fails at that.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    finally:
        signal.signal(signal.SIGINT, before)


def paint(text: str, colour: str) -> str:
    """`text` in a colour where stderr is a terminal and NO_COLOR is not set."""
    if not sys.stderr.isatty() or os.environ.get("NO_COLOR"):
        return text
    return typer.style(text, fg=colour, bold=True)


def counted(number: int, noun: str) -> str:
    """`1 error`, `2 errors`, `no error`."""
    return f"{number or 'no'} {noun}{'s' if number > 1 else ''}"


def finding(found: Finding) -> None:
    """One finding on stderr, with its next step."""
    talk(f"{paint(f'{found.severity}:', _COLOURS[found.severity])} {found.message}  [{found.code}]")
    if found.hint:
        talk(f"  next: {found.hint}")


def table(
    rows: Iterable[Sequence[object]], *, head: Sequence[str] | None = None, indent: int = 0, widths: Sequence[int] = ()
) -> str:
    """Aligned columns, two spaces apart, numbers to the right; `widths` are the least of the first columns."""
    all_rows = [[("" if cell is None else str(cell)) for cell in row] for row in rows]
    shown = ([list(head)] if head else []) + all_rows
    if not shown:
        return ""
    wide = [max(len(row[k]) for row in shown if k < len(row)) for k in range(max(map(len, shown)))]
    wide = [max(pair) for pair in zip_longest(wide, widths, fillvalue=0)]
    right = [bool(all_rows) and all(_is_number(row[k]) for row in all_rows if k < len(row)) for k in range(len(wide))]
    lines = (
        " " * indent
        + "  ".join(
            cell.rjust(width) if r else cell.ljust(width) for cell, width, r in zip(row, wide, right, strict=False)
        )
        for row in shown
    )
    return "\n".join(line.rstrip() for line in lines)


def _is_number(text: str) -> bool:
    return text == "-" or text.replace(".", "", 1).replace("-", "", 1).replace(",", "").replace(" ", "").isdigit()
