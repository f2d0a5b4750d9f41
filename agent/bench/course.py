"""Pipelines at work for a while: the agent's own threads, from source to encoded message, without a broker."""

from __future__ import annotations

import time
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from agent.bench.figures import LatencyFigures, RunFigures, Spread, rate_hz, warm_up_s, within
from agent.core.times import now_text
from agent.mqtt.encoding import encode
from agent.mqtt.outbox import Parcel
from agent.mqtt.stored import sendable, stored
from agent.supervisor import Supervisor
from agent.wiring import wire_pipelines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from agent.core.messages import Prediction
    from agent.models.contract import Model
    from agent.pipeline.demand import PipelineDemand
    from agent.pipeline.inspector import Identity
    from agent.pipeline.runner import PipelineRunner
    from agent.pipeline.settings import PipelineSettings
    from agent.sources.runner import SourceRunner

FIRST_PREDICTION_S = 30.0
_LOADED_S = 120.0
_POLL_S, _CHECK_S = 0.05, 0.5
_END_S = 10.0


@dataclass(frozen=True, slots=True)
class Course:
    """What came of it.

    Attributes:
        runs: By pipeline; those that did nothing are missing.
        faults: Why, by pipeline.
        cpu_cores: Cores that this process kept busy.
    """

    runs: dict[str, RunFigures]
    faults: dict[str, str]
    cpu_cores: float


class Tally:
    """The predictions of one pipeline: when they came, and where their time went. One thread adds."""

    def __init__(self) -> None:
        self.times_s = array("d")
        self.wait, self.pre, self.invoke, self.post, self.total = (array("d") for _ in range(5))

    def add(self, prediction: Prediction) -> None:
        """It is complete now."""
        latency = prediction.latency_ms
        self.wait.append(latency.wait)
        self.pre.append(latency.pre)
        self.invoke.append(latency.invoke)
        self.post.append(latency.post)
        self.total.append(latency.total)
        self.times_s.append(time.monotonic())

    def figures(self, begin_s: float, end_s: float, drops: dict[str, int]) -> RunFigures | None:
        """Of what came between two moments; None if that was too little to have a rate."""
        part = within(self.times_s, begin_s, end_s)
        times_s = self.times_s[part]
        rate = rate_hz(times_s)
        if rate is None:
            return None
        intervals_ms = 1000 * np.diff(np.asarray(times_s))
        columns = (self.wait, self.pre, self.invoke, self.post, self.total)
        latency = LatencyFigures(*(Spread.of(column[part]) for column in columns))
        return RunFigures(len(times_s), rate, Spread.of(intervals_ms), latency, drops)


class CountingSink:
    """Encodes like the publisher and counts. Implements `agent.sinks.contract.Sink`; each pipeline has a tally of its own."""

    def __init__(self, pipelines: Iterable[str]) -> None:
        self.tallies = {name: Tally() for name in pipelines}

    def send(
        self,
        prediction: Prediction,
        *,
        qos: int,
        event_seq: int | None,
        publish: bool,
        wait: Callable[[], bool] | None,  # noqa: ARG002 - nothing is ever full here
    ) -> None:
        """Take one prediction; see `agent.sinks.contract.Sink.send`."""
        if event_seq is not None:
            sendable(stored(prediction, event_seq), now_text(), historical=False)
        if publish:
            encode(Parcel(prediction, qos).stamp(now_text()))
        self.tallies[prediction.pipeline].add(prediction)


def run(
    pipelines: Mapping[str, PipelineSettings],
    sources: Mapping[str, SourceRunner],
    demands: Mapping[str, PipelineDemand] | None = None,
    *,
    load: Callable[[PipelineSettings], Model],
    identity: Identity,
    seconds: float,
    at_end: Callable[[], None] = lambda: None,
) -> Course:
    """Let pipelines work.

    Args:
        pipelines: The tables by name.
        sources: Those that they name, not started yet; they are stopped at the end.
        demands: Of those sources that decode on demand.
        load: Gives a loaded model for a pipeline.
        identity: What stands in the messages.
        seconds: How long, after a warm-up.
        at_end: Called while everything still works.
    """
    sink = CountingSink(pipelines)
    runners = wire_pipelines(pipelines, sources, demands or {}, load=load, sink=sink, identity=identity)
    supervisor = Supervisor(sources.values())
    for runner in runners.values():
        runner.start()
    try:
        _until(lambda: all(runner.state != "starting" for runner in runners.values()), _LOADED_S)
        for source in sources.values():
            source.start()

        def look(now_s: float) -> None:
            supervisor.check(now_s)
            for source in sources.values():
                source.check(now_s)

        def is_at_work(name: str) -> bool:
            runner = runners[name]
            return bool(sink.tallies[name].times_s or _fault(runner, sources[runner.settings.source]))

        _until(lambda: all(map(is_at_work, runners)), FIRST_PREDICTION_S, look)
        _until(lambda: False, warm_up_s(seconds), look)
        before = {name: _drops(runner, sources) for name, runner in runners.items()}
        begin_s, begin_cpu_s = time.monotonic(), time.process_time()
        _until(lambda: False, seconds if any(t.times_s for t in sink.tallies.values()) else 0.0, look)
        end_s, end_cpu_s = time.monotonic(), time.process_time()
        after = {name: _drops(runner, sources) for name, runner in runners.items()}
        faults = {name: _fault(runner, sources[runner.settings.source]) for name, runner in runners.items()}
        at_end()
    finally:
        _stop(runners, sources)
    found = {
        name: tally.figures(begin_s, end_s, _risen(before[name], after[name])) for name, tally in sink.tallies.items()
    }
    short = f"fewer than two predictions in {seconds:g} s; measure longer, with --seconds"
    return Course(
        runs={name: figures for name, figures in found.items() if figures is not None},
        faults={name: faults[name] or short for name, figures in found.items() if figures is None},
        cpu_cores=(end_cpu_s - begin_cpu_s) / (end_s - begin_s),
    )


def _until(is_done: Callable[[], bool], timeout_s: float, look: Callable[[float], None] = lambda _: None) -> None:
    """Wait, and look after the sources meanwhile, as the agent does."""
    until_s = time.monotonic() + timeout_s
    check_s = time.monotonic() + _CHECK_S
    while not is_done() and (now_s := time.monotonic()) < until_s:
        time.sleep(min(_POLL_S, until_s - now_s))
        if now_s >= check_s:
            check_s = now_s + _CHECK_S
            look(now_s)


def _stop(runners: Mapping[str, PipelineRunner], sources: Mapping[str, SourceRunner]) -> None:
    for source in sources.values():
        source.stop()
    for runner in runners.values():
        runner.stop()
    for runner in runners.values():
        runner.join(_END_S)
    for source in sources.values():
        source.join(_END_S)


def _fault(runner: PipelineRunner, source: SourceRunner) -> str | None:
    fault = runner.fault or source.fault
    return None if fault is None else str(fault)


def _drops(runner: PipelineRunner, sources: Mapping[str, SourceRunner]) -> dict[str, int]:
    unreadable = sources[runner.settings.source].unreadable
    return runner.drops() | ({"unreadable": unreadable} if unreadable else {})


def _risen(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    risen = {reason: count - before.get(reason, 0) for reason, count in after.items()}
    return {reason: count for reason, count in risen.items() if count}
