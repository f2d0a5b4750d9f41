"""How far a long look at samples has come: a line on stderr every two seconds, nothing where it is over at once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from agent.cli import output

if TYPE_CHECKING:
    from collections.abc import Callable

_LINE_EVERY_S = 2.0


def counted(what: str, *, quiet: bool) -> Callable[[int, int], None]:
    """Who is told how many samples are done, and of how many."""
    due_s = time.monotonic() + _LINE_EVERY_S

    def told(done: int, of: int) -> None:
        nonlocal due_s
        if not quiet and time.monotonic() >= due_s:
            due_s = time.monotonic() + _LINE_EVERY_S
            output.talk(f"{what}: {done:,} of {of:,} samples")

    return told
