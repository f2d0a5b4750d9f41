"""How the demo looks: a live table on a terminal, plain lines elsewhere, a summary at the end."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from agent.cli import output

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Self

    from agent.demo.score import Part

_ROWS = 12
_LINE_EVERY_S = 2.0
_STYLES = {"right": "green", "missed": "bold red", "false reject": "bold yellow", "unsure": "cyan", "not judged": "dim"}


class Show(Protocol):
    """Is told of each part."""

    def part(self, part: Part, count: int) -> None:
        """The `count`-th part was inspected."""


@contextlib.contextmanager
def live(*, quiet: bool) -> Iterator[Show]:
    """The table where stderr is a terminal, else a line every two seconds; nothing where `quiet`."""
    if quiet:
        yield _Nothing()
    elif sys.stderr.isatty():
        with _Table() as table:
            yield table
    else:
        yield _Lines()


class _Nothing:
    def part(self, part: Part, count: int) -> None:
        """Say nothing."""


class _Lines:
    def __init__(self) -> None:
        self._next_s = time.monotonic()

    def part(self, part: Part, count: int) -> None:
        """A line for one part every two seconds."""
        if time.monotonic() >= self._next_s:
            self._next_s += _LINE_EVERY_S
            output.talk(
                f"  part {count:>4}  {part.name}  {part.decision:<6}  score {part.score:.2f}"
                f"  truth {part.truth or 'unsure':<10}  {part.latency_ms:5.1f} ms"
            )


class _Table:
    """The last parts, newest at the bottom. rich is imported here only."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._rows: deque[tuple[int, Part]] = deque(maxlen=_ROWS)
        self._live = Live(self._render(), console=Console(stderr=True), refresh_per_second=10)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def part(self, part: Part, count: int) -> None:
        """Show it."""
        self._rows.append((count, part))
        self._live.update(self._render())

    def _render(self) -> Any:
        from rich.table import Table

        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
        for heading, justify, width in (
            ("part", "right", 5),
            ("photograph", "left", 12),
            ("verdict", "left", 7),
            ("score", "right", 5),
            ("truth", "left", 10),
            ("ms", "right", 5),
            ("", "left", 12),
        ):
            table.add_column(heading, justify=justify, min_width=width)  # type: ignore[arg-type]
        for count, part in self._rows:
            table.add_row(
                str(count),
                part.name,
                part.decision,
                f"{part.score:.2f}",
                part.truth or "unsure",
                f"{part.latency_ms:.1f}",
                part.mark,
                style=_STYLES[part.mark],
            )
        return table


def summary_text(summary: dict[str, Any]) -> str:
    """The summary for people, aligned."""
    latency, received, verdicts = summary["latency_ms"], summary["received_ms"], summary["verdicts"]
    missed = _share(summary["missed"], summary["defective"])
    false_rejects = _share(summary["false_rejects"], summary["functional"])
    rows = [
        ("parts", f"{summary['parts']} in {summary['seconds']:.1f} s, {summary['rate_hz']:.1f} a second"),
        ("verdicts", f"{verdicts['accept']} accept, {verdicts['reject']} reject, {verdicts['unsure']} unsure"),
        ("latency", f"p50 {latency['p50']:.1f} ms, p99 {latency['p99']:.1f} ms from camera to verdict"),
        ("received", f"p50 {received['p50']:.1f} ms, p99 {received['p99']:.1f} ms from camera to this subscriber"),
        (
            "accuracy",
            f"{_share(summary['right'], summary['decided'])} of the {summary['decided']} cells that were decided",
        ),
        (
            "missed",
            f"{summary['missed']} of {summary['defective']} defective cells accepted ({missed})",
        ),
        (
            "false",
            f"{summary['false_rejects']} of {summary['functional']} functional cells rejected ({false_rejects})",
        ),
        ("unsure", f"{summary['unsure']} of the {summary['judged']} cells the experts were sure of, left to a person"),
    ]
    return output.table(rows)


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "none"
