"""What the agent says of itself: status, source and model states, health; over MQTT, and to `lineside status`."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from agent import __version__
from agent.core.health import Reasons
from agent.core.messages import Health, ModelState, PipelineHealth, SourceState, Status
from agent.core.times import now_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from agent.core.findings import Finding
    from agent.core.messages import AgentState, CaptureClock, ModelVersion, SourceStateName
    from agent.core.topics import Topics
    from agent.mqtt.publisher import Publisher
    from agent.pipeline.runner import PipelineRunner
    from agent.sources.runner import SourceRunner

_FAULTY: dict[SourceStateName, str] = {
    "failed": "source {name} failed",
    "no_signal": "source {name} has no signal",
    "stale": "source {name} gives no new frames",
}


class Reporter:
    """Keeps what was last said about each part, and says what changes. Any thread."""

    def __init__(self, topics: Topics, publisher: Publisher, *, session: str, state_dir: Path) -> None:
        self._topics = topics
        self._publisher = publisher
        self._session = session
        self._state_dir = state_dir
        self._started_s = time.monotonic()
        self._since = now_text()
        self._lock = threading.Lock()
        self._machine: Any = None
        self._read_at_s = self._started_s
        self.sources: dict[str, SourceState] = {}
        self.models: dict[str, ModelState] = {}
        self.reasons = Reasons(self._health_changed)

    def status(self, state: AgentState | None = None) -> Status:
        """The status now, or the given one, such as `stopped`."""
        reasons = self.reasons.all()
        return Status(
            device=self._topics.device,
            session=self._session,
            state=state or ("degraded" if reasons else "online"),
            since=self._since,
            agent=__version__,
            reasons=reasons,
        )

    def born(self) -> None:
        """Say the first status; the publisher says it again on each connect."""
        self._publisher.announce(self._topics.status, self.status())

    def _health_changed(self, _reasons: list[str]) -> None:
        with self._lock:
            self._since = now_text()
            self._publisher.announce(self._topics.status, self.status())

    def source(
        self,
        name: str,
        state: SourceStateName,
        *,
        captured_at_from: CaptureClock,
        reason: str | None,
        retry_in_s: float | None,
    ) -> None:
        """A source changed its state."""
        message = SourceState(
            device=self._topics.device,
            session=self._session,
            source=name,
            state=state,
            since=now_text(),
            captured_at_from=captured_at_from,
            reason=reason,
            retry_in_s=None if retry_in_s is None else round(retry_in_s, 1),
        )
        self.sources[name] = message
        self._publisher.announce(self._topics.source_state(name), message)
        if sentence := _FAULTY.get(state):
            self.reasons.set(f"source/{name}", sentence.format(name=name) + (f": {reason}" if reason else ""))
        else:
            self.reasons.clear(f"source/{name}")

    def model(self, name: str, version: ModelVersion) -> None:
        """A model came to be active, or was rejected."""
        active = version.state == "active"
        message = ModelState(
            device=self._topics.device,
            session=self._session,
            model=name,
            since=now_text(),
            active=version if active else None,
            candidate=None if active else version,
            previous=None,
        )
        self.models[name] = message
        self._publisher.announce(self._topics.model_state(name), message)
        if active:
            self.reasons.clear(f"model/{name}")
        else:
            self.reasons.set(f"model/{name}", f"model {name} was refused: {version.reason}")

    def finding(self, model: str, finding: Finding) -> None:
        """Something about a model that a person should know; a lost delegate makes the agent degraded."""
        if finding.code in ("delegate-unavailable", "no-xnnpack"):
            self.reasons.set(f"model/{model}/{finding.code}", f"model {model}: {finding.message}")

    def pipeline(self, runner: PipelineRunner) -> None:
        """A pipeline changed its state."""
        if runner.state == "failed":
            self.reasons.set(f"pipeline/{runner.name}", f"pipeline {runner.name} failed: {runner.fault}")
        else:
            self.reasons.clear(f"pipeline/{runner.name}")

    def health(self, pipelines: Mapping[str, PipelineRunner], sources: Mapping[str, SourceRunner]) -> None:
        """Publish the figures since the last call."""
        if self._machine is None:
            from agent.telemetry.machine import Machine  # noqa: PLC0415 - not needed for the first prediction

            self._machine = Machine(self._state_dir)
        now_s = time.monotonic()
        elapsed_s, self._read_at_s = now_s - self._read_at_s, now_s
        figures = self._machine.read()
        self._publisher.health(
            Health(
                device=self._topics.device,
                session=self._session,
                at=now_text(),
                uptime_s=round(now_s - self._started_s, 1),
                pipelines={name: _pipeline_health(runner, elapsed_s) for name, runner in pipelines.items()},
                cpu_percent=figures.cpu_percent,
                memory_bytes=figures.memory_bytes,
                temperature_c=figures.temperature_c,
                disk_free_bytes=figures.disk_free_bytes,
                queued_messages=self._publisher.queued,
                dropped_messages=self._publisher.dropped,
                abandoned_threads=sum(source.abandoned for source in sources.values()),
            )
        )


def _pipeline_health(runner: PipelineRunner, elapsed_s: float) -> PipelineHealth:
    rate_hz, p50_ms, p99_ms = runner.figures.interval(elapsed_s)
    return PipelineHealth(
        state=runner.state,
        rate_hz=round(rate_hz, 2),
        latency_p50_ms=p50_ms,
        latency_p99_ms=p99_ms,
        predictions=runner.figures.predictions,
        drops=runner.drops(),
        reason=str(runner.fault) if runner.fault else None,
    )
