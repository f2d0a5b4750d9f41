"""A reporter whose publisher only remembers, with one pipeline and one source that never started."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from agent.core.mailbox import Mailbox
from agent.core.messages import ModelVersion
from agent.core.topics import Topics
from agent.mqtt.publisher import LinkState
from agent.pipeline.inspector import Identity
from agent.pipeline.intake import Intake
from agent.pipeline.runner import Feed, PipelineRunner
from agent.pipeline.settings import PipelineSettings
from agent.reporter import Reporter
from agent.sources.runner import RunnerPolicy, SourceRunner, SourceStatus
from agent.spool.spool import Spool
from agent.telemetry.clock import KernelClock

if TYPE_CHECKING:
    from pathlib import Path

TOPICS = Topics("lineside", "plant/line", "press")
DIGEST = "sha256:" + "ab" * 32


class RecordingPublisher:
    """Takes what a reporter says, in order."""

    def __init__(self) -> None:
        self.said: list[tuple[str, object]] = []
        self.link = LinkState("connected", "connected to mqtt://127.0.0.1:1883 with MQTT 5")
        self.queued = 3
        self.dropped = {"queue_full": 2, "too_large": 1}

    def announce(self, topic: str, message: object) -> None:
        self.said.append((topic, message))

    def health(self, message: object) -> None:
        self.said.append((TOPICS.health, message))

    def last(self, topic: str):
        """What was said last on a topic."""
        return next(message for said_on, message in reversed(self.said) if said_on == topic)


class Desk:
    """The reporter and what it reports on."""

    def __init__(self, state_dir: Path) -> None:
        self.publisher = RecordingPublisher()
        self.clock = KernelClock(lambda: "synced")
        self.spool = Spool()
        self.reporter = Reporter(
            TOPICS, self.publisher, self.spool, session="session-1", state_dir=state_dir, clock=self.clock
        )
        box = Mailbox(1, "drop_oldest")
        self.pipeline = PipelineRunner(
            "inspect",
            PipelineSettings(source="cam", model="parts"),
            Feed(box, Intake(), finite=False, shared=False),
            load=lambda: None,
            sink=None,
            identity=Identity("press", "session-1", lambda: "synced"),
        )
        box.put(None, 0)
        box.put(None, 0)
        self.source = SourceRunner("cam", make=lambda: None, policy=RunnerPolicy(True, 5.0, 5.0))
        self.source.frames = 1234

    def predict(self, *latencies_ms: float) -> None:
        """Let the pipeline have made predictions, the first of them 3 s ago."""
        self.pipeline.state = "ok"
        for latency_ms in latencies_ms:
            self.pipeline.figures.record(latency_ms, time.monotonic() - 3)

    def snapshot(self) -> dict:
        return self.reporter.snapshot({"inspect": self.pipeline}, {"cam": self.source})


def active() -> ModelVersion:
    return ModelVersion(version="1.2.0", digest=DIGEST, state="active", reason="configured")


def refused() -> ModelVersion:
    return ModelVersion(version="1.3.0", digest=DIGEST, state="rejected", reason="3 classes, 2 labels")


def failed(reason: str = "no such device") -> SourceStatus:
    return SourceStatus("failed", "arrival", reason, retry_in_s=2.345)
