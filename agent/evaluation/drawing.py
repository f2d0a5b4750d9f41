"""Plots as SVG text, inline in a page: no library, no script, nothing that a plant network would have to fetch. Pure."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_SIDE, _LEFT, _BELOW, _ABOVE, _RIGHT = 240, 54, 38, 12, 14
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
_BAR, _ROW, _NAMES = 260, 27, 150
_LETTER = 7.5
"""Pixels that a letter of 12 px takes, on average and rather more: what is wider than its drawing is cut off."""


def curve(points: Sequence[tuple[float, float]], x: str, y: str, *, dots: bool = False) -> str:
    """A curve or dots in the unit square, with the diagonal.

    Args:
        points: In 0..1.
        x: What is to the right.
        y: What is upwards.
        dots: Each point is marked.
    """
    placed = [(_LEFT + a * _SIDE, _ABOVE + (1 - b) * _SIDE) for a, b in points]
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in placed)
    marks = "".join(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3.5" class="mark"/>' for a, b in placed) if dots else ""
    diagonal = f'<line x1="{_LEFT}" y1="{_ABOVE + _SIDE}" x2="{_LEFT + _SIDE}" y2="{_ABOVE}" class="aid"/>'
    drawn = f'{_square(x, y)}{diagonal}<polyline points="{line}" class="line"/>{marks}'
    return _svg(_LEFT + _SIDE + _RIGHT, _ABOVE + _SIDE + _BELOW, drawn, f"{y} against {x}")


def intervals(rows: Sequence[tuple[str, float, float, float]], *, bounds: dict[str, float] | None = None) -> str:
    """A dot and its interval a row, on an axis from 0 to 1; a bound is a short stroke.

    Args:
        rows: Name, value, low, high; all in 0..1.
        bounds: Name → limit.
    """
    parts = [_axis_of_rows(len(rows))]
    for k, (name, value, low, high) in enumerate(rows):
        y = _ABOVE + k * _ROW + _ROW / 2
        at = [_NAMES + each * _BAR for each in (value, low, high)]
        parts.append(
            f'<text x="{_NAMES - 10}" y="{y + 4}" class="name">{escape(name)}</text>'
            f'<line x1="{at[1]:.1f}" y1="{y}" x2="{at[2]:.1f}" y2="{y}" class="span"/>'
            f'<circle cx="{at[0]:.1f}" cy="{y}" r="4.5" class="mark"/>'
            f'<text x="{_NAMES + _BAR + 12}" y="{y + 4}" class="value">{value:.3f}</text>'
        )
        if bounds and name in bounds:
            x = _NAMES + bounds[name] * _BAR
            parts.append(f'<line x1="{x:.1f}" y1="{y - 9}" x2="{x:.1f}" y2="{y + 9}" class="bound"/>')
    return _svg(_NAMES + _BAR + 56, _ABOVE + len(rows) * _ROW + 26, "".join(parts), "measures with their intervals")


def bars(rows: Sequence[tuple[str, float, str]], *, names: int = 90, longest: int = 240) -> str:
    """A bar a row.

    Args:
        rows: Name, value of 0 or more, and the value as text.
        names: Room for the names, in pixels.
        longest: Of the longest bar, in pixels.
    """
    most = max((value for _, value, _ in rows), default=0) or 1
    parts = []
    for k, (name, value, said) in enumerate(rows):
        y = _ABOVE + k * _ROW
        width = max(1.0, value / most * longest)
        parts.append(
            f'<text x="{names - 10}" y="{y + 17}" class="name">{escape(name)}</text>'
            f'<rect x="{names}" y="{y + 4}" width="{width:.1f}" height="{_ROW - 8}" rx="2" class="bar"/>'
            f'<text x="{names + width + 8:.1f}" y="{y + 17}" class="value">{escape(said)}</text>'
        )
    beside = 16 + _LETTER * max((len(said) for *_, said in rows), default=0)
    return _svg(names + longest + beside, _ABOVE + len(rows) * _ROW + 8, "".join(parts), "bars")


def _axis_of_rows(count: int) -> str:
    bottom = _ABOVE + count * _ROW
    return "".join(
        f'<line x1="{_NAMES + tick * _BAR}" y1="{_ABOVE}" x2="{_NAMES + tick * _BAR}" y2="{bottom}" class="grid"/>'
        f'<text x="{_NAMES + tick * _BAR}" y="{bottom + 16}" class="tick">{tick:g}</text>'
        for tick in _TICKS
    )


def _square(x: str, y: str) -> str:
    bottom = _ABOVE + _SIDE
    grid = "".join(
        f'<line x1="{_LEFT + tick * _SIDE}" y1="{_ABOVE}" x2="{_LEFT + tick * _SIDE}" y2="{bottom}" class="grid"/>'
        f'<line x1="{_LEFT}" y1="{_ABOVE + tick * _SIDE}" x2="{_LEFT + _SIDE}" y2="{_ABOVE + tick * _SIDE}" class="grid"/>'
        f'<text x="{_LEFT + tick * _SIDE}" y="{bottom + 15}" class="tick">{tick:g}</text>'
        f'<text x="{_LEFT - 6}" y="{bottom - tick * _SIDE + 4}" class="left">{tick:g}</text>'
        for tick in _TICKS
    )
    across, middle = _LEFT + _SIDE / 2, _ABOVE + _SIDE / 2
    return (
        f'{grid}<text x="{across}" y="{bottom + 32}" class="tick">{escape(x)}</text>'
        f'<text x="12" y="{middle}" class="tick" transform="rotate(-90 12 {middle})">{escape(y)}</text>'
    )


def _svg(width: float, height: float, drawn: str, title: str) -> str:
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" role="img">'
        f"<title>{escape(title)}</title>{drawn}</svg>"
    )
