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


class Candidate(TrappedModel):
    """Another model: scores as it is told, and fails where the test says."""

    def __init__(self, score=None, *, raises=None, version="2", rule=None, **traps) -> None:
        super().__init__(**traps)
        self.reference = ModelReference(name="m", version=version, digest="sha256:1", runtime="none", delegate="none")
        self.rule = rule or self.rule
        self.decided = 0
        self._score, self._raises = score, raises or {}

    def _meet(self, call) -> None:
        super()._meet(call)
        if call in self._raises:
            raise self._raises[call]

    def decode(self, inferred):
        result = super().decode(inferred)
        self.decided += 1
        if self._score is not None:
            result.score = result.top[0].score = self._score
        return result


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
    finite=True,
    handover=None,
    **settings,
):
    """A pipeline over a mailbox that waits, as that of a file; its box and its sink."""
    box, sink = Mailbox(capacity, "wait"), sink or RememberingSink()
    runner = PipelineRunner(
        name,
        PipelineSettings(source="s", model="m", **settings),
        Feed(box, Intake(), finite=finite, shared=shared, **({"handover": handover} if handover else {})),
        load=load,
        sink=sink,
        identity=Identity("dev", "session-1", lambda: "unsynced"),
        on_change=on_change,
        observers=observers,
        **({"patience": patience} if patience else {}),
    )
    return runner, box, sink


class Line:
    """A pipeline that works, with a frame whenever the test wants one."""

    def __init__(self, model=None, **options) -> None:
        self.active = model or TrappedModel()
        self.runner, self.box, self.sink = pipeline(lambda: self.active, **options)
        self.pairs = []
        self.count = 0
        self._came = threading.Condition()
        self.runner.start()

    def on_pair(self, pair, frame) -> None:
        with self._came:
            self.pairs.append((pair, frame))
            self._came.notify_all()

    def frame(self, value=90) -> None:
        """One frame, and wait until its prediction was sent."""
        self.box.put(job(self.count, value), 0)
        self.count += 1
        self.sink.wait_for(self.count)

    def until_pair(self, count=1, value=90) -> None:
        """Frames until so many were compared."""
        until_s = time.monotonic() + LONG_S
        while len(self.pairs) < count and time.monotonic() < until_s:
            self.frame(value)
        assert len(self.pairs) >= count

    def until(self, condition) -> None:
        """Frames until it holds."""
        until_s = time.monotonic() + LONG_S
        while not condition() and time.monotonic() < until_s:
            self.frame()
        assert condition()

    def end(self) -> None:
        self.box.close()
        assert self.runner.join(LONG_S)

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        assert [seq for seq, *_ in self.sink.sent] == list(range(self.count)), (
            "no frame is lost, whatever the candidate does"
        )
