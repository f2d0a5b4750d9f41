"""From one frame to one numbered prediction. No thread, no queue: the runner calls, a test may call too."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.core.decisions import EventRule, PublishRule, Smoothing, decide
from agent.core.messages import FrameReference, Latency, Prediction
from agent.core.results import is_finite
from agent.core.times import new_id, utc_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.core.frames import Frame
    from agent.core.messages import Clock
    from agent.models.contract import Model, Outcome
    from agent.pipeline.settings import PipelineSettings


@dataclass(frozen=True, slots=True)
class Identity:
    """What stands in every message of this start of the agent."""

    device: str
    session: str
    clock: Callable[[], Clock]


@dataclass(slots=True)
class Inspection:
    """A prediction, and what is to be done with it.

    Attributes:
        prediction: Complete but for what the sink sets per message.
        event_seq: Its number as an event, or None if it is none.
        publish: Whether it is published as the pipeline's last prediction.
    """

    prediction: Prediction
    event_seq: int | None
    publish: bool


class Inspector:
    """The memory of one pipeline: numbers, smoothing, the last verdict. Used by one thread.

    It outlives a reload of the model, so that `seq` and `event_seq` have no gap in a session.
    """

    def __init__(self, pipeline: str, settings: PipelineSettings, identity: Identity) -> None:
        self._pipeline = pipeline
        self._settings = settings
        self._identity = identity
        self._smoothing = Smoothing(settings.smoothing.n, settings.smoothing.m) if settings.smoothing else None
        self._events = EventRule(settings.events)
        self._publish = PublishRule(settings.publish, settings.heartbeat_s)
        self._seq = 0
        self._event_seq = 0

    def inspect(self, frame: Frame, model: Model) -> Inspection:
        """Run the model on a frame and judge the result.

        A result that holds a NaN or an infinity has `quality: "bad"`, and where there is a rule its decision is `unsure`:
        it is never accepted.

        Raises:
            ModelRefused: The interpreter failed.
        """
        outcome = model.predict(frame.pixels)
        result = outcome.result
        finite = is_finite(result)
        rule = model.rule
        decision = decide(result, rule) if finite or rule is None else "unsure"
        if self._smoothing:
            decision = self._smoothing.apply(decision)
        event_seq = self._event_seq if self._events.selects(decision) else None
        prediction = Prediction(
            id=new_id(),
            session=self._identity.session,
            seq=self._seq,
            event_seq=None,
            captured_at=utc_text(frame.captured_ns),
            published_at="",
            clock=self._identity.clock(),
            device=self._identity.device,
            pipeline=self._pipeline,
            source=self._settings.source,
            frame=FrameReference(index=frame.index, file=frame.file),
            part_id=None,
            model=model.reference,
            result=result,
            decision=decision,
            quality="good" if finite else "bad",
            historical=False,
            latency_ms=_latency(frame, outcome),
        )
        self._seq += 1
        if event_seq is not None:
            self._event_seq += 1
        return Inspection(prediction, event_seq, self._publish.selects(decision, result, outcome.decoded_ns / 1e9))


def _latency(frame: Frame, outcome: Outcome) -> Latency:
    """Milliseconds of each step, from hand-over until now; `post` includes the decision."""
    done_ns = time.perf_counter_ns()
    return Latency(
        wait=round((outcome.started_ns - frame.handed_over_ns) / 1e6, 3),
        pre=round((outcome.prepared_ns - outcome.started_ns) / 1e6, 3),
        invoke=round((outcome.invoked_ns - outcome.prepared_ns) / 1e6, 3),
        post=round((done_ns - outcome.invoked_ns) / 1e6, 3),
        total=round((done_ns - frame.handed_over_ns) / 1e6, 3),
    )
