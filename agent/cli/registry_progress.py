"""How an upload looks: a bar on a terminal, a line every two seconds elsewhere, nothing where it is over at once."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING

from agent.cli import output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LINE_EVERY_S = 2.0


@contextlib.contextmanager
def uploading(what: str, *, quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """Who is told of the bytes that are there, and of the bytes in all."""
    if quiet:
        yield lambda _done, _of: None
        return
    if sys.stderr.isatty():
        with contextlib.suppress(ImportError):
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

            bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                DownloadColumn(),
                TransferSpeedColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            with bar:
                task = bar.add_task(f"uploading {what}", total=None)
                yield lambda done, of: bar.update(task, completed=done, total=of)
            return
    yield _lines(what)


def _lines(what: str) -> Callable[[int, int], None]:
    due_s = time.monotonic() + _LINE_EVERY_S

    def told(done: int, of: int) -> None:
        nonlocal due_s
        if time.monotonic() >= due_s:
            due_s = time.monotonic() + _LINE_EVERY_S
            output.talk(f"uploading {what}: {done / 1e6:.1f} of {of / 1e6:.1f} MB")

    return told
