"""The shell of a report: one HTML file with its style inside, which shows the same without any network. Pure."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_STYLE = """
:root { --ink: #1c2430; --soft: #5b6675; --line: #d8dee6; --paper: #ffffff; --tint: #f4f6f9; --main: #1d5fa8; --bad: #b3261e; --good: #1b7a3d; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e9f0; --soft: #9aa6b5; --line: #37414e; --paper: #161b22; --tint: #1e252e;
  --main: #6aaef5; --bad: #ff8a80; --good: #6fcf97; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1120px; padding: 28px 24px 60px; color: var(--ink); background: var(--paper);
  font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 25px; margin: 0 0 2px; } h2 { font-size: 17px; margin: 34px 0 10px; }
p { margin: 6px 0; max-width: 78ch; } .soft, small { color: var(--soft); }
.verdict { margin: 18px 0; padding: 12px 16px; background: var(--tint); border-left: 4px solid var(--main); }
.verdict.bad { border-color: var(--bad); } .verdict.good { border-color: var(--good); }
.verdict p { margin: 2px 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 12px; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { font-weight: 600; color: var(--soft); font-size: 13px; } td.n, th.n { text-align: right; white-space: nowrap; }
.plots { display: flex; flex-wrap: wrap; gap: 24px 36px; align-items: flex-start; } figure { margin: 0; } figcaption { font-weight: 600; margin-bottom: 6px; }
svg { max-width: 100%; height: auto; font: 12px system-ui, "DejaVu Sans", sans-serif; }
svg .grid { stroke: var(--line); } svg .aid { stroke: var(--soft); stroke-dasharray: 4 4; } svg .line { fill: none; stroke: var(--main); stroke-width: 2; }
svg .mark { fill: var(--main); } svg .span { stroke: var(--main); stroke-width: 6; stroke-linecap: round; opacity: .3; } svg .bound { stroke: var(--bad); stroke-width: 3; }
svg .bar { fill: var(--main); opacity: .75; } svg text { fill: var(--ink); } svg .tick { text-anchor: middle; fill: var(--soft); }
svg .name, svg .left { text-anchor: end; } svg .left { fill: var(--soft); } .worse { color: var(--bad); font-weight: 600; } .better { color: var(--good); font-weight: 600; }
@media print { body { max-width: none; padding: 0; } h2 { break-after: avoid; } }
"""


def page(title: str, subtitle: str, parts: Iterable[str]) -> str:
    """A whole page.

    Args:
        title: Plain text.
        subtitle: Plain text.
        parts: HTML.
    """
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>\n"
        f'<h1>{escape(title)}</h1><p class="soft">{escape(subtitle)}</p>\n' + "\n".join(parts) + "\n</body></html>\n"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[object]], *, words: int = 0) -> str:
    """A table; cells are plain text, or HTML where they are `Html`. The first column names the row, the others hold numbers.

    Args:
        head: Titles of the columns.
        rows: Cells.
        words: How many columns at the end hold words: they are aligned to the left like the first one.
    """
    numbers = range(1, len(head) - words)
    titles = "".join(f"<th{_class(k in numbers)}>{escape(cell)}</th>" for k, cell in enumerate(head))
    body = "".join(
        "<tr>" + "".join(f"<td{_class(k in numbers)}>{_cell(cell)}</td>" for k, cell in enumerate(row)) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>"


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def figure(caption: str, drawn: str) -> str:
    """A plot with its title."""
    return f"<figure><figcaption>{escape(caption)}</figcaption>{drawn}</figure>"


def verdict(sentences: Sequence[str], mood: str = "") -> str:
    """What a reader in a hurry should know; `mood` is `good`, `bad` or nothing."""
    return f'<div class="verdict {mood}">' + "".join(f"<p>{escape(each)}</p>" for each in sentences) + "</div>"


def number(value: float | None, digits: int = 3) -> str:
    """A figure, or a dash where the data does not determine it."""
    return "–" if value is None else f"{value:.{digits}f}"


def signed(value: float | None) -> str:
    """A difference, with its sign; what rounds to nothing has none."""
    if value is None:
        return "–"
    said = f"{value:+.3f}"
    return "0.000" if float(said) == 0 else said.replace("-", "−")


def chance(p: float | None) -> str:
    """A p-value; below a thousandth nobody needs to know how far."""
    return "–" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"  # noqa: PLR2004 - as said


def _class(is_number: bool) -> str:  # noqa: FBT001 - of one table
    return ' class="n"' if is_number else ""


def _cell(cell: object) -> str:
    return str(cell) if isinstance(cell, Html) else escape(str(cell))
