"""What one load of a model begins: frames are inferred, finished, numbered and sent until they end, a fault comes or another shift works.

Two threads share it. The inference thread does as little as possible beside the interpreter; what comes after it is done in the finishing
thread where the next frame waits already (`agent.pipeline.finisher`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.core.errors import ModelCrashed
from agent.core.health import Figures
from agent.core.mailbox import Closed
from agent.pipeline.finisher import Finisher
from agent.pipeline.offer import Offer, OfferBox

if TYPE_CHECKING:
    import threading

    from agent.core.results import Result
    from agent.models.contract import Inferred, Model, Prepared, Preparer
    from agent.pipeline.candidates import Candidates
    from agent.pipeline.inspector import Inspector
    from agent.pipeline.intake import Job
    from agent.pipeline.observer import Observers
    from agent.pipeline.runner import Feed
    from agent.pipeline.settings import PipelineSettings
    from agent.pipeline.shift import Shift
    from agent.sinks.contract import Sink

_POLL_S = 0.5
"""How long a pipeline waits for a frame before it looks whether it should stop."""


@dataclass(slots=True)
class Station:
    """What outlives a load: where frames come from and predictions go, the numbers, and who looks on.

    Attributes:
        name: Of its table in the configuration.
        settings: That table.
        feed: Where frames come from.
        sink: Where predictions go.
        inspector: Decides and numbers.
        observers: Told of each prediction.
        candidates: Which of them decides some of the frames.
        once: End after the first prediction.
        stop: End after the frame at hand.
        offers: Models that are to take the place of the one at work.
        figures: Rate and latencies.
        crashed_frames: Lost with the process of a model.
    """

    name: str
    settings: PipelineSettings
    feed: Feed
    sink: Sink
    inspector: Inspector
    observers: Observers
    candidates: Candidates
    once: bool
    stop: threading.Event
    offers: OfferBox = field(default_factory=OfferBox)
    figures: Figures = field(default_factory=Figures)
    crashed_frames: int = 0


@dataclass(frozen=True, slots=True)
class _Made:
    """A frame that is to be finished, and the model that inferred it, which is no longer the one at work where a swap came between.

    Attributes:
        result: Where the outputs were decoded already.
    """

    job: Job
    inferred: Inferred
    model: Model
    result: Result | None = None


class Work:
    """Made and run by a shift's inference thread.

    Attributes:
        model: Takes the next frame; to be closed by who made this, when the work is over.
    """

    def __init__(self, station: Station, shift: Shift, model: Model) -> None:
        """Store.

        Args:
            station: Of the pipeline.
            shift: Whose threads work.
            model: The first one; an offer may replace it.
        """
        self.model = model
        self._station = station
        self._shift = shift
        self._own: Preparer
        self._unfinished: _Made | None = None
        self._offers: list[Offer] = []
        """Those that were taken, until the old model's last frame is finished."""
        self._finisher = Finisher[_Made | Offer](f"finish-{station.name}", self._finish)

    def run(self) -> None:
        """Work until the frames end, or the pipeline is stopped.

        Raises:
            LinesideError: Of the model.
            Exception: Of a decoder or a sink.
        """
        station, shift, intake = self._station, self._shift, self._station.feed.intake
        shift.helper = self._finisher
        station.inspector.tuning.works_with(self.model.rule)  # known before the first frame
        self._own = self.model.preparer()
        intake.preparer = self.model.preparer()
        try:
            self._infer()
        finally:
            try:
                with shift:
                    intake.preparer = None
                self._finisher.close()
            finally:
                while self._offers:  # no frame of their old models is on its way any more
                    self._offers.pop().conclude()

    def _infer(self) -> None:
        """The interpreter's thread: does as little else as possible, and does it in this order.

        A result waits until the next frame is there; then it is handed over right before the interpreter lets go of the GIL.
        """
        station, shift = self._station, self._shift
        box, stop, offers = station.feed.box, station.stop, station.offers

        def has_left() -> bool:
            return shift.is_over

        while not (stop.is_set() or shift.is_over):
            # In this order: what lies in the box may be from before the boundary.
            if (offer := offers.waiting) is not None and offer.is_for_all_that_come() and not len(box):
                self._swap(offer)
            try:
                job = box.get(_POLL_S, has_left)
            except Closed:
                break
            if job is None:
                continue
            shift.taken += 1
            if (offer := offers.waiting) is not None and offer.is_for(job.frame.index):
                self._swap(offer)
            self._unfinished = self._made(job)
            del job  # some megabytes, and the next one may be long in coming
            if station.once or not len(box):
                self._finish_at_once()
            if station.once:
                box.close()
                return
        self._finish_at_once()

    def _made(self, job: Job) -> _Made:
        """The frame, inferred by one model; the frame before is handed over meanwhile."""
        if self._station.candidates.canary is not None:
            self._hand_over()
            if (made := self._shift.do("infer", self._by_canary, job)) is not None:
                return made
        prepared = self._prepared(job)
        self._hand_over()
        return _Made(job, self._shift.do("infer", self._invoke, prepared), self.model)

    def _hand_over(self) -> None:
        unfinished, self._unfinished = self._unfinished, None
        if unfinished is not None:
            self._finisher.later(unfinished)

    def _finish_at_once(self) -> None:
        unfinished, self._unfinished = self._unfinished, None
        if unfinished is not None:
            self._finisher.now(unfinished)

    def _prepared(self, job: Job) -> Prepared:
        """The input of a frame; filled here if the frame came before the model at work, or it was filled for another one."""
        if job.prepared is None or job.by is not self._station.feed.intake.preparer:
            job.prepared, job.by = self._shift.do("prepare", self._own.prepare, job.frame.pixels), self._own
        return job.prepared

    def _by_canary(self, job: Job) -> _Made | None:
        """The candidate's, if it is its turn and it can."""
        canary = self._station.candidates.canary
        if canary is None or (answer := canary.decide(job.frame)) is None:
            return None
        return _Made(job, answer.inferred, canary.model, answer.result)

    def _swap(self, offer: Offer) -> None:
        """From here on the offered model takes every frame; the old one goes back when what it inferred is finished."""
        station = self._station
        self._finish_at_once()
        with self._shift:
            if station.offers.take(offer) is None:
                return
            offer.former, offer.taken = self.model, True
            self._offers.append(offer)
            self.model, self._own = offer.model, offer.own
            station.feed.intake.preparer = offer.at_intake
        station.candidates.end()
        station.inspector.tuning.works_with(offer.model.rule)
        self._finisher.now(offer)

    def _invoke(self, prepared: Prepared) -> Inferred:
        """Run the model; a frame on which its process crashes is lost and counted."""
        try:
            return self.model.infer(prepared)
        except ModelCrashed:
            self._station.crashed_frames += 1
            raise

    def _finish(self, made: _Made | Offer) -> None:
        """One thread at a time, in the order of the frames. What was numbered is sent, what was not never is."""
        if isinstance(made, Offer):  # all frames before it are finished
            made.conclude()
            self._offers.remove(made)
            return
        station, shift = self._station, self._shift
        job, inferred, model = made.job, made.inferred, made.model
        result = shift.do("decode", model.decode, inferred) if made.result is None else made.result
        with shift:
            inspection = station.inspector.inspect(job.frame, inferred, model, result)
            shift.numbered += 1
        if job.by is not None and job.prepared is not None:
            job.by.recycle(job.prepared)
        station.figures.record(inspection.prediction.latency_ms.total, time.monotonic())
        if inspection.publish or inspection.event_seq is not None:
            shift.do(
                "send",
                station.sink.send,
                inspection.prediction,
                qos=station.settings.qos,
                event_seq=inspection.event_seq,
                publish=inspection.publish,
                wait=self._may_wait if station.feed.finite else None,
            )
        if station.observers.present:
            shift.do("observe", station.observers.tell, job.frame, inspection.prediction, inferred)

    def _may_wait(self) -> bool:
        """Whether a full sink may hold up the frames of files."""
        return self._shift.waits("send") and not self._station.stop.is_set()
