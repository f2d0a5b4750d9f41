"""The results as a table in Markdown. Pure."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from benchmarks.harness.figures import Bound, Figure

_MARKS = {"holds": "yes", "misses": "**no**", "no bound": "–", "not measured": "–"}
_HEAD = ("benchmark", "figure", "median", "spread", "runs", "bound", "holds", "made of (medians)")


def number(value: float) -> str:
    """Three significant digits, without an exponent and without digits that mean nothing."""
    size = abs(value)
    if size >= 100:  # noqa: PLR2004 - where three digits stand before the point
        return f"{value:.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 1 else f"{value:.3f}"  # noqa: PLR2004


def row(benchmark: str, figure: Figure) -> tuple[str, ...]:
    """The cells of one figure."""
    bound = "–" if figure.bound is None else _bound(figure.bound, figure.unit)
    median, spread = figure.median, figure.spread
    if median is None or spread is None:
        reason = f"not measured: {figure.reason}"
        return (benchmark, figure.name, "–", "–", "0", bound, _MARKS[figure.verdict], reason)
    beside = [f"{name} {number(statistics.median(values))}" for name, values in figure.parts.items() if values]
    if figure.note:
        beside.append(figure.note)
    return (
        benchmark,
        figure.name,
        _with_unit(number(median), figure.unit),
        f"{number(spread[0])} … {number(spread[1])}",
        str(len(figure.values)),
        bound,
        _MARKS[figure.verdict],
        "; ".join(beside) or "–",
    )


def markdown_table(rows: Iterable[tuple[str, ...]]) -> str:
    """Head and rows; what would end a cell is kept out of it."""
    lines = [_HEAD, tuple("---" for _ in _HEAD), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def document(title: str, facts: Mapping[str, Any], rows: Iterable[tuple[str, ...]]) -> str:
    """The whole Markdown file: what machine, then the table."""
    listed = "\n".join(f"- {name}: {_fact(value)}" for name, value in facts.items())
    return f"# {title}\n\n{listed}\n\n{markdown_table(rows)}\n"


def _fact(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_fact(inner)}" for key, inner in value.items())
    if isinstance(value, (list, tuple)):
        return " / ".join(_fact(inner) for inner in value)
    return str(value)


def _bound(bound: Bound, unit: str) -> str:
    return _with_unit(f"{'≤' if bound.relation == '<=' else '≥'} {bound.limit:g}", unit)


def _with_unit(text: str, unit: str) -> str:
    return f"{text} {unit}" if unit else text


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "/").split())
