"""The table of faults: how often each was injected, what it cost, and how long it took until all was well. Rows in, text out."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.evidence import Verdict


@dataclass
class Row:
    """One fault, as one test injected it.

    Attributes:
        fault: What was done.
        injected: How often.
        events: Different events that were confirmed.
        lost: Accepted, not confirmed, not in the spool.
        forgotten: Confirmed by a broker that was killed then, and never heard.
        duplicated: Sent again.
        most_again: Sent again after one interruption, at most; 20 may be.
        reordered: Sent behind a younger one.
        healthy_s: Per injection, from the end of the fault to the next confirmed event; empty where that means nothing.
        note: What the figures do not say.
    """

    fault: str
    injected: int
    events: int = 0
    lost: int = 0
    forgotten: int = 0
    duplicated: int = 0
    most_again: int = 0
    reordered: int = 0
    healthy_s: list[float] = field(default_factory=list)
    note: str = ""

    @classmethod
    def of(cls, fault: str, injected: int, verdict: Verdict, healthy_s: Sequence[float] = (), note: str = "") -> Row:
        return cls(
            fault,
            injected,
            verdict.events,
            len(verdict.lost),
            len(verdict.forgotten),
            verdict.duplicated,
            verdict.most_again,
            len(verdict.reordered),
            list(healthy_s),
            note,
        )

    def as_dict(self) -> dict:
        """For JSON."""
        return asdict(self)


@dataclass
class AttackRow:
    """One attack on a device or its registry.

    Attributes:
        attack: Its name.
        how: What the attacker holds and does.
        refused_with: The code of the error that the device, or the registry, has for it.
        changed: Whether anything of the device's store or of what the registry knows is other than before.
    """

    attack: str
    how: str
    refused_with: str
    changed: bool

    def as_dict(self) -> dict:
        """For JSON."""
        return asdict(self)

    @staticmethod
    def cells(rows: Sequence[AttackRow]) -> list[list[str]]:
        """With a header."""
        header = ["attack", "how", "refused with", "changed"]
        return [header, *([row.attack, row.how, row.refused_with, "YES" if row.changed else "no"] for row in rows)]


def _seconds(values: Sequence[float], of: Callable[[Sequence[float]], float]) -> str:
    return f"{of(values):.2f}" if values else "-"


_COLUMNS: tuple[tuple[str, Callable[[Row], str]], ...] = (
    ("fault", lambda row: row.fault),
    ("injected", lambda row: str(row.injected)),
    ("events", lambda row: str(row.events)),
    ("lost", lambda row: str(row.lost)),
    ("forgotten by broker", lambda row: str(row.forgotten)),
    ("sent again", lambda row: str(row.duplicated)),
    ("most at once (≤ 20)", lambda row: str(row.most_again)),
    ("reordered", lambda row: str(row.reordered)),
    ("healthy p50 s", lambda row: _seconds(row.healthy_s, median)),
    ("max s", lambda row: _seconds(row.healthy_s, max)),
    ("note", lambda row: row.note),
)


def _cells(rows: Sequence[Row]) -> list[list[str]]:
    return [[name for name, _ in _COLUMNS], *([cell(row) for _, cell in _COLUMNS] for row in rows)]


def aligned(cells: Sequence[Sequence[str]], *, left: Sequence[int] = (0, -1)) -> str:
    """Columns of text, figures to the right."""
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lefts = {index % len(widths) for index in left}

    def line(row: Sequence[str]) -> str:
        return "  ".join(
            cell.ljust(width) if k in lefts else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()

    return "\n".join(map(line, cells))


def as_text(rows: Sequence[Row]) -> str:
    """For a terminal."""
    return aligned(_cells(rows))


def as_markdown(rows: Sequence[Row]) -> str:
    """For a document."""
    header, *body = _cells(rows)
    return _piped([header, ["---", *["---:"] * (len(header) - 2), "---"], *body])


def attacks_as_markdown(rows: Sequence[AttackRow]) -> str:
    """For a document."""
    header, *body = AttackRow.cells(rows)
    return _piped([header, ["---"] * len(header), *body])


def _piped(lines: Sequence[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
