"""The order in which everything is measured: sources alone, models alone, pipelines without decoding, pipelines as they are.

Touches neither the broker nor the state directory, so that an agent that runs on this device meets nothing but a busier machine.
"""

from __future__ import annotations

import gc
import resource
import shutil
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2

from agent import __version__
from agent.bench.advice import advise
from agent.bench.bare import BareLoop, compare
from agent.bench.course import run
from agent.bench.figures import (
    MachineFigures,
    ModelFigures,
    PipelineFigures,
    Report,
    Together,
    bound_by,
    overhead,
)
from agent.bench.pictures import endless, look_at, replayed
from agent.core.errors import LinesideError, NotTrusted
from agent.core.times import new_id
from agent.lock import holder
from agent.memory import forget_free
from agent.models.interpreter import runtime_version
from agent.models.shelf import ModelShelf, execution
from agent.models.stored import open_any, store_in
from agent.models.trial import Prover
from agent.pipeline.demand import PipelineDemand
from agent.pipeline.inspector import Identity
from agent.telemetry import machine
from agent.telemetry.clock import KernelClock
from agent.wiring import wire_source

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import numpy.typing as npt

    from agent.bench.figures import SourceFigures
    from agent.config.settings import AgentSettings
    from agent.core.findings import Finding
    from agent.models.execution import Execution
    from agent.pipeline.settings import PipelineSettings
    from agent.sources.runner import SourceRunner

_LOOK_S, _BARE_S, _REPLAY_S = 2.0, 1.5, 3.0
"""Longest time for a source alone, one model with one number of threads, and a pipeline without decoding."""
_SHARE = 0.3
"""Of the time that was asked for, if that is short."""
_PROVEN = "proven.json"


def measure(settings: AgentSettings, seconds: float, say: Callable[[str], None] = lambda _: None) -> Report:
    """Measure everything that a configuration names.

    Args:
        settings: The configuration.
        seconds: How long each pipeline works on its own source.
        say: Is told what is measured next.

    Raises:
        LinesideError: Nothing could be measured at all; NotTrusted if that is why.
    """
    cv2.setNumThreads(1)  # as the agent does
    with tempfile.TemporaryDirectory(prefix="lineside-bench-") as folder:
        return _Bench(settings, seconds, Path(folder), say).report()


@dataclass(frozen=True, slots=True)
class _Start:
    """Readings before anything is done."""

    at_s: float
    busy_s: float
    own_s: float
    load_average: float
    temperature_c: float | None

    @classmethod
    def now(cls) -> _Start:
        return cls(time.monotonic(), machine.busy_s(), _own_s(), machine.load_average(), machine.hottest_c())


class _Bench:
    """One run of the command, in one thread but for the pipelines' own."""

    def __init__(self, settings: AgentSettings, seconds: float, folder: Path, say: Callable[[str], None]) -> None:
        self._seconds = seconds
        self._say = say
        self._settings = settings
        self._told: list[Finding] = []
        self._faults: list[LinesideError] = []
        self._cores = machine.usable_cores()
        self._prover = _knowing(settings.device.state_dir, folder)
        self._shelf = ModelShelf(
            settings.models,
            settings.runtime,
            self._prover,
            store=store_in(settings.device.state_dir) if settings.syncs else None,
            streams=len(settings.pipelines),
            on_version=lambda _name, _version: None,
            on_finding=lambda name, finding: self._told.append(_of(name, finding)),
        )
        self._identity = Identity(settings.device.id, new_id(), KernelClock())
        # Each frame is looked at and said: what a moving scene asks for at worst.
        self._pipelines = {
            name: pipeline.model_copy(update={"publish": "every", "motion": None})
            for name, pipeline in settings.pipelines.items()
        }
        self._memory: tuple[int | None, int, int] = (None, *machine.spare_memory_bytes())

    def report(self) -> Report:
        """Measure, and advise."""
        start = _Start.now()
        used = dict.fromkeys(pipeline.source for pipeline in self._pipelines.values())
        looked = {name: self._look(name) for name in used}
        sources = {name: figures for name, (figures, _) in looked.items()}
        pictures = {name: kept for name, (_, kept) in looked.items()}
        del looked
        models = {
            name: self._model(name, pictures)
            for name in dict.fromkeys(pipeline.model for pipeline in self._pipelines.values())
        }
        pipelines = {name: self._capacity(name, models, pictures) for name in self._pipelines}
        pictures = {name: kept for name, kept in pictures.items() if sources[name].is_synthetic}
        _give_back()
        able = [name for name, figures in pipelines.items() if figures.fault is None]
        for name in able:
            pipelines[name] = self._held(name, pipelines[name], sources, pictures)
        together = self._together(able, pictures) if len(able) > 1 else None
        if not able:
            raise self._nothing(pipelines)
        self._say("")
        report = Report(
            agent=__version__,
            device=self._settings.device.id,
            seconds=self._seconds,
            machine=self._machine(start),
            models=models,
            sources=sources,
            pipelines=pipelines,
            together=together,
        )
        return replace(report, findings=advise(report, self._told))

    def _look(self, name: str) -> tuple[SourceFigures, Sequence[npt.NDArray[np.uint8]]]:
        self._say(f"source {name} alone")
        return look_at(name, self._settings.sources[name], min(_LOOK_S, _SHARE * self._seconds))

    def _model(self, name: str, pictures: dict[str, Sequence[npt.NDArray[np.uint8]]]) -> ModelFigures:
        self._say(f"model {name} alone")
        settings, runtime = self._settings.models[name], self._settings.runtime
        version: str | None = None
        try:
            bundle = open_any(name, settings, self._settings.device.state_dir)
            version = bundle.spec.version
            pipeline = next(each for each in self._pipelines.values() if each.model == name)
            bare, other = compare(
                bundle.model,
                self._how(name),
                self._input(pipeline, pictures[pipeline.source][0]),
                cores=self._cores,
                seconds=min(_BARE_S, _SHARE * self._seconds),
                prover=self._prover,
                limits=runtime.limits(),
            )
        except LinesideError as error:
            self._faults.append(error)
            return ModelFigures(version=version, fault=str(error))
        return ModelFigures(version=version, bare=bare, other=other)

    def _capacity(
        self, name: str, models: dict[str, ModelFigures], pictures: dict[str, Sequence[npt.NDArray[np.uint8]]]
    ) -> PipelineFigures:
        """Without decoding, between two rounds of the bare interpreter."""
        settings = self._pipelines[name]
        figures = PipelineFigures(settings.source, settings.model)
        if (fault := models[settings.model].fault) is not None:
            return replace(figures, fault=fault)
        self._say(f"pipeline {name} without decoding")
        seconds = min(_REPLAY_S, _SHARE * self._seconds)
        try:
            loop = self._bare_loop(settings, pictures[settings.source][0])
        except LinesideError as error:
            self._faults.append(error)
            return replace(figures, fault=str(error))
        loop.run(seconds / 4)
        course = run(
            {name: settings},
            {settings.source: replayed(settings.source, pictures[settings.source])},
            load=self._shelf.load,
            identity=self._identity,
            seconds=seconds,
        )
        loop.run(seconds / 4)
        if name not in course.runs:
            return replace(figures, fault=course.faults[name])
        alone = course.runs[name]
        added_ms, share = overhead(alone.interval_ms.p50, loop.figures().invoke_ms.p50)
        return replace(figures, capacity_hz=alone.rate_hz, overhead_ms=added_ms, overhead_share=share)

    def _bare_loop(self, pipeline: PipelineSettings, picture: npt.NDArray[np.uint8]) -> BareLoop:
        name = pipeline.model
        file = open_any(name, self._settings.models[name], self._settings.device.state_dir).model
        return BareLoop(file, self._how(name), self._input(pipeline, picture))

    def _how(self, model: str) -> Execution:
        """As the agent would, with all of its pipelines."""
        settings = self._settings
        return execution(settings.models[model], settings.runtime, len(settings.pipelines))

    def _input(self, pipeline: PipelineSettings, picture: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        """What a picture becomes for the model of a pipeline."""
        model = self._shelf.load(pipeline)
        try:
            return model.preparer().prepare(picture).tensor
        finally:
            model.close()

    def _held(
        self,
        name: str,
        figures: PipelineFigures,
        sources: dict[str, SourceFigures],
        pictures: dict[str, Sequence[npt.NDArray[np.uint8]]],
    ) -> PipelineFigures:
        """With its source as it is."""
        self._say(f"pipeline {name}, {self._seconds:g} s")
        settings = self._pipelines[name]
        demands = {settings.source: PipelineDemand(settings.source)}
        course = run(
            {name: settings},
            {settings.source: self._source(settings.source, pictures, demands)},
            demands,
            load=self._shelf.load,
            identity=self._identity,
            seconds=self._seconds,
            at_end=self._weigh,
        )
        held = course.runs.get(name)
        if held is None or figures.capacity_hz is None:
            return replace(figures, fault=course.faults.get(name))
        bound = bound_by(held.rate_hz, sources[settings.source], figures.capacity_hz)
        return replace(figures, held=held, bound_by=bound, cpu_cores=course.cpu_cores)

    def _together(self, able: list[str], pictures: dict[str, Sequence[npt.NDArray[np.uint8]]]) -> Together:
        self._say(f"all pipelines together, {self._seconds:g} s")
        pipelines = {name: self._pipelines[name] for name in able}
        used = dict.fromkeys(pipeline.source for pipeline in pipelines.values())
        demands = {name: PipelineDemand(name) for name in used}
        course = run(
            pipelines,
            {name: self._source(name, pictures, demands) for name in used},
            demands,
            load=self._shelf.load,
            identity=self._identity,
            seconds=self._seconds,
            at_end=self._weigh,
        )
        return Together(course.runs, course.cpu_cores)

    def _source(
        self,
        name: str,
        pictures: dict[str, Sequence[npt.NDArray[np.uint8]]],
        demands: dict[str, PipelineDemand],
    ) -> SourceRunner:
        if name in pictures:
            return replayed(name, pictures[name])
        return wire_source(name, endless(self._settings.sources[name]), demands[name])

    def _weigh(self) -> None:
        self._memory = (machine.pss_bytes(), *machine.spare_memory_bytes())

    def _machine(self, start: _Start) -> MachineFigures:
        took_s = time.monotonic() - start.at_s
        others_s = machine.busy_s() - start.busy_s - (_own_s() - start.own_s)
        pss_bytes, available_bytes, total_bytes = self._memory
        return MachineFigures(
            cores=self._cores,
            runtime=runtime_version(),
            load_average=start.load_average,
            others_cores=max(0.0, others_s / took_s),
            agent_pid=holder(self._settings.device.state_dir),
            temperature_before_c=start.temperature_c,
            temperature_after_c=machine.hottest_c(),
            memory_pss_bytes=pss_bytes,
            memory_available_bytes=available_bytes,
            memory_total_bytes=total_bytes,
        )

    def _nothing(self, pipelines: dict[str, PipelineFigures]) -> LinesideError:
        faults = "; ".join(dict.fromkeys(figures.fault for figures in pipelines.values() if figures.fault))
        distrusted = self._faults and all(isinstance(fault, NotTrusted) for fault in self._faults)
        kind = NotTrusted if distrusted else LinesideError
        return kind(f"nothing could be measured: {faults}", hint="lineside check names each fault")


def _knowing(state_dir: Path, folder: Path) -> Prover:
    """A prover that knows what the agent's own knows, and writes elsewhere."""
    try:
        shutil.copyfile(state_dir / _PROVEN, folder / _PROVEN)
    except OSError:
        return Prover(folder)  # nothing was tried yet, or it is not ours to read
    return Prover(folder)


def _give_back() -> None:
    """Pictures and interpreters of the steps before are not the agent's: without this they would weigh 30 MB."""
    gc.collect()
    forget_free()


def _of(model: str, finding: Finding) -> Finding:
    return replace(finding, message=f"{model}: {finding.message}")


def _own_s() -> float:
    """Processor time of this process, its threads and the children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
