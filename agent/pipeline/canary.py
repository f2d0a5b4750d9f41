"""A candidate that decides a share of the frames in earnest, while it is still easy to go back.

Each frame is decided by one model: the candidate has some time for it, in a thread of its own, and where it fails or is not back by then,
the model at work decides as if nothing had been. So a candidate that raises, crashes or hangs costs no frame, and its first fault ends it.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from agent.core.comparing import NOT_FINITE, own_ms_of
from agent.core.results import is_finite
from agent.core.sets import is_of_share
from agent.pipeline.beside import Answer, Failure
from agent.pipeline.tried import Tried

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.core.frames import Frame
    from agent.core.messages import Prediction
    from agent.models.contract import Inferred, Model

_KEPT = 4096
"""Latencies that are kept of each model."""
_FIRST_FRAMES = 8
"""Decided by the model at work, so that it is known what it takes."""
_LONGEST_S = 1.0
_SLOWER = 2.0
"""On a live line the candidate may take a frame's period without so many times what the model at work takes, so that no frame is dropped; but
always so many times what the model at work takes."""
_PERIODS = 9
"""Whose median is the line's."""
_NEW = 1 / 8
"""How fast the estimate follows of what the model at work takes."""


@dataclass(frozen=True, slots=True)
class Side:
    """What one model decided since the canary began.

    Attributes:
        frames: Predictions that are its own.
        decisions: How many of each; without a rule under `none`.
        bad: Those with a NaN or an infinity.
        late: Those that missed their deadline.
        p50_ms: Of what the model itself takes (`agent.core.comparing.own_ms_of`); None before its first.
        p99_ms: The same.
    """

    frames: int
    decisions: Mapping[str, int]
    bad: int
    late: int
    p50_ms: float | None
    p99_ms: float | None


@dataclass(frozen=True, slots=True)
class Counts:
    """What a canary has shown.

    Attributes:
        candidate: Of the frames that the candidate decided.
        active: Of all others since it began.
        slow: Frames that the candidate had and was not back with in time; they are among those of `active`.
        failed: Frames on which it failed; they are too.
    """

    candidate: Side
    active: Side
    slow: int
    failed: int


class _Tally:
    """The predictions of one model. One thread notes, any thread reads."""

    def __init__(self) -> None:
        self.frames = 0
        self._qualities: Counter[str] = Counter()
        self._decisions: Counter[str] = Counter()
        self._own_ms: deque[float] = deque(maxlen=_KEPT)
        self.usual_ms = 0.0

    def note(self, prediction: Prediction) -> None:
        own_ms = own_ms_of(prediction)
        self.usual_ms = own_ms if not self.frames else self.usual_ms + _NEW * (own_ms - self.usual_ms)
        self.frames += 1
        self._own_ms.append(own_ms)
        self._decisions[prediction.decision or "none"] += 1
        self._qualities[prediction.quality] += 1

    def side(self) -> Side:
        ordered = np.sort(np.array(list(self._own_ms)))
        p50_ms, p99_ms = (float(ordered[int(q * (len(ordered) - 1))]) if len(ordered) else None for q in (0.5, 0.99))
        return Side(
            self.frames, dict(self._decisions), self._qualities["bad"], self._qualities["stale"], p50_ms, p99_ms
        )


class _Question:
    """A frame that the candidate has, and what it answers."""

    def __init__(self) -> None:
        self.came: Answer | Failure | None = None
        self._answered = threading.Event()

    def answer(self, came: Answer | Failure) -> None:
        self.came = came
        self._answered.set()

    def wait(self, timeout_s: float) -> Answer | Failure | None:
        self._answered.wait(timeout_s)
        return self.came


class Canary(Tried[_Question]):
    """Made by `agent.pipeline.runner.PipelineRunner.canary`. Any thread reads, and ends it; the inference thread decides with it."""

    def __init__(
        self,
        pipeline: str,
        model: Model,
        *,
        share: float,
        live: bool,
        deadline_ms: float | None,
        hung_after_s: float,
        on_over: Callable[[], None],
    ) -> None:
        """Store.

        Args:
            pipeline: Name of its table in the configuration.
            model: The candidate; used by nobody else until `wait` says True.
            share: Of the frames that it decides, in 0..1; which ones: `agent.core.sets.is_of_share`.
            live: Frames come in a pace of their own.
            deadline_ms: Of the pipeline.
            hung_after_s: How long a call may take.
            on_over: Called once, when it decides nothing more.
        """
        super().__init__("canary", pipeline, model, _Question.answer, niceness=0, on_over=on_over)
        self._share = share
        self._live = live
        self._deadline_ms = deadline_ms
        self._hung_after_s = hung_after_s
        self._slow = self._failed = 0
        self._mine, self._others = _Tally(), _Tally()
        self._before: Frame | None = None
        self._periods_s: deque[float] = deque(maxlen=_PERIODS)

    @property
    def counts(self) -> Counts:
        """What it has shown so far."""
        return Counts(self._mine.side(), self._others.side(), self._slow, self._failed)

    def end(self) -> Canary:
        """The active model decides every frame from the next one on. Any thread; returns at once, may be called twice.

        Returns:
            Itself, to be waited for.
        """
        self.over()
        return self

    def wait(self, timeout_s: float) -> bool:
        """Wait until the candidate is out of use, so that it may be closed or offered; False if that does not come in time."""
        return self._beside.join(timeout_s)

    def look(self, _frame: Frame, prediction: Prediction, _inferred: Inferred) -> None:
        """A prediction was published; see `agent.pipeline.observer.Observer.seen`."""
        (self._mine if prediction.model is self.model.reference else self._others).note(prediction)

    def decide(self, frame: Frame) -> Answer | None:
        """What the candidate makes of the next frame; None where the active model is to decide it. The inference thread's.

        Waits for the candidate, on a live line not so long that the frame after this one is dropped.
        """
        self._measure(frame)
        if self.is_over or self._others.frames < _FIRST_FRAMES:
            return None
        if not is_of_share(frame.index, self._share):
            return None
        held_s = self._beside.held_s(time.monotonic())
        if held_s is not None:  # it is still at an earlier one
            self._slow += 1
            if held_s > self._hung_after_s:
                self.over(f"a frame was not back after {held_s:.0f} s; its thread was abandoned")
            return None
        question = _Question()
        self._beside.give(frame, question)
        return self._judged(question.wait(self._patience_s(frame)))

    def _judged(self, came: Answer | Failure | None) -> Answer | None:
        if came is None:
            self._slow += 1
        elif isinstance(came, Answer) and is_finite(came.result):
            return came
        else:
            self._failed += 1
            self.over(came.fault if isinstance(came, Failure) else NOT_FINITE)
        return None

    def _measure(self, frame: Frame) -> None:
        """The line's pace; frames that were dropped are counted by their numbers."""
        before, self._before = self._before, frame
        if before is not None and frame.index > before.index:
            period_ns = (frame.handed_over_ns - before.handed_over_ns) / (frame.index - before.index)
            self._periods_s.append(period_ns / 1e9)

    def _patience_s(self, frame: Frame) -> float:
        usual_s = self._others.usual_ms / 1e3
        patience_s = _LONGEST_S
        if self._live and self._periods_s:
            spare_s = sorted(self._periods_s)[len(self._periods_s) // 2] - _SLOWER * usual_s
            patience_s = min(_LONGEST_S, max(spare_s, _SLOWER * usual_s))
        if self._deadline_ms is not None:  # what is left when the active model has still to decide it
            passed_s = (time.perf_counter_ns() - frame.handed_over_ns + frame.age_ns) / 1e9
            patience_s = min(patience_s, self._deadline_ms / 1e3 - passed_s - _SLOWER * usual_s)
        return max(0.0, patience_s)
