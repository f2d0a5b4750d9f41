"""What the agent says of itself: status, source and model states, health; over MQTT, and to `lineside status`."""

from __future__ import annotations

import threading
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from agent import __version__
from agent.core.health import Reasons
from agent.core.messages import Health, ModelState, PipelineHealth, SourceState, SpoolHealth, Status
from agent.core.times import now_text
from agent.drift.telling import sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from agent.core.findings import Finding
    from agent.core.messages import AgentState, Drift, ModelVersion, SourceStateName
    from agent.core.supervision import Plan
    from agent.core.topics import Topics
    from agent.mqtt.publisher import LinkState, Publisher
    from agent.pipeline.runner import PipelineRunner
    from agent.sources.runner import SourceRunner, SourceStatus
    from agent.spool.spool import Spool
    from agent.telemetry.clock import KernelClock
    from agent.telemetry.machine import Machine, MachineFigures

_FAULTY: dict[SourceStateName, str] = {
    "failed": "source {name} failed",
    "no_signal": "source {name} has no signal",
    "stale": "source {name} gives no new frames",
}

LINK_STABLE_S = 60.0
"""A connection that lasted so long makes up for a refusal before it."""
_SNAPSHOT_S = 10.0


class Reporter:
    """Keeps what was last said about each part, and says what changes. Any thread."""

    def __init__(
        self,
        topics: Topics,
        publisher: Publisher,
        spool: Spool,
        *,
        session: str,
        state_dir: Path,
        clock: KernelClock,
    ) -> None:
        self._topics = topics
        self._publisher = publisher
        self._spool = spool
        self._session = session
        self._state_dir = state_dir
        self._clock = clock
        self._started_s = time.monotonic()
        self._state: AgentState = "online"
        self._since = now_text()
        self._lock = threading.Lock()
        self._link: tuple[LinkState, float] | None = None
        self._link_lock = threading.Lock()
        self._machine: Machine | None = None
        self._sources: dict[str, SourceState] = {}
        self._models: dict[str, ModelState] = {}
        self._candidates: dict[str, ModelVersion | None] = {}
        self._drifts: dict[str, Drift] = {}
        self.reasons = Reasons(self._health_changed)
        self.notes = Reasons(self._health_changed)
        self.commands: Callable[[], dict[str, int]] = dict
        """Gives the counts of commands; set by the composition."""

    def status(self, state: AgentState | None = None) -> Status:
        """The status now, or the given one, such as `stopped`."""
        reasons = self.reasons.all()
        return Status(
            device=self._topics.device,
            session=self._session,
            state=state or ("degraded" if reasons else "online"),
            since=now_text() if state else self._since,
            agent=__version__,
            reasons=reasons,
            notes=self.notes.all(),
        )

    def born(self) -> None:
        """Say the first status; the publisher says it again on each connect."""
        self._publisher.announce(self._topics.status, self.status())

    def _health_changed(self, _reasons: list[str]) -> None:
        with self._lock:
            if (state := self.status().state) != self._state:
                self._state, self._since = state, now_text()
            self._publisher.announce(self._topics.status, self.status())

    def source(self, name: str, status: SourceStatus) -> None:
        """A source changed its state."""
        message = SourceState(
            device=self._topics.device,
            session=self._session,
            source=name,
            state=status.state,
            since=now_text(),
            captured_at_from=status.captured_at_from,
            reason=status.reason,
            retry_in_s=None if status.retry_in_s is None else round(status.retry_in_s, 1),
        )
        self._sources[name] = message
        self._publisher.announce(self._topics.source_state(name), message)
        if sentence := _FAULTY.get(status.state):
            said = sentence.format(name=name) + (f": {status.reason}" if status.reason else "")
            self.reasons.set(f"source/{name}", said)
        else:
            self.reasons.clear(f"source/{name}")

    def model(self, name: str, version: ModelVersion, previous: ModelVersion | None = None) -> None:
        """A model came to be active, or was rejected. A candidate that was rejected stays to be seen beside another that is active.

        Args:
            name: Of its table.
            version: Active, or rejected and none active.
            previous: What was active before it, and can be again.
        """
        active = version.state == "active"
        candidate = self._candidates.get(name)
        if active and candidate is not None and candidate.digest == version.digest:
            candidate = None
        self._say_model(name, version if active else None, candidate if active else version, previous)
        self.reasons.clear(f"model/{name}/previous-works")
        if active:
            self.reasons.clear(f"model/{name}")
        else:
            self.reasons.set(f"model/{name}", f"model {name} was refused: {version.reason}")

    def candidate(self, name: str, version: ModelVersion) -> None:
        """A version is on its way to be active, or was rejected on it. What is active goes on."""
        now = self._models.get(name)
        active, previous = (None, None) if now is None else (now.active, now.previous)
        self._say_model(name, active, version, previous)

    def _say_model(
        self, name: str, active: ModelVersion | None, candidate: ModelVersion | None, previous: ModelVersion | None
    ) -> None:
        message = ModelState(
            device=self._topics.device,
            session=self._session,
            model=name,
            since=now_text(),
            active=active,
            candidate=candidate,
            previous=previous,
        )
        self._candidates[name], self._models[name] = candidate, message
        self._publisher.announce(self._topics.model_state(name), message)

    def models(self) -> dict[str, ModelState]:
        """What was last said of each model."""
        return self._models.copy()

    def sync(self, sentence: str | None) -> None:
        """Why the sync makes the agent degraded; None when it does not."""
        self.reasons.tell("sync", sentence)

    def finding(self, model: str, finding: Finding) -> None:
        """Something about a model that a person should know; a lost delegate makes the agent degraded, and a version that is not the one that should work."""
        if finding.code in ("delegate-unavailable", "no-xnnpack", "previous-works", "worse-and-alone"):
            self.reasons.set(f"model/{model}/{finding.code}", f"model {model}: {finding.message}")

    def pipeline(self, runner: PipelineRunner) -> None:
        """A pipeline changed its state."""
        if runner.fault is not None:
            self.reasons.set(f"pipeline/{runner.name}", f"pipeline {runner.name} {runner.state}: {runner.fault}")
        else:
            self.reasons.clear(f"pipeline/{runner.name}")

    def drift(self, drift: Drift) -> None:
        """What a pipeline sees was compared with its reference. Drift makes the agent degraded: nobody knows how good its verdicts are now."""
        name = drift.pipeline
        self._drifts[name] = drift
        self._publisher.announce(self._topics.drift(name), drift)
        drifting = drift.state == "drifting"
        self.reasons.tell(f"drift/{name}", f"pipeline {name} drifts: {sentence(drift)}" if drifting else None)

    def link(self, link: LinkState) -> None:
        """The connection to the broker changed: being away is no fault of the agent, being refused or replaced is.

        Nobody hears of a refusal while it lasts, so its reason outlives it until the connection has been stable for a while.
        """
        with self._link_lock:
            if self._link is not None and self._link[0] == link:
                return
            self._link = (link, time.monotonic())
            if link.state in ("refused", "taken_over"):
                self.reasons.set("mqtt", f"mqtt: {link.sentence} (at {now_text()})")

    def note(self, cause: str, sentence: str | None) -> None:
        """Something was changed by command: no fault, and yet nobody should overlook it. None: it is as configured again."""
        self.notes.tell(cause, sentence)

    def command_trouble(self, cause: str, sentence: str | None) -> None:
        """Commands cannot be heard or answered as they should; None when they can again."""
        self.reasons.tell(f"commands/{cause}", sentence and f"commands: {sentence}")

    def _forgive_link(self) -> None:
        with self._link_lock:
            if self._link is None:
                return
            link, since_s = self._link
            if link.state == "connected" and time.monotonic() - since_s >= LINK_STABLE_S:
                self.reasons.clear("mqtt")

    def drop(self, reason: str, sentence: str) -> None:
        """A message can never be delivered. Said until the end of the session, as it does not come back."""
        self.reasons.set(f"mqtt/{reason}", f"mqtt: {sentence}")

    def disk(self, cause: str, sentence: str | None) -> None:
        """The spool's disk takes nothing, or takes it again; a damaged file is said until the end of the session."""
        if sentence is None:
            self.reasons.clear(cause)
        else:
            self.reasons.set(cause, sentence)

    def sink(self, name: str, plan: Plan | None) -> None:
        """A sink hung and waits for its next try, or is given a fresh thread (None)."""
        if plan is not None and plan.failed:
            self.reasons.set(
                f"sink/{name}", f"sink {name} failed: it hung too often, tried again in {plan.delay_s:g} s"
            )
        elif plan is None:
            self.reasons.clear(f"sink/{name}")

    def health(
        self,
        pipelines: Mapping[str, PipelineRunner],
        sources: Mapping[str, SourceRunner],
        window_s: float,
        *,
        abandoned: int,
    ) -> None:
        """Publish the figures of the last `window_s` seconds; called once in so many.

        Args:
            pipelines: By name.
            sources: By name.
            window_s: See above.
            abandoned: Threads of all parts that were given up since the start.
        """
        self._forgive_link()
        figures = self._figures()
        self._publisher.health(
            Health(
                device=self._topics.device,
                session=self._session,
                at=now_text(),
                uptime_s=self._uptime_s(),
                pipelines={
                    name: _pipeline_health(runner, sources[runner.settings.source], window_s)
                    for name, runner in pipelines.items()
                },
                cpu_percent=figures.cpu_percent,
                memory_bytes=figures.memory_bytes,
                temperature_c=figures.temperature_c,
                disk_free_bytes=figures.disk_free_bytes,
                queued_messages=self._publisher.queued,
                spool=_spool_health(self._spool),
                dropped_messages=self._publisher.dropped,
                abandoned_threads=abandoned,
                commands=self.commands(),
                clock=self._clock(),
                clock_jumps=self._clock.jumps,
            )
        )

    def snapshot(self, pipelines: Mapping[str, PipelineRunner], sources: Mapping[str, SourceRunner]) -> dict[str, Any]:
        """Everything `lineside status` shows; rates and latencies are those of the last 10 s."""
        link = self._publisher.link
        return {
            "status": asdict(self.status()),
            "uptime_s": self._uptime_s(),
            "mqtt": {
                "state": link.state,
                "sentence": link.sentence,
                "queued": self._publisher.queued,
                "dropped": self._publisher.dropped,
            },
            "spool": asdict(_spool_health(self._spool)),
            "pipelines": {
                name: asdict(_pipeline_health(runner, sources[runner.settings.source], _SNAPSHOT_S))
                | {"source": runner.settings.source, "model": runner.settings.model, "abandoned": runner.abandoned}
                for name, runner in pipelines.items()
            },
            "sources": {
                name: asdict(state) | {"frames": sources[name].frames, "abandoned": sources[name].abandoned}
                for name, state in self._sources.copy().items()
            },
            "commands": self.commands(),
            "models": {name: asdict(state) for name, state in self._models.copy().items()},
            "drift": {name: asdict(drift) for name, drift in self._drifts.copy().items()},
        }

    def _uptime_s(self) -> float:
        return round(time.monotonic() - self._started_s, 1)

    def _figures(self) -> MachineFigures:
        if self._machine is None:
            from agent.telemetry.machine import Machine  # noqa: PLC0415 - psutil is not needed for the first prediction

            self._machine = Machine(self._state_dir)
        return self._machine.read()


def _pipeline_health(runner: PipelineRunner, source: SourceRunner, window_s: float) -> PipelineHealth:
    """The figures of one pipeline; frames that its source could not decode count as dropped."""
    unreadable = {"unreadable": source.unreadable} if source.unreadable else {}
    rate_hz, p50_ms, p99_ms = runner.figures.over(window_s, time.monotonic())
    return PipelineHealth(
        state=runner.state,
        rate_hz=round(rate_hz, 2),
        latency_p50_ms=p50_ms,
        latency_p99_ms=p99_ms,
        predictions=runner.figures.predictions,
        drops=runner.drops() | unreadable,
        stale=runner.late,
        child_restarts=runner.child_restarts,
        reason=str(runner.fault) if runner.fault else None,
        holds=sorted(runner.intake.holds),
        set=runner.tuning.changes,
        slowed_to_hz=runner.intake.slowed_to_hz,
    )


def _spool_health(spool: Spool) -> SpoolHealth:
    quarantine = spool.quarantine
    with spool.changed:
        events, backlog = len(spool.events), 0 if spool.backlog is None else len(spool.backlog)
        size_bytes = spool.size_bytes
    return SpoolHealth(
        events=events,
        backlog=backlog,
        size_bytes=size_bytes,
        quarantined=0 if quarantine is None else quarantine.count,
        durable=spool.fault is None,
    )
