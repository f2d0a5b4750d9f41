"""What is measured, as the JSON of `lineside bench` tells it, and the arithmetic between clock readings and figures. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from agent.core.findings import Finding

SCHEMA = "lineside.bench/1"
Bound = Literal["camera", "decoding", "model", "processor"]
_REACHED = 0.9
"""Share of what one part can do alone from which on it is this part that bounds the whole."""
_WARM_UP_SHARE, _LONGEST_WARM_UP_S = 0.1, 1.0
_FEWEST = 2
"""Frames between which there is one interval."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Milliseconds: the middle, and what one in a hundred exceeds."""

    p50: float
    p99: float

    @classmethod
    def of(cls, values_ms: Sequence[float] | npt.NDArray[np.float64]) -> Spread:
        """Of at least one value."""
        p50, p99 = np.percentile(np.asarray(values_ms), (50, 99))
        return cls(round(float(p50), 3), round(float(p99), 3))


@dataclass(frozen=True, slots=True)
class Invoke:
    """One model in an interpreter of its own, with nothing around it.

    Attributes:
        threads: Of the interpreter.
        delegate: What executed the operators.
        invoke_ms: Time of one invoke.
        rate_hz: Invokes a second, one after the other.
    """

    threads: int
    delegate: str
    invoke_ms: Spread
    rate_hz: float


@dataclass(frozen=True, slots=True)
class ModelFigures:
    """A model of the configuration.

    Attributes:
        version: Of the bundle; None if it could not be opened.
        bare: As the agent runs it; None if it was refused.
        other: With another number of threads, measured in turns with `bare`; None where there is one core only.
        fault: Why it could not be measured.
    """

    version: str | None = None
    bare: Invoke | None = None
    other: Invoke | None = None
    fault: str | None = None

    @property
    def gain(self) -> float | None:
        """How many times faster one invoke is with `other`."""
        if self.bare is None or self.other is None:
            return None
        return self.bare.invoke_ms.p50 / max(self.other.invoke_ms.p50, 1e-6)


@dataclass(frozen=True, slots=True)
class SourceFigures:
    """A source without any pipeline: what it gives, or what can be decoded of it.

    Attributes:
        live: Frames come at their own pace.
        width: Of a frame, in pixels.
        height: Of a frame, in pixels.
        rate_hz: Frames a second; None if there were too few.
        is_synthetic: It gave nothing, and a picture that was made took its place.
        fault: Why it gave nothing.
    """

    live: bool
    width: int
    height: int
    rate_hz: float | None
    is_synthetic: bool = False
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class LatencyFigures:
    """Where the time of a frame went, as in predictions; see `agent.core.messages.Latency`."""

    wait: Spread
    pre: Spread
    invoke: Spread
    post: Spread
    total: Spread


@dataclass(frozen=True, slots=True)
class RunFigures:
    """A pipeline at work, from the first frame after the warm-up to the last.

    Attributes:
        predictions: How many frames were inspected.
        rate_hz: Frames a second.
        interval_ms: From one prediction to the next.
        latency_ms: Where their time went.
        drops: Frames dropped meanwhile, by reason.
    """

    predictions: int
    rate_hz: float
    interval_ms: Spread
    latency_ms: LatencyFigures
    drops: dict[str, int]


@dataclass(frozen=True, slots=True)
class PipelineFigures:
    """A pipeline of the configuration, alone on the machine.

    Attributes:
        source: Its source.
        model: Its model.
        capacity_hz: Frames a second that it takes when they need no decoding.
        overhead_ms: What the pipeline adds to each bare invoke at that rate.
        overhead_share: The same as a share of the time of a frame.
        held: What it did with its source; None if nothing came of it.
        bound_by: What bounds the rate held.
        cpu_cores: Cores that it kept busy, the decoding included.
        fault: Why it could not be measured.
    """

    source: str
    model: str
    capacity_hz: float | None = None
    overhead_ms: float | None = None
    overhead_share: float | None = None
    held: RunFigures | None = None
    bound_by: Bound | None = None
    cpu_cores: float | None = None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Together:
    """All pipelines at the same time.

    Attributes:
        pipelines: What each did.
        cpu_cores: Cores that all of them kept busy.
    """

    pipelines: dict[str, RunFigures]
    cpu_cores: float


@dataclass(frozen=True, slots=True)
class MachineFigures:
    """The machine, and who else was at work on it.

    Attributes:
        cores: Those that this process may use.
        runtime: Interpreter and version.
        load_average: Of the minute before.
        others_cores: Cores that other processes kept busy while it was measured.
        agent_pid: An agent that runs on the same state directory.
        temperature_before_c: Hottest sensor; None where there is none.
        temperature_after_c: The same at the end.
        memory_pss_bytes: Of this process while all pipelines were at work; None where the kernel does not tell.
        memory_available_bytes: What other programs could still have then.
        memory_total_bytes: What the machine has.
    """

    cores: int
    runtime: str
    load_average: float
    others_cores: float
    agent_pid: int | None
    temperature_before_c: float | None
    temperature_after_c: float | None
    memory_pss_bytes: int | None
    memory_available_bytes: int
    memory_total_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that `lineside bench` found."""

    schema: str = SCHEMA
    agent: str
    device: str
    seconds: float
    machine: MachineFigures
    models: dict[str, ModelFigures]
    sources: dict[str, SourceFigures]
    pipelines: dict[str, PipelineFigures]
    together: Together | None
    findings: list[Finding] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON; no figure here is good for more than four decimals."""
        rounded: dict[str, Any] = _rounded(asdict(self))
        return rounded


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list) else value


def warm_up_s(seconds: float) -> float:
    """How much of a run is let pass before anything counts: caches fill, clocks rise, buffers are allocated."""
    return min(_WARM_UP_SHARE * seconds, _LONGEST_WARM_UP_S)


def within(times_s: Sequence[float], begin_s: float, end_s: float) -> slice:
    """Positions of the moments from `begin_s` to `end_s`.

    Args:
        times_s: Rising.
        begin_s: The first moment that counts.
        end_s: The last one.
    """
    first, last = np.searchsorted(np.asarray(times_s), (begin_s, end_s), side="left")
    return slice(int(first), int(last))


def rate_hz(times_s: Sequence[float]) -> float | None:
    """Intervals a second between the first and the last moment; None where there is none."""
    if len(times_s) < _FEWEST or times_s[-1] <= times_s[0]:
        return None
    return (len(times_s) - 1) / (times_s[-1] - times_s[0])


def overhead(interval_ms: float, bare_ms: float) -> tuple[float, float]:
    """What a pipeline adds to each bare invoke, in milliseconds and as a share of a frame's time.

    Medians, as what another process takes away now and then is not the pipeline's. Both are 0 where noise is larger than they are.

    Args:
        interval_ms: From one prediction to the next, of a pipeline that never waits for a frame.
        bare_ms: One invoke.
    """
    added_ms = max(0.0, interval_ms - bare_ms)
    return added_ms, added_ms / interval_ms


def bound_by(held_hz: float, source: SourceFigures, capacity_hz: float) -> Bound:
    """What bounds the rate of a pipeline.

    `processor` where both source and model could do clearly more alone: they take the cores from each other.

    Args:
        held_hz: What both did together.
        source: What the source can do alone.
        capacity_hz: What the pipeline can do alone.
    """
    if source.rate_hz is None or source.is_synthetic:
        return "model"
    if held_hz < _REACHED * min(source.rate_hz, capacity_hz):
        return "processor"
    if source.rate_hz > capacity_hz:
        return "model"
    return "camera" if source.live else "decoding"


def streams(cores: int, cpu_cores: float) -> int:
    """How many such streams the machine holds; a tenth of it is left to the rest of the system."""
    return int(_REACHED * cores / max(cpu_cores, 1e-3))
