"""Everything a desk needs in a test: pipelines that never start, commands as they come, and what was answered."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import numpy as np
from deadlines import LONG_S

from agent.commands.audit import Audit
from agent.commands.clerk import Clerk
from agent.core.decisions import DecisionRule
from agent.core.frames import Frame
from agent.core.incoming import Incoming
from agent.core.mailbox import Mailbox
from agent.core.messages import HoldResult
from agent.core.topics import Topics
from agent.pipeline.inspector import Identity
from agent.pipeline.intake import Intake
from agent.pipeline.runner import Feed, PipelineRunner
from agent.pipeline.settings import PipelineSettings

if TYPE_CHECKING:
    from pathlib import Path

TOPICS = Topics("lineside", "plant/line", "press")
RULE = DecisionRule(label="bad", min_score=0.6)


def frame(index: int = 0, value: int = 0) -> Frame:
    """A small gray picture, taken at the epoch."""
    return Frame(np.full((8, 16, 3), value, np.uint8), index, captured_ns=0, handed_over_ns=0)


def pipeline(name: str = "p", *, rule: DecisionRule | None = RULE, source: str = "cam", **settings) -> PipelineRunner:
    """A pipeline whose model is loaded, as far as a command can tell."""
    runner = PipelineRunner(
        name,
        PipelineSettings(source=source, model="m", **settings),
        Feed(Mailbox(10, "drop_oldest"), Intake(), finite=False, shared=False),
        load=lambda: None,
        sink=None,
        identity=Identity("press", "session-1", lambda: "synced"),
    )
    runner.tuning.works_with(rule)
    return runner


class Notes:
    """What is told of what was changed."""

    def __init__(self) -> None:
        self.now: dict[str, str] = {}

    def __call__(self, cause: str, sentence: str | None) -> None:
        if sentence is None:
            self.now.pop(cause, None)
        else:
            self.now[cause] = sentence


class Answers:
    """What was answered, in order, with its correlation data."""

    def __init__(self) -> None:
        self.all = []
        self._changed = threading.Condition()

    def __call__(self, ack, correlation) -> None:
        with self._changed:
            self.all.append((ack, correlation))
            self._changed.notify_all()

    def wait(self, count: int) -> list:
        """The answers, as soon as there are so many."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.all) >= count, LONG_S), self.all
            return [ack for ack, _ in self.all]

    @property
    def last(self):
        return self.all[-1][0]


class Verbs:
    """Two verbs: `pause` notes what it was asked, `set` raises what the test says."""

    def __init__(self) -> None:
        self.asked = []
        self.fault: Exception | None = None

    def pause(self, arguments):
        self.asked.append(dict(arguments))
        return HoldResult(pipelines={})

    def set(self, _arguments):
        assert self.fault is not None
        raise self.fault

    def by_name(self) -> dict:
        return {"pause": self.pause, "set": self.set}


def clerk(state_dir: Path, verbs: dict, answers: Answers, *, max_bytes: int = 400, audit=None) -> Clerk:
    """A clerk with a real audit file."""
    audit = audit or Audit(state_dir, 10_000)
    return Clerk(TOPICS, "session-1", verbs, max_bytes=max_bytes, audit=audit, answer=answers)


def asked(verb: str, body: object = None, *, retained: bool = False, correlation: bytes | None = None) -> Incoming:
    """A command as it comes; a body that is no bytes is sent as JSON."""
    payload = body if isinstance(body, bytes) else json.dumps({} if body is None else body).encode()
    return Incoming(f"{TOPICS.root}/cmd/{verb}", payload, retained, correlation)


def audited(state_dir: Path, name: str = "commands.jsonl") -> list[dict]:
    """The lines of the audit file."""
    return [json.loads(line) for line in (state_dir / name).read_text("ascii").splitlines()]
