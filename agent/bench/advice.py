"""What the figures mean for the person who reads them: a few findings, the most useful first. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.bench.figures import streams
from agent.core.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.bench.figures import MachineFigures, ModelFigures, Report, RunFigures

MOST = 5
"""What is only good to know is left out beyond it; warnings never are."""
_KEEPS_UP = 0.95
_PAYS = 1.15
"""A gain below it is noise, or not worth a core."""
_BUSY_SHARE = 0.1
_HOT_C, _RISE_C = 80.0, 10.0
_SPARE_SHARE = 0.1
_MANY_STREAMS = 99
_USUAL_HZ = 30.0
"""What cameras give, where there is none to ask."""


def advise(report: Report, told: list[Finding]) -> list[Finding]:
    """The findings of a report.

    Args:
        report: The figures; its own findings are not looked at.
        told: What loading the models had to say.
    """
    findings = [
        *_doubts(report),
        *(finding for finding in told if finding.code in ("no-xnnpack", "delegate-unavailable")),
        *_machine(report.machine),
        *_pipelines(report),
        *_room(report),
        *_threads(report),
    ]
    warnings = [finding for finding in findings if finding.severity != "info"]
    return warnings + [finding for finding in findings if finding.severity == "info"][: max(0, MOST - len(warnings))]


def _doubts(report: Report) -> Iterator[Finding]:
    """Why these figures may not be those of the line."""
    machine = report.machine
    for name, model in report.models.items():
        if model.fault is not None:
            yield Finding("not-measured", "warning", f"model {name}: {model.fault}", "lineside check names each fault")
    for name, source in report.sources.items():
        if source.is_synthetic:
            message = f"{name} gave no picture ({source.fault}); one of {source.width} x {source.height} took its place"
            yield Finding(
                "synthetic", "warning", message, "decoding was not measured: mend the source, then measure again"
            )
    for name, pipeline in report.pipelines.items():
        if pipeline.fault is not None and report.models[pipeline.model].fault is None:
            yield Finding(
                "not-measured", "error", f"pipeline {name}: {pipeline.fault}", "lineside check, lineside doctor"
            )
    if machine.agent_pid is not None:
        message = f"an agent runs here (pid {machine.agent_pid}) and takes its share, so the figures are low"
        yield Finding("agent-runs", "warning", message, "stop it to measure what the machine can do")
    elif machine.others_cores > _BUSY_SHARE * machine.cores:
        message = f"other processes kept {machine.others_cores:.1f} cores busy, so the figures are low"
        yield Finding("busy", "warning", message, "top shows them; measure again without them")


def _machine(machine: MachineFigures) -> Iterator[Finding]:
    before, after = machine.temperature_before_c, machine.temperature_after_c
    if before is not None and after is not None and (after > _HOT_C or after - before > _RISE_C):
        message = f"the hottest sensor went from {before:.0f} to {after:.0f} °C; a hot processor slows itself down"
        yield Finding("hot", "warning", message, "cool it, or measure with --seconds 600 what it holds for good")
    spare, total = machine.memory_available_bytes, machine.memory_total_bytes
    if spare < _SPARE_SHARE * total:
        taken = "" if machine.memory_pss_bytes is None else f" takes {_mb(machine.memory_pss_bytes)} and"
        message = f"this configuration{taken} leaves {_mb(spare)} of {_mb(total)} of memory"
        yield Finding("little-memory", "warning", message, "smaller models, fewer pipelines, or a machine with more")


def _pipelines(report: Report) -> Iterator[Finding]:
    """What bounds each, and what helps."""
    for name, pipeline in report.pipelines.items():
        held, source, capacity_hz = pipeline.held, report.sources[pipeline.source], pipeline.capacity_hz
        if held is None or capacity_hz is None or source.rate_hz is None:
            continue
        if source.live and (lost_hz := _lost_hz(held)) > (1 - _KEEPS_UP) * source.rate_hz:
            message = (
                f"{name} holds {held.rate_hz:.3g} of the {source.rate_hz:.3g} frames/s that {pipeline.source} gives;"
                f" {lost_hz:.3g} a second are dropped"
            )
            yield Finding("too-slow", "warning", message, _faster(report.models[pipeline.model], report.machine))
        elif pipeline.bound_by == "decoding":
            message = (
                f"decoding bounds {name}: {pipeline.source} ({source.width} x {source.height}) gives"
                f" {source.rate_hz:.3g} frames/s, the model holds {capacity_hz:.3g}"
            )
            yield Finding("decoding", "info", message, "a smaller picture, or decode_threads = 2 where a core is free")
        elif pipeline.bound_by == "processor":
            message = (
                f"decoding ({source.rate_hz:.3g} frames/s alone) and the model ({capacity_hz:.3g} alone) take the cores"
                f" from each other: {name} holds {held.rate_hz:.3g}"
            )
            yield Finding("processor", "info", message, "a smaller picture, a smaller model, or a faster machine")
    if report.together is not None:
        yield from _crowded(report)


def _crowded(report: Report) -> Iterator[Finding]:
    """Pipelines that keep up with their cameras alone, and not beside the others."""
    together = report.together.pipelines if report.together else {}
    slower = []
    for name, run in together.items():
        pipeline = report.pipelines[name]
        source = report.sources[pipeline.source]
        alone = pipeline.held
        if source.live and not source.is_synthetic and alone is not None and run.rate_hz < _KEEPS_UP * alone.rate_hz:
            slower.append(f"{name} {run.rate_hz:.3g} of {alone.rate_hz:.3g}")
    if slower:
        message = f"together the pipelines hold fewer frames/s than each alone: {', '.join(slower)}"
        hint = "fewer pipelines, cameras with a lower rate, or `motion`"
        yield Finding("crowded", "warning", message, hint)


def _room(report: Report) -> Iterator[Finding]:
    """How many such streams the machine holds. A file would take all of it, so it is counted as if a camera gave its frames."""
    cores, together = report.machine.cores, report.together
    for name, pipeline in report.pipelines.items():
        source = report.sources[pipeline.source]
        held, busy, capacity_hz = pipeline.held, pipeline.cpu_cores, pipeline.capacity_hz
        if together is not None or held is None or busy is None or capacity_hz is None or source.rate_hz is None:
            continue
        if pipeline.bound_by == "camera":
            begin, such = f"{capacity_hz:.3g} frames/s and {pipeline.source} gives {source.rate_hz:.3g}", "such streams"
        elif not source.live and held.rate_hz >= _USUAL_HZ:
            begin, such = f"{held.rate_hz:.3g} frames/s", f"such streams of {_USUAL_HZ:g} frames/s"
            busy *= _USUAL_HZ / held.rate_hz
        else:
            continue
        room = _room_text(min(streams(cores, busy), _MANY_STREAMS), such)
        yield Finding("room", "info", f"{name} holds {begin}: {room}, at {busy:.2g} cores each")
    if together is not None and all(report.sources[p.source].live for p in report.pipelines.values()):
        message = f"all pipelines together keep {together.cpu_cores:.2g} of {cores} cores busy"
        yield Finding("room", "info", message)


def _threads(report: Report) -> Iterator[Finding]:
    """Whether another number of threads pays."""
    cores = report.machine.cores
    for name, model in report.models.items():
        bare, other, gain = model.bare, model.other, model.gain
        if bare is None or other is None or gain is None:
            continue
        if other.threads > bare.threads and gain >= _PAYS:
            rest = cores - other.threads
            leaves = "no core" if rest <= 0 else "1 core" if rest == 1 else f"{rest} cores"
            message = (
                f"threads = {other.threads} makes one invoke of {name} {gain:.1f} times faster"
                f" ({bare.invoke_ms.p50:.3g} to {other.invoke_ms.p50:.3g} ms) and leaves {leaves} for other streams"
            )
            yield Finding("threads", "info", message, f"models.{name}.threads, where latency counts more than streams")
        elif other.threads < bare.threads and gain * _PAYS >= 1:
            message = (
                f"threads = {bare.threads} hardly pays: one invoke of {name} takes {bare.invoke_ms.p50:.3g} ms,"
                f" and {other.invoke_ms.p50:.3g} ms with {other.threads}"
            )
            yield Finding("threads", "info", message, f"models.{name}.threads = {other.threads} leaves cores to others")


def _faster(model: ModelFigures, machine: MachineFigures) -> str:
    hint = "a smaller model, a lower rate of the camera, or `motion`"
    gain = model.gain
    if model.other is None or gain is None or gain < _PAYS or model.other.threads > machine.cores:
        return hint
    return f"threads = {model.other.threads} makes it {gain:.1f} times faster; else {hint}"


def _lost_hz(held: RunFigures) -> float:
    return held.drops.get("overrun", 0) * held.rate_hz / max(held.predictions, 1)


def _room_text(count: int, such: str) -> str:
    return (
        f"room for {'many' if count == _MANY_STREAMS else count} {such} in all" if count > 1 else "no room for a second"
    )


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.0f} MB"
