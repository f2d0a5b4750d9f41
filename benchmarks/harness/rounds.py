"""Interleaved runs: each round runs every contestant once, so that what slows the machine slows them all.

A ratio is formed within its round.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.harness.figures import Bound, Figure, NotMeasured

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Measurement = dict[str, float]
"""What one run of one contestant gave, by name with unit, such as `fps`."""


@dataclass
class Rounds:
    """What the contestants gave, and who gave nothing.

    Attributes:
        measured: Per contestant one measurement a round.
        missing: Contestants that cannot be had, with the reason.
    """

    measured: dict[str, list[Measurement]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def column(self, contestant: str, key: str) -> tuple[float, ...]:
        """One value of a contestant per round.

        Raises:
            NotMeasured: It is missing.
        """
        if contestant in self.missing:
            raise NotMeasured(f"{contestant}: {self.missing[contestant]}")
        return tuple(measurement[key] for measurement in self.measured[contestant])

    def ratio(self, key: str, ours: str, theirs: str, bound: Bound | None = None, *, name: str = "") -> Figure:
        """`ours` divided by `theirs`, round by round."""
        name = name or f"{ours} / {theirs}"
        try:
            above, below = self.column(ours, key), self.column(theirs, key)
        except NotMeasured as missing:
            return Figure(name, bound=bound, reason=str(missing))
        values = tuple(a / b for a, b in zip(above, below, strict=True))
        return Figure(name, "", values, bound, {f"{ours} {key}": above, f"{theirs} {key}": below})

    def difference(self, key: str, more: str, less: str, unit: str, bound: Bound | None = None, *, name: str) -> Figure:
        """`more` minus `less`, round by round."""
        try:
            above, below = self.column(more, key), self.column(less, key)
        except NotMeasured as missing:
            return Figure(name, unit, bound=bound, reason=str(missing))
        values = tuple(a - b for a, b in zip(above, below, strict=True))
        return Figure(name, unit, values, bound, {f"{more} {key}": above, f"{less} {key}": below})

    def within(self, contestant: str, ours: str, theirs: str, bound: Bound | None = None, *, name: str) -> Figure:
        """Two values of one run that measured both, one divided by the other."""
        try:
            above, below = self.column(contestant, ours), self.column(contestant, theirs)
        except NotMeasured as missing:
            return Figure(name, bound=bound, reason=str(missing))
        values = tuple(a / b for a, b in zip(above, below, strict=True))
        return Figure(name, "", values, bound, {ours: above, theirs: below})

    def absolute(
        self,
        key: str,
        contestant: str,
        unit: str,
        bound: Bound | None = None,
        *,
        name: str = "",
        beside: Iterable[str] = (),
        also: Iterable[str] = (),
    ) -> Figure:
        """A value of one contestant as it is, with the same value of others `beside` it, and what it measured `also`."""
        name = name or f"{contestant} {key}"
        try:
            values = self.column(contestant, key)
        except NotMeasured as missing:
            return Figure(name, unit, bound=bound, reason=str(missing))
        parts = {f"{other} {key}": self.column(other, key) for other in beside if other not in self.missing}
        parts |= {other: self.column(contestant, other) for other in also}
        return Figure(name, unit, values, bound, parts)


def interleave(
    runs: int, contestants: Mapping[str, Callable[[], Measurement]], say: Callable[[str], None] = lambda _: None
) -> Rounds:
    """Run all contestants in turn, `runs` times.

    A contestant that raises NotMeasured is missing from then on, with all its rounds; the others go on.
    """
    rounds = Rounds({name: [] for name in contestants})
    for number in range(1, runs + 1):
        for name, contestant in contestants.items():
            if name not in rounds.missing:
                say(f"{number}/{runs}  {name:<34} {_turn(rounds, name, contestant)}")
    return rounds


def _turn(rounds: Rounds, name: str, contestant: Callable[[], Measurement]) -> str:
    """Run one contestant once; what to say of it."""
    try:
        measurement = contestant()
    except NotMeasured as error:
        rounds.missing[name] = str(error)
        return f"not measured: {error}"
    rounds.measured[name].append(measurement)
    return "  ".join(f"{key} {value:.4g}" for key, value in measurement.items())
