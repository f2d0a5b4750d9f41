"""What the figures mean: a few sentences, the most useful first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.bench.advice import MOST, advise
from agent.bench.figures import (
    Invoke,
    LatencyFigures,
    MachineFigures,
    ModelFigures,
    PipelineFigures,
    Report,
    RunFigures,
    SourceFigures,
    Spread,
    Together,
)
from agent.core.findings import Finding

MS = Spread(1.0, 2.0)
MACHINE = MachineFigures(
    cores=2,
    runtime="litert 2.3.0",
    load_average=0.1,
    others_cores=0.0,
    agent_pid=None,
    temperature_before_c=None,
    temperature_after_c=None,
    memory_pss_bytes=100_000_000,
    memory_available_bytes=3_000_000_000,
    memory_total_bytes=4_000_000_000,
)
CAMERA = SourceFigures(True, 1920, 1080, 30.0)
CLIP = SourceFigures(False, 1920, 1080, 800.0)


def held(rate: float, **drops: int) -> RunFigures:
    return RunFigures(round(10 * rate), rate, MS, LatencyFigures(MS, MS, MS, MS, MS), drops)


def invoke(threads: int, ms: float) -> Invoke:
    return Invoke(threads, "xnnpack", Spread(ms, 1.2 * ms), 1000 / ms)


def report(source=CAMERA, machine=MACHINE, model=None, together=None, **pipeline) -> Report:
    """A camera of 30 frames/s in front of a model that holds 145, but for what a test says."""
    figures = {"capacity_hz": 145.0, "held": held(30.0), "bound_by": "camera", "cpu_cores": 0.4} | pipeline
    return Report(
        agent="1",
        device="press",
        seconds=10,
        machine=machine,
        models={"parts": model or ModelFigures("1.0.0", invoke(1, 6.5))},
        sources={"cam": source},
        pipelines={"inspect": PipelineFigures("cam", "parts", **figures)},
        together=together,
    )


def found(of: Report, told: list[Finding] | None = None) -> dict[str, Finding]:
    return {finding.code: finding for finding in advise(of, told or [])}


def test_a_machine_with_room_says_for_how_many_streams():
    """0.4 of two cores each, a tenth left to others."""
    (finding,) = found(report()).values()
    assert (finding.code, finding.severity) == ("room", "info")
    assert "145 frames/s and cam gives 30: room for 4 such streams" in finding.message


def test_a_file_is_counted_as_a_camera_of_30_frames():
    """It would take the whole machine else: here one core for 150 frames/s."""
    of = report(CLIP, held=held(150.0), capacity_hz=152.0, bound_by="model", cpu_cores=1.0)
    assert (
        "holds 150 frames/s: room for 9 such streams of 30 frames/s in all, at 0.2 cores each"
        in found(of)["room"].message
    )


def test_a_model_that_is_slower_than_its_camera_is_a_warning_with_a_way_out():
    """How much is dropped, and what threads would bring."""
    slow = ModelFigures("1.0.0", invoke(1, 80.0), invoke(2, 50.0))
    of = report(model=slow, capacity_hz=12.0, held=held(12.0, overrun=180), bound_by="model")
    finding = found(of)["too-slow"]
    assert finding.severity == "warning"
    assert "holds 12 of the 30 frames/s that cam gives; 18 a second are dropped" in finding.message
    assert finding.hint.startswith("threads = 2 makes it 1.6 times faster")


def test_decoding_that_bounds_the_rate_names_the_picture():
    of = report(replace(CLIP, rate_hz=180.0), capacity_hz=290.0, held=held(178.0), bound_by="decoding")
    finding = found(of)["decoding"]
    assert "cam (1920 x 1080) gives 180 frames/s, the model holds 290" in finding.message
    assert "decode_threads" in finding.hint


def test_decoding_and_model_on_the_same_cores_are_told_as_such():
    of = report(replace(CLIP, rate_hz=300.0), capacity_hz=300.0, held=held(150.0), bound_by="processor")
    assert "inspect holds 150" in found(of)["processor"].message


@pytest.mark.parametrize(
    ("bare", "other", "said"),
    [
        (invoke(1, 3.08), invoke(2, 2.2), "threads = 2 makes one invoke of parts 1.4 times faster (3.08 to 2.2 ms)"),
        (invoke(2, 3.0), invoke(1, 3.1), "threads = 2 hardly pays: one invoke of parts takes 3 ms, and 3.1 ms with 1"),
    ],
)
def test_threads_are_weighed_against_streams(bare, other, said):
    assert said in found(report(model=ModelFigures("1", bare, other)))["threads"].message


@pytest.mark.parametrize(("bare", "other"), [(invoke(1, 3.0), invoke(2, 2.9)), (invoke(2, 2.0), invoke(1, 3.1))])
def test_threads_that_are_as_they_should_be_are_no_finding(bare, other):
    assert "threads" not in found(report(model=ModelFigures("1", bare, other)))


@pytest.mark.parametrize(
    ("before", "after", "hot"), [(50.0, 61.0, True), (50.0, 58.0, False), (79.0, 81.0, True), (None, None, False)]
)
def test_heat_is_told(before, after, hot):
    machine = replace(MACHINE, temperature_before_c=before, temperature_after_c=after)
    assert ("hot" in found(report(machine=machine))) == hot


def test_little_memory_is_told_with_how_much_is_left():
    finding = found(report(machine=replace(MACHINE, memory_available_bytes=200_000_000)))["little-memory"]
    assert "takes 100 MB and leaves 200 MB of 4000 MB" in finding.message


def test_figures_of_a_busy_machine_are_doubted():
    """An agent on the same device is named; others are not known by name."""
    busy = replace(MACHINE, others_cores=0.9)
    assert "0.9 cores" in found(report(machine=busy))["busy"].message
    both = found(report(machine=replace(busy, agent_pid=4711)))
    assert "pid 4711" in both["agent-runs"].message
    assert "busy" not in both


def test_a_picture_that_was_made_is_told():
    synthetic = SourceFigures(True, 1280, 720, None, is_synthetic=True, fault="/dev/video0 is not there")
    finding = found(report(synthetic, held=held(140.0), bound_by="model"))["synthetic"]
    assert "(/dev/video0 is not there)" in finding.message


def test_what_could_not_be_measured_is_told_once():
    """A refused model is its own fault, and not that of each of its pipelines."""
    of = report(model=ModelFigures(fault="it crashes"), capacity_hz=None, held=None, bound_by=None, fault="it crashes")
    told = [finding for finding in advise(of, []) if finding.code == "not-measured"]
    assert [finding.message for finding in told] == ["model parts: it crashes"]


def test_pipelines_that_disturb_each_other_are_told():
    of = report(together=Together({"inspect": held(20.0)}, 1.9))
    assert "inspect 20 of 30" in found(of)["crowded"].message


def test_of_what_the_models_said_only_speed_is_repeated():
    told = [Finding("no-xnnpack", "warning", "slow"), Finding("not-packed", "warning", "folder")]
    assert next(iter(found(report(), told))) == "no-xnnpack"
    assert "not-packed" not in found(report(), told)


def test_warnings_come_first_and_are_never_left_out():
    """What is only good to know gives way."""
    machine = replace(MACHINE, others_cores=1.0, temperature_before_c=50.0, temperature_after_c=90.0)
    told = [Finding("no-xnnpack", "warning", f"model {k}") for k in range(MOST)]
    severities = [finding.severity for finding in advise(report(machine=machine), told)]
    assert severities == ["warning"] * (MOST + 2)
