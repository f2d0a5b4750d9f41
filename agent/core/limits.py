"""How much of the machine is left, and what is done when it is too little. Pure: figures and time in, measures out.

Measures lie on a ladder, from none to the harshest. `Watch.next` climbs one step at a time while something is short, and comes down one
step at a time when all has been well for a while. `agent.caretaker` reads the figures and takes the measures.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Reaction = Literal["none", "slower", "fewer", "both"]
Resource = Literal["temperature", "memory", "free_memory", "disk"]

RELIEVED_BY_LESS_WORK: frozenset[Resource] = frozenset({"temperature", "memory", "free_memory"})
"""What slower or fewer pipelines may help. A full disk is not: its writers have bounds of their own."""
SLOWER_STEPS = 2
_COOLER_C = 3.0
_CLEAR_SHARE = 0.05
"""Hysteresis: so far inside its bound a figure must be to count as well again; of bytes a share of the bound."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds, and the pace of the measures; None where there is no bound.

    Attributes:
        max_temperature_c: Of the hottest sensor.
        max_memory_bytes: Of the agent.
        min_memory_free_bytes: Of the machine, or what the agent's service may still take.
        min_disk_free_bytes: On the file system of the state directory.
        step_after_s: Time that a step gets to help before the next one is taken.
        recover_after_s: Time for which all must have been well before a step is taken back.
    """

    max_temperature_c: float | None = None
    max_memory_bytes: int | None = None
    min_memory_free_bytes: int | None = None
    min_disk_free_bytes: int | None = None
    step_after_s: float = 10.0
    recover_after_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Readings:
    """What was measured, in the units of `Limits`; None where it cannot be."""

    temperature_c: float | None = None
    memory_bytes: int | None = None
    memory_free_bytes: int | None = None
    disk_free_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Measures:
    """What is done.

    Attributes:
        rate: Share of its rate at which each pipeline runs.
        shed: Pipelines that take no frames.
    """

    rate: float = 1.0
    shed: tuple[str, ...] = ()

    def __str__(self) -> str:
        said = [f"pipelines run at {self.rate:g} of their rate"] if self.rate < 1 else []
        if self.shed:
            said.append(f"shed: {', '.join(self.shed)}")
        return "; ".join(said) or "no measure"


def ladder(reaction: Reaction, slower_factor: float, priorities: Mapping[str, int]) -> tuple[Measures, ...]:
    """The steps from no measure to the harshest: slower, and slower still, then without one more pipeline each.

    The lowest priority goes first; of equals, the last in the configuration. Pipelines of the highest priority are never shed, so
    without priorities none is.
    """
    steps = [Measures()]
    if reaction in ("slower", "both"):
        steps += [Measures(slower_factor**power) for power in range(1, SLOWER_STEPS + 1)]
    if reaction in ("fewer", "both"):
        highest = max(priorities.values(), default=0)
        lesser = [name for name in reversed(list(priorities)) if priorities[name] < highest]
        lesser.sort(key=priorities.__getitem__)
        steps += [Measures(steps[-1].rate, tuple(lesser[: count + 1])) for count in range(len(lesser))]
    return tuple(steps)


@dataclass(frozen=True, slots=True)
class Watch:
    """What the rule remembers between two looks. Immutable.

    Attributes:
        step: Place on the ladder, 0 for no measure.
        short: What is short, and a sentence that says so with the figure at which it began.
        stepped_s: When the last step was taken, up or down; monotonic.
        well_since_s: Since when nothing that less work relieves is short; None while something is.
    """

    step: int = 0
    short: Mapping[Resource, str] = field(default_factory=dict)
    stepped_s: float = float("-inf")
    well_since_s: float | None = None

    def next(self, readings: Readings, limits: Limits, harshest: int, now_s: float) -> Watch:
        """What holds after one more look.

        Args:
            readings: What was measured.
            limits: The bounds.
            harshest: The last place on the ladder.
            now_s: Monotonic time, not before that of the last look.
        """
        gauges = list(_gauges(readings, limits))
        short = {
            gauge.resource: self.short.get(gauge.resource) or gauge.sentence
            for gauge in gauges
            if gauge.is_over or (gauge.resource in self.short and not gauge.is_clear)
        }
        pressed = any(gauge.is_over and gauge.resource in RELIEVED_BY_LESS_WORK for gauge in gauges)
        well = RELIEVED_BY_LESS_WORK.isdisjoint(short)
        well_since_s = (now_s if self.well_since_s is None else self.well_since_s) if well else None
        step = min(self.step, harshest)
        if pressed and now_s - self.stepped_s >= limits.step_after_s:
            step = min(step + 1, harshest)
        elif well_since_s is not None and now_s - max(well_since_s, self.stepped_s) >= limits.recover_after_s:
            step = max(step - 1, 0)
        return Watch(step, short, self.stepped_s if step == self.step else now_s, well_since_s)


@dataclass(frozen=True, slots=True)
class _Gauge:
    """One figure beside its bound. `sign` is 1 where the bound is a ceiling, -1 where it is a floor."""

    resource: Resource
    figure: float
    bound: float
    sign: Literal[1, -1]
    margin: float
    sentence: str

    @property
    def is_over(self) -> bool:
        return self.sign * (self.figure - self.bound) > 0

    @property
    def is_clear(self) -> bool:
        return self.sign * (self.figure - self.bound) <= -self.margin


def _gauges(readings: Readings, limits: Limits) -> Iterator[_Gauge]:
    """Of each bound that is set and each figure that is known."""
    figure: float | None
    bound: float | None
    if (figure := readings.temperature_c) is not None and (bound := limits.max_temperature_c) is not None:
        said = f"the machine has {figure:.1f} °C, more than limits.max_temperature_c = {bound:g}"
        yield _Gauge("temperature", figure, bound, 1, _COOLER_C, said)
    if (figure := readings.memory_bytes) is not None and (bound := limits.max_memory_bytes) is not None:
        said = f"the agent takes {figure:,} bytes of memory, more than limits.max_memory_bytes = {bound:,}"
        yield _Gauge("memory", figure, bound, 1, _CLEAR_SHARE * bound, said)
    if (figure := readings.memory_free_bytes) is not None and (bound := limits.min_memory_free_bytes) is not None:
        said = f"{figure:,} bytes of memory are left, less than limits.min_memory_free_bytes = {bound:,}"
        yield _Gauge("free_memory", figure, bound, -1, _CLEAR_SHARE * bound, said)
    if (figure := readings.disk_free_bytes) is not None and (bound := limits.min_disk_free_bytes) is not None:
        said = f"{figure:,} bytes are left on the disk, less than limits.min_disk_free_bytes = {bound:,}"
        yield _Gauge("disk", figure, bound, -1, _CLEAR_SHARE * bound, said)
