"""One pipeline's thread: takes frames from its mailbox, has them inspected, and gives the predictions to the sink.

Knows no protocol and no file: the model is loaded by a function it is given, and the sink says how it delivers. A model that
is refused makes this pipeline `failed` and is tried again with backoff; nothing of that reaches another pipeline.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from agent.core.backoff import Backoff
from agent.core.errors import LinesideError, ModelRefused
from agent.core.health import Figures
from agent.core.mailbox import Closed, Mailbox
from agent.pipeline.finisher import Finisher
from agent.pipeline.inspector import Identity, Inspector

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.models.contract import Inferred, Model
    from agent.pipeline.intake import Intake, Job
    from agent.pipeline.settings import PipelineSettings
    from agent.pipeline.tuning import Tuning
    from agent.sinks.contract import Sink
    from agent.sources.demand import Needed

log = logging.getLogger("lineside.pipeline")

PipelineState = Literal["starting", "ok", "failed", "ended"]
_POLL_S = 0.5
"""How long a pipeline waits for a frame before it looks whether it should stop."""
_RELOAD_FIRST_S, _RELOAD_MAX_S = 5.0, 300.0


@dataclass(frozen=True, slots=True)
class Feed:
    """Where a pipeline's frames come from.

    Attributes:
        box: Closed by the source when there are no more frames.
        intake: What the source does with each frame before it is in the box.
        finite: Frames come from files that wait: none is dropped, and a full sink slows the source.
        shared: Another pipeline takes the same frames, so this one must never hold them up while it has no model.
    """

    box: Mailbox[Job]
    intake: Intake
    finite: bool
    shared: bool


class PipelineRunner:
    """Owns the inference thread of one pipeline.

    `start`, `stop` and `join` belong to the composition; the rest may be read from any thread.
    """

    def __init__(
        self,
        name: str,
        settings: PipelineSettings,
        feed: Feed,
        *,
        load: Callable[[], Model],
        sink: Sink,
        identity: Identity,
        on_change: Callable[[PipelineRunner], None] = lambda _: None,
        once: bool = False,
    ) -> None:
        """Store; nothing runs yet.

        Args:
            name: Name of the table in the configuration.
            settings: That table.
            feed: Where frames come from.
            load: Gives a loaded model with an interpreter of its own, or raises LinesideError.
            sink: Takes the predictions.
            identity: Device, session and clock of the messages.
            on_change: Called in the pipeline's thread after each change of `state`.
            once: End after the first prediction.
        """
        self.name = name
        self.settings = settings
        self.state: PipelineState = "starting"
        self.fault: LinesideError | None = None
        self.figures = Figures()
        self._feed = feed
        self._load = load
        self._sink = sink
        self._inspector = Inspector(name, settings, identity)
        self._on_change = on_change
        self._once = once
        self._stop = threading.Event()
        self._may_wait = (lambda: not self._stop.is_set()) if feed.finite else None
        self._thread = threading.Thread(target=self._run, name=f"pipeline-{name}", daemon=True)

    def start(self) -> None:
        """Load the model and begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the frame at hand. Returns at once."""
        self._stop.set()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; False if it did not come in time."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def late(self) -> int:
        """Predictions that came after the deadline since the start."""
        return self._inspector.late

    @property
    def needed(self) -> Needed | None:
        """Pixels that its frames must have; None for all that the source has, and before the first model."""
        return self._feed.intake.needed

    @property
    def intake(self) -> Intake:
        """Where its frames are let in, or held back."""
        return self._feed.intake

    @property
    def tuning(self) -> Tuning:
        """What was changed of its decision since the start."""
        return self._inspector.tuning

    @property
    def is_loading(self) -> bool:
        """Whether it is still to be seen if there is a model for its first frame."""
        return self._feed.intake.preparer is None and self.state in ("starting", "ok")

    def drops(self) -> dict[str, int]:
        """Frames dropped on purpose since the start, by reason."""
        feed = self._feed
        counts = {"overrun": feed.box.dropped, "no_model": feed.box.skipped, "still": feed.intake.still}
        counts |= {str(why): count for why, count in feed.intake.held.items()}
        return {reason: count for reason, count in counts.items() if count}

    def _run(self) -> None:
        backoff = Backoff(_RELOAD_FIRST_S, _RELOAD_MAX_S)
        while not self._stop.is_set():
            fault = self._until_fault()
            if fault is None:
                self._set("ended", None)
                return
            self._feed.box.skip(on=self._feed.shared)
            self._set("failed", fault)
            self._stop.wait(backoff.next_s())

    def _until_fault(self) -> LinesideError | None:
        """Load the model and work; None when the frames have ended or the pipeline was stopped."""
        try:
            model = self._load()
            try:
                self._feed.box.skip(on=False)
                self._set("ok", None)
                self._work(model)
            finally:
                model.close()
        except LinesideError as error:
            return error
        except Exception as error:  # the boundary of a plug-in: a model may raise anything, the line goes on
            log.exception("pipeline %s failed", self.name, extra={"pipeline": self.name})
            return ModelRefused(f"{type(error).__name__}: {error}", hint="report it with the log lines above")
        return None

    def _work(self, model: Model) -> None:
        intake = self._feed.intake
        finisher = Finisher(f"finish-{self.name}", partial(self._finish, model))
        self.tuning.over(model.rule)  # known before the first frame
        intake.preparer = model.preparer()
        try:
            self._infer(model, finisher)
        finally:
            intake.preparer = None
            finisher.close()

    def _infer(self, model: Model, finisher: Finisher[tuple[Job, Inferred]]) -> None:
        """The interpreter's thread: does as little else as possible, and does it in this order.

        A result waits until the next frame is there; then it is handed over right before the interpreter lets go of the GIL.
        """
        box, stop = self._feed.box, self._stop
        own = model.preparer()
        unfinished: tuple[Job, Inferred] | None = None
        while not stop.is_set():
            try:
                job = box.get(_POLL_S)
            except Closed:
                return
            if job is None:
                continue
            if job.prepared is None or job.by is not self._feed.intake.preparer:  # it came before this model
                job.prepared, job.by = own.prepare(job.frame.pixels), own
            if unfinished is not None:
                finisher.later(unfinished)
            unfinished = (job, model.infer(job.prepared))
            del job  # some megabytes, and the next one may be long in coming
            if self._once or not len(box):
                finisher.now(unfinished)
                unfinished = None
            if self._once:
                box.close()
                return
        if unfinished is not None:
            finisher.now(unfinished)

    def _finish(self, model: Model, done: tuple[Job, Inferred]) -> None:
        """One thread at a time, in the order of the frames."""
        job, inferred = done
        inspection = self._inspector.inspect(job.frame, inferred, model)
        if job.by is not None:
            job.by.recycle(inferred.prepared)
        self.figures.record(inspection.prediction.latency_ms.total, time.monotonic())
        if inspection.publish or inspection.event_seq is not None:
            self._sink.send(
                inspection.prediction,
                qos=self.settings.qos,
                event_seq=inspection.event_seq,
                publish=inspection.publish,
                wait=self._may_wait,
            )

    def _set(self, state: PipelineState, fault: LinesideError | None) -> None:
        before = (self.state, str(self.fault))
        self.state, self.fault = state, fault
        if before == (state, str(fault)):
            return
        fields = {"pipeline": self.name, "state": state}
        if fault is None:
            log.info("pipeline %s: %s", self.name, state, extra=fields)
        else:
            log.error("pipeline %s: %s", self.name, fault, extra=fields | {"code": fault.code, "hint": fault.hint})
        self._on_change(self)
