"""Percentiles, rates and slopes of what was measured. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.harness.figures import NotMeasured

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def percentile(values: Iterable[float], share: float) -> float:
    """The value that `share` (0..1) of the values lie below; the nearest one above, never between two.

    Raises:
        NotMeasured: There are no values.
    """
    ordered = sorted(values)
    if not ordered:
        raise NotMeasured("no values")
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def steady_rate(arrivals_s: Mapping[str, Sequence[float]], skip: int) -> float:
    """Arrivals a second, summed over streams, over the time in which all of them were past their start.

    Args:
        arrivals_s: Increasing times of each stream.
        skip: How many of the first arrivals of each stream are its start.

    Raises:
        NotMeasured: A stream has too few arrivals, or the streams did not run at the same time.
    """
    if not arrivals_s or any(len(times) < skip + 2 for times in arrivals_s.values()):
        raise NotMeasured(f"a stream gave fewer than {skip + 2} predictions")
    begin = max(times[max(skip - 1, 0)] for times in arrivals_s.values())
    end = min(times[-1] for times in arrivals_s.values())
    if end <= begin:
        raise NotMeasured("the streams did not run at the same time")
    return sum(_rate_between(times, begin, end) for times in arrivals_s.values())


def _rate_between(times: Sequence[float], begin: float, end: float) -> float:
    inside = [time for time in times if begin <= time <= end]
    if len(inside) < 2 or inside[-1] == inside[0]:  # noqa: PLR2004 - an interval has two ends
        raise NotMeasured("the streams did not run at the same time")
    return (len(inside) - 1) / (inside[-1] - inside[0])


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Least-squares rise of y per unit of x.

    Raises:
        NotMeasured: There are no two different x.
    """
    if len({x for x, _ in points}) < 2:  # noqa: PLR2004 - a line needs two points
        raise NotMeasured("too few samples for a slope")
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)
