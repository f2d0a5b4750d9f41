"""A candidate that sees what the model at work sees, and of whose verdicts none counts: they are compared with what was published.

It looks on after a prediction was sent, in a thread of its own, as often as the model at work bears without being harmed
(`agent.core.bearing`). Its first fault ends it.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.core.agreement import same
from agent.core.bearing import BearableShare
from agent.core.comparing import Pair, failed, own_ms_of, verdict_of
from agent.pipeline.beside import Failure
from agent.pipeline.tried import Tried

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.core.decisions import DecisionRule
    from agent.core.frames import Frame
    from agent.core.messages import Decision, Prediction
    from agent.core.results import Result
    from agent.models.contract import Inferred, Model
    from agent.pipeline.beside import Answer
    from agent.pipeline.candidates import Line

log = logging.getLogger("lineside.pipeline")

NICENESS = 10
STOP_S = 10.0


@dataclass(frozen=True, slots=True)
class _Published:
    """A frame with what was published of it."""

    frame: Frame
    prediction: Prediction
    instead: Callable[[Result, DecisionRule | None], Decision | None]


class Shadow(Tried[_Published]):
    """Made by `agent.pipeline.runner.PipelineRunner.shadow`. Any thread reads, and stops it.

    Attributes:
        seen: Frames that were compared.
        failed: Those of which the candidate made nothing that could be believed.
    """

    def __init__(
        self,
        line: Line,
        model: Model,
        *,
        on_pair: Callable[[Pair, Frame], None],
        share: float,
        spread: float | None,
        on_over: Callable[[], None],
    ) -> None:
        """Store.

        Args:
            line: The pipeline.
            model: The candidate; used by nobody else until `stop` says True.
            on_pair: Called for each frame that was compared, in the candidate's thread.
            share: Of the frames that it sees at most, in 0..1.
            spread: See `agent.core.agreement.same`.
            on_over: Called once, when it looks on no more.
        """
        super().__init__("shadow", line.name, model, self._compare, niceness=NICENESS, on_over=on_over)
        self.seen = 0
        self.failed = 0
        self._line = line
        self._on_pair = on_pair
        self._spread = spread
        self._bearable = BearableShare(share, live=line.live)

    @property
    def share(self) -> float:
        """Of the frames that it sees now, in 0..1, as the model at work bears it."""
        return self._bearable.share

    @property
    def dropped(self) -> int:
        """Frames that it should have seen and was too slow for."""
        return self._beside.dropped

    def stop(self, timeout_s: float = STOP_S) -> bool:
        """Compare nothing more, and wait until the candidate is out of use. Any thread but the candidate's; may be called twice.

        Returns:
            Whether it is, so that it may be closed or offered; False if it hangs in a call for longer than `timeout_s`.
        """
        self.over()
        return self._beside.join(timeout_s)

    def look(self, frame: Frame, prediction: Prediction, _inferred: Inferred) -> None:
        """A prediction was published; see `agent.pipeline.observer.Observer.seen`."""
        now_s = time.monotonic()
        held_s = self._beside.held_s(now_s)
        late = prediction.quality == "stale"
        self._bearable.note(
            now_s, prediction.latency_ms.total, late=late, dropped=self._line.dropped(), beside=held_s is not None
        )
        if held_s is not None and held_s > self._line.hung_after_s:
            self.over(f"a frame was not back after {held_s:.0f} s; its thread was abandoned")
        elif (
            not self.is_over and not late and self._bearable.takes()
        ):  # a late verdict is the clock's and not the model's
            self._beside.give(frame, _Published(frame, prediction, self._line.instead()))

    def _compare(self, published: _Published, came: Answer | Failure) -> None:
        prediction, agrees = published.prediction, True
        if isinstance(came, Failure):
            verdict = failed(came.fault, came.took_ms)
        else:
            decision = published.instead(came.result, self.model.rule)
            verdict = verdict_of(came.result, decision, came.took_ms)
            if decision is None and prediction.decision is None and verdict.fault is None:
                agrees = same(prediction.result, came.result, self._spread)
        active = verdict_of(prediction.result, prediction.decision, own_ms_of(prediction))
        self.seen += 1
        self.failed += verdict.fault is not None
        pair = Pair(prediction.pipeline, prediction.id, time.monotonic(), active, verdict, agrees)
        try:
            self._on_pair(pair, published.frame)
        except Exception:  # who compares may err; the line and the candidate go on
            log.exception("pipeline %s: a pair was not taken", self._line.name)
        if isinstance(came, Failure):
            self.over(came.fault)
