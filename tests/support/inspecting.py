"""What tests of pipelines share: models that hang where the test says, a sink that remembers, a pipeline over a mailbox."""

from __future__ import annotations

import threading
import time

import numpy as np
from deadlines import LONG_S

from agent.core import results
from agent.core.decisions import DecisionRule
from agent.core.frames import Frame
from agent.core.mailbox import Mailbox
from agent.core.messages import ModelReference
from agent.models.contract import Inferred, Prepared
from agent.models.placement import Placement, Size
from agent.pipeline.inspector import Identity
from agent.pipeline.intake import Intake, Job
from agent.pipeline.runner import Feed, PipelineRunner
from agent.pipeline.settings import PipelineSettings


class Trap:
    """The first call that comes to it hangs until `release`; all others pass."""

    def __init__(self, *, armed=True) -> None:
        self.reached = threading.Event()
        self._armed = armed
        self._released = threading.Event()

    def pass_by(self) -> None:
        if self._armed:
            self._armed = False
            self.reached.set()
            self._released.wait(LONG_S)

    def release(self) -> None:
        self._released.set()


class TrappedModel:
    """Scores a frame by its first pixel; hangs in the calls whose trap is armed."""

    reference = ModelReference(name="m", version="1", digest="sha256:0", runtime="none", delegate="none")

    def __init__(self, **traps) -> None:
        self.rule = DecisionRule(label="bad", min_score=0.5)
        self.size = Size(8, 16)
        self.closed = threading.Event()
        self._traps = traps

    def _meet(self, call) -> None:
        if call in self._traps:
            self._traps[call].pass_by()

    def preparer(self):
        return self

    def prepare(self, pixels):
        self._meet("prepare")
        now = time.perf_counter_ns()
        return Prepared(pixels, Placement(), now, now)

    def recycle(self, prepared) -> None:
        """Nothing is reused."""

    def infer(self, prepared):
        self._meet("infer")
        now = time.perf_counter_ns()
        return Inferred([prepared.tensor], prepared, now, now, now)

    def decode(self, inferred):
        self._meet("decode")
        score = int(inferred.outputs[0].flat[0]) / 100
        return results.Classification(label="bad", score=score, top=[results.Scored(label="bad", score=score)])

    def close(self) -> None:
        self.closed.set()


class RememberingSink:
    """Keeps what was sent; hangs once, before it takes a prediction, if it has a trap."""

    def __init__(self, trap=None) -> None:
        self.sent = []
        self._trap = trap
        self._came = threading.Condition()

    def send(self, prediction, *, qos, event_seq, publish, wait) -> None:
        if self._trap is not None:
            self._trap.pass_by()
        with self._came:
            self.sent.append((prediction.seq, event_seq, prediction.frame.index))
            self._came.notify_all()

    @property
    def indexes(self) -> list[int]:
        with self._came:
            return [index for *_, index in self.sent]

    def wait_for(self, count) -> None:
        """Wait until so many were sent in all."""
        with self._came:
            assert self._came.wait_for(lambda: len(self.sent) >= count, LONG_S), self.sent


def job(index, value=90) -> Job:
    pixels = np.full((2, 2, 3), value, np.uint8)
    return Job(Frame(pixels, index, time.time_ns(), time.perf_counter_ns()))


def pipeline(
    load,
    *,
    sink=None,
    capacity=1000,
    shared=False,
    on_change=lambda _: None,
    name="p",
    patience=None,
    observers=(),
    **settings,
):
    """A pipeline over a mailbox that waits, as that of a file; its box and its sink."""
    box, sink = Mailbox(capacity, "wait"), sink or RememberingSink()
    runner = PipelineRunner(
        name,
        PipelineSettings(source="s", model="m", **settings),
        Feed(box, Intake(), finite=True, shared=shared),
        load=load,
        sink=sink,
        identity=Identity("dev", "session-1", lambda: "unsynced"),
        on_change=on_change,
        observers=observers,
        **({"patience": patience} if patience else {}),
    )
    return runner, box, sink
