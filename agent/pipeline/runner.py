"""One pipeline's thread: takes frames from its mailbox, has them inspected, and gives the predictions to the sink.

Knows no protocol and no file: the model is loaded by a function it is given, and the sink says how it delivers. A model that
is refused makes this pipeline `failed` and is tried again with backoff; one whose child process crashed is loaded again at once, and
the frame that was in it is lost. A call that hangs is noticed by `agent.supervisor`, and the pipeline goes on with fresh threads, the same
mailbox and the same numbers. Nothing of that reaches another pipeline.

A new model is offered to it (`offer`) and taken between two frames by one assignment: the frames before it are the old model's to the end,
those that were prepared for the old one and not yet inferred are prepared anew, and the numbers go on. A candidate may stand beside the model at
work before that: in its shadow (`shadow`) or its canary (`canary`).
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from agent.core.backoff import Backoff
from agent.core.boundary import Handover
from agent.core.crashes import Crashes
from agent.core.errors import LinesideError, ModelCrashed, ModelRefused, Stalled
from agent.pipeline.candidates import Candidates, Line
from agent.pipeline.inspector import Identity, Inspector
from agent.pipeline.observer import Observers
from agent.pipeline.offer import Offer
from agent.pipeline.shift import GivenUp, Patience, Shift
from agent.pipeline.work import Station, Work

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agent.core.boundary import Boundary
    from agent.core.comparing import Pair
    from agent.core.frames import Frame
    from agent.core.mailbox import Mailbox
    from agent.core.supervision import Plan
    from agent.models.contract import Model
    from agent.pipeline.canary import Canary
    from agent.pipeline.intake import Intake, Job
    from agent.pipeline.observer import Observer
    from agent.pipeline.settings import PipelineSettings
    from agent.pipeline.shadow import Shadow
    from agent.pipeline.tuning import Tuning
    from agent.sinks.contract import Sink
    from agent.sources.demand import Needed

log = logging.getLogger("lineside.pipeline")

PipelineState = Literal["starting", "ok", "failed", "ended"]
_RELOAD_FIRST_S, _RELOAD_MAX_S = 5.0, 300.0


@dataclass(frozen=True, slots=True)
class Feed:
    """Where a pipeline's frames come from.

    Attributes:
        box: Closed by the source when there are no more frames.
        intake: What the source does with each frame before it is in the box.
        finite: Frames come from files that wait: none is dropped, and a full sink slows the source.
        shared: Another pipeline takes the same frames, so this one must never hold them up while it has no model.
        handover: Where the source's frames divide, for all pipelines that take them.
    """

    box: Mailbox[Job]
    intake: Intake
    finite: bool
    shared: bool
    handover: Handover = field(default_factory=Handover)


class PipelineRunner:
    """Owns the inference thread of one pipeline. Implements `agent.core.supervision.Supervised`.

    `start`, `stop` and `join` belong to the composition; the rest may be read from any thread.
    """

    kind: Literal["pipeline"] = "pipeline"

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
        patience: Patience = Patience(),  # noqa: B008 - it is a constant
        observers: Sequence[Observer] = (),
    ) -> None:
        """Store; nothing runs yet.

        Args:
            name: Name of the table in the configuration.
            settings: That table.
            feed: Where frames come from.
            load: Gives a loaded model with an interpreter of its own, or raises LinesideError.
            sink: Takes the predictions.
            identity: Device, session and clock of the messages.
            on_change: Called after each change of `state`, in the pipeline's thread or the supervisor's.
            once: End after the first prediction.
            patience: How long one call may hold the thread before it counts as hung.
            observers: Told of each prediction; others may be added later.
        """
        self.name = name
        self.settings = settings
        self.state: PipelineState = "starting"
        self.fault: LinesideError | None = None
        self.child_restarts = 0
        self.observers = Observers(name, observers)
        inspector = Inspector(name, settings, identity)
        line = Line(
            name,
            live=not feed.finite,
            hung_after_s=patience.stall_after_s,
            dropped=lambda: feed.box.dropped,
            instead=inspector.instead,
        )
        self._candidates = Candidates(line, self.observers, feed.intake, settings.deadline_ms)
        self._station = Station(
            name, settings, feed, sink, inspector, self.observers, self._candidates, once=once, stop=threading.Event()
        )
        self.figures = self._station.figures
        self._load = load
        self._on_change = on_change
        self._woken = threading.Event()
        self._patience = patience
        self._shift = self._new_shift()
        self._lost: tuple[list[Shift], int] = ([], 0)
        """Shifts that were given up and have not ended, and how many frames were lost with those that have; replaced as a whole."""
        self.abandoned = 0

    def start(self) -> None:
        """Load the model and begin."""
        self._shift.start()

    def stop(self) -> None:
        """End after the frame at hand. Returns at once."""
        self._station.stop.set()
        self._woken.set()

    def offer(self, model: Model, boundary: Boundary | None = None) -> Offer:
        """Have the pipeline work with another model from one frame to the next. Any thread; returns at once.

        A pipeline that waits for a model begins with this one. One that is being restarted takes it right after its start. One that has ended
        takes none.

        Args:
            model: Loaded by a thread that outlives it, and used by nobody else. Closed by the pipeline once it is taken, by the caller
                otherwise.
            boundary: Takes the frames after it, once it is marked; those before it are the old model's. None for the next frame.

        Returns:
            To be waited for; then its `former` is to be closed by the caller.

        Raises:
            ValueError: The model is in its shadow or canary still.
        """
        self._candidates.must_not_use(model)
        offer = Offer(model, boundary)
        self._station.offers.put(offer)
        self._woken.set()
        return offer

    def shadow(
        self,
        model: Model,
        *,
        on_pair: Callable[[Pair, Frame], None],
        share: float = 1.0,
        spread: float | None = None,
    ) -> Shadow:
        """Have a candidate see what the model at work sees, and compare them. Any thread; returns at once.

        It ends with its first fault, with another model at work, with another candidate in its place, and with the pipeline. A reload of
        the model at work and fresh threads do not end it.

        Args:
            model: Loaded by a thread that outlives it, and used by nobody else. Closed by the caller after `Shadow.stop`.
            on_pair: Called for each frame that both saw, in the candidate's thread.
            share: Of the frames that it sees at most, in 0..1; less where the model at work would be harmed.
            spread: Of the numbers that the model at work gives, in their unit; see `agent.core.agreement.same`.
        """
        return self._candidates.begin_shadow(model, on_pair, share, spread)

    def canary(self, model: Model, *, share: float) -> Canary:
        """Have a candidate decide a share of the frames, after some that show what the model at work takes. Any thread; returns at once.

        It ends as a shadow does. A frame on which it fails, or with which it is not back in time, is decided by the model at work.

        Args:
            model: As for `shadow`; closed by the caller after `Canary.end` and `Canary.wait`.
            share: Of the frames that it decides, in 0..1.
        """
        return self._candidates.begin_canary(model, share)

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; False if it did not come in time. Abandoned threads do not count."""
        return self._shift.join(timeout_s)

    @property
    def abandoned_alive(self) -> int:
        """Abandoned threads that have not ended; a pipeline's two count as one."""
        shifts, hung = self._lost
        ended = [shift for shift in shifts if not shift.alive]
        if ended:  # what it holds, a model and some frames, goes with it
            alive = [shift for shift in shifts if shift not in ended]
            self._lost = alive, hung + sum(map(_frames_lost, ended))
        return len(shifts) - len(ended)

    def stalled_s(self, now_s: float) -> float | None:
        """How long a call has held a thread for too long; see `agent.core.supervision.Supervised`."""
        stuck = None if self._station.stop.is_set() else self._shift.stuck(now_s)
        return None if stuck is None else stuck.held_s

    def abandon(self, now_s: float, plan: Plan) -> bool:
        """Give up the threads; the frames that they hold are lost, and counted as `hung`. See `agent.core.supervision.Supervised`."""
        shift, feed = self._shift, self._station.feed
        stuck = shift.give_up(now_s)
        if stuck is None:
            return False
        self.abandoned += 1
        if stuck.step == "observe":
            self.observers.give_up()
        shifts, hung = self._lost
        self._lost = [*shifts, shift], hung
        feed.intake.preparer = None
        if plan.delay_s > 0:
            feed.box.skip(on=feed.shared)
        again = f"; tried again in {plan.delay_s:g} s" if plan.delay_s > 0 else ""
        fault = Stalled(
            f"{stuck.step}() did not return for {stuck.held_s:.0f} s; its thread was abandoned{again}",
            hint="a delegate's driver, a disk that hangs, a machine that is too slow? see supervision.stall_after_s",
        )
        self._set("failed", fault)
        return True

    def restart(self) -> None:
        """Load the model anew and go on, in fresh threads; see `agent.core.supervision.Supervised`."""
        if not self._station.stop.is_set():
            self._set("starting", None)
            self._shift = self._new_shift()
            self._shift.start()

    @property
    def late(self) -> int:
        """Predictions that came after the deadline since the start."""
        return self._station.inspector.late

    @property
    def needed(self) -> Needed | None:
        """Pixels that its frames must have; None for all that the source has, and before the first model."""
        return self._station.feed.intake.needed

    @property
    def handover(self) -> Handover:
        """Of its source; the same for all pipelines that read that."""
        return self._station.feed.handover

    @property
    def intake(self) -> Intake:
        """Where its frames are let in, or held back."""
        return self._station.feed.intake

    @property
    def tuning(self) -> Tuning:
        """What was changed of its decision since the start."""
        return self._station.inspector.tuning

    @property
    def is_loading(self) -> bool:
        """Whether it is still to be seen if there is a model for its first frame."""
        return self._station.feed.intake.preparer is None and self.state in ("starting", "ok")

    def drops(self) -> dict[str, int]:
        """Frames dropped on purpose since the start, by reason."""
        feed = self._station.feed
        counts = {"overrun": feed.box.dropped, "no_model": feed.box.skipped, "still": feed.intake.still}
        counts["model_crashed"] = self._station.crashed_frames
        counts["slowed"] = feed.intake.slowed
        shifts, hung = self._lost
        counts["hung"] = hung + sum(map(_frames_lost, shifts))
        counts |= {str(why): count for why, count in feed.intake.held.items()}
        return {reason: count for reason, count in counts.items() if count}

    def _new_shift(self) -> Shift:
        return Shift(f"pipeline-{self.name}", self._patience, self._run)

    def _run(self, shift: Shift) -> None:
        try:
            self._until_the_end(shift)
            self._station.offers.close()
            self._candidates.close()
        except GivenUp:  # another shift speaks for the pipeline now
            log.info("pipeline %s: an abandoned thread has ended", self.name, extra={"pipeline": self.name})

    def _until_the_end(self, shift: Shift) -> None:
        backoff, crashes = Backoff(_RELOAD_FIRST_S, _RELOAD_MAX_S), Crashes()
        while not self._station.stop.is_set():
            made = self.figures.predictions
            fault = self._until_fault(shift)
            if fault is None:
                self._set("ended", None)
                return
            if self.figures.predictions > made:  # it has worked: this is not one more fault of the same start
                backoff.reset()
            if isinstance(fault, ModelCrashed):
                self.child_restarts += 1
                again_s = crashes.again_s(time.monotonic(), self.figures.predictions)
                if again_s is not None:  # frames wait meanwhile, as they do for a slow one
                    self._set("starting", fault)
                    self._rest(again_s)
                    continue
                fault = ModelCrashed(f"too many crashes, the last one: {fault}", hint=fault.hint)
            self._station.feed.box.skip(on=self._station.feed.shared)
            self._set("failed", fault)
            self._rest(backoff.next_s())

    def _rest(self, seconds: float) -> None:
        """Wait for the next try, or until it is asked to stop or is offered a model."""
        self._woken.clear()
        if not self._station.stop.is_set() and self._station.offers.waiting is None:
            self._woken.wait(seconds)

    def _until_fault(self, shift: Shift) -> LinesideError | None:
        """Load the model and work; None when the frames have ended or the pipeline was stopped."""
        try:
            work = Work(self._station, shift, shift.do("load", self._loaded, shift))
            try:
                self._station.feed.box.skip(on=False)
                self._set("ok", None)
                work.run()
            finally:
                shift.do("close", work.model.close)
        except GivenUp:
            raise
        except LinesideError as error:
            return error
        except Exception as error:  # the boundary of a plug-in: a model may raise anything, the line goes on
            log.exception("pipeline %s failed", self.name, extra={"pipeline": self.name})
            return ModelRefused(f"{type(error).__name__}: {error}", hint="report it with the log lines above")
        return None

    def _loaded(self, shift: Shift) -> Model:
        """A model, the offered one if there is one; one that comes too late is let go, as nobody else would."""
        if (offer := self._station.offers.take()) is not None:
            self._candidates.end()
            offer.taken = True
            offer.conclude()
        model = self._load() if offer is None else offer.model
        if shift.is_over:
            model.close()
        return model

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


def _frames_lost(shift: Shift) -> int:
    """Frames that a shift took and of which nothing came."""
    return shift.taken - shift.numbered
