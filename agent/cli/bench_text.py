"""How the figures of `lineside bench` look to people: aligned, units in the heads, advice below."""

from __future__ import annotations

import shutil
import textwrap
from typing import TYPE_CHECKING

from agent.cli import output

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.bench.figures import LatencyFigures, MachineFigures, PipelineFigures, Report, SourceFigures
    from agent.core.findings import Finding

_WIDEST = 120
_MARKS = {"info": "ok", "warning": "warning", "error": "error"}
_CODE_AT, _MESSAGE_AT = 8, 24


def text(report: Report, config: str) -> str:
    """The report for people.

    Args:
        report: What was measured.
        config: The file that it was measured with, as the person named it.
    """
    machine = report.machine
    parts = [
        f"{report.device}  lineside {report.agent}, {machine.runtime}, {output.counted(machine.cores, 'core')}",
        _models(report),
        output.table(
            [(name, f"{s.width} x {s.height}", _one(s.rate_hz), _note(s)) for name, s in report.sources.items()],
            head=("source", "pixels", "alone 1/s", ""),
        ),
        _pipelines(report),
        _latencies(report),
        _machine(machine),
        "\n".join(line for finding in report.findings for line in _lines(finding)),
        f"next: lineside {'run' if machine.agent_pid is None else 'status'} -c {config}",
    ]
    return "\n\n".join(part for part in parts if part)


def _models(report: Report) -> str:
    rows = [
        (
            name,
            each.threads,
            each.delegate,
            f"{each.invoke_ms.p50:.2f}",
            f"{each.invoke_ms.p99:.2f}",
            _one(each.rate_hz),
        )
        for name, model in report.models.items()
        for each in (model.bare, model.other)
        if each is not None
    ]
    return output.table(rows, head=("model", "threads", "delegate", "invoke p50 ms", "p99 ms", "1/s")) if rows else ""


def _pipelines(report: Report) -> str:
    """What each does; a column more where there are several."""
    together = report.together
    head = ["pipeline", "alone 1/s", "added ms", "%", "held 1/s", "bound by", "cores", "drops"]
    rows = [[name, *_cells(figures)] for name, figures in report.pipelines.items()]
    if together is not None:
        head.insert(5, "together")
        for row in rows:
            run = together.pipelines.get(row[0])
            row.insert(5, _one(run.rate_hz if run else None))
    return output.table(rows, head=head)


def _cells(figures: PipelineFigures) -> list[str]:
    held, share = figures.held, figures.overhead_share
    return [
        _one(figures.capacity_hz),
        "-" if figures.overhead_ms is None else f"{figures.overhead_ms:.2f}",
        "-" if share is None else f"{100 * share:.1f}",
        _one(held.rate_hz if held else None),
        figures.bound_by or "-",
        "-" if figures.cpu_cores is None else f"{figures.cpu_cores:.2f}",
        str(sum(held.drops.values())) if held else "-",
    ]


def _latencies(report: Report) -> str:
    rows = [
        (f"{name} {which}", *_latency(figures.held.latency_ms, which))
        for name, figures in report.pipelines.items()
        if figures.held is not None
        for which in ("p50", "p99")
    ]
    return output.table(rows, head=("latency ms", "wait", "pre", "invoke", "post", "total")) if rows else ""


def _latency(figures: LatencyFigures, which: str) -> Iterator[str]:
    for spread in (figures.wait, figures.pre, figures.invoke, figures.post, figures.total):
        yield f"{getattr(spread, which):.2f}"


def _machine(machine: MachineFigures) -> str:
    pss = "not told by the kernel" if machine.memory_pss_bytes is None else f"{_mb(machine.memory_pss_bytes)} (Pss)"
    before, after = machine.temperature_before_c, machine.temperature_after_c
    temperature = "no sensor" if before is None or after is None else f"{before:.0f} °C before, {after:.0f} °C after"
    rows = [
        ("memory", f"{pss}, {_mb(machine.memory_available_bytes)} of {_mb(machine.memory_total_bytes)} to spare"),
        ("temperature", temperature),
        ("load", f"{machine.load_average:.2f} before, {machine.others_cores:.2f} cores busy with others meanwhile"),
    ]
    return output.table(rows)


def _lines(finding: Finding) -> Iterator[str]:
    """As `lineside doctor` shows them, folded to the terminal's width."""
    width = min(shutil.get_terminal_size((100, 24)).columns, _WIDEST)
    begin = f"{_MARKS[finding.severity]:<{_CODE_AT}}{finding.code:<{_MESSAGE_AT - _CODE_AT}}"
    later = " " * _MESSAGE_AT
    yield from textwrap.wrap(finding.message, width, initial_indent=begin, subsequent_indent=later)
    if finding.hint:
        later_hint = later + " " * len("next: ")
        yield from textwrap.wrap(f"next: {finding.hint}", width, initial_indent=later, subsequent_indent=later_hint)


def _note(source: SourceFigures) -> str:
    return "synthetic" if source.is_synthetic else "live" if source.live else ""


def _one(rate_hz: float | None) -> str:
    return "-" if rate_hz is None else f"{rate_hz:.1f}"


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.0f} MB"
