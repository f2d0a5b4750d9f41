"""From one result to one numbered prediction. No thread, no queue: the runner calls, a test may call too."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.core.decisions import EventRule, PublishRule, Smoothing, decide
from agent.core.messages import FrameReference, Latency, Prediction
from agent.core.results import Anomaly, is_finite
from agent.core.times import new_id, utc_text
from agent.pipeline.tuning import Tuning

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.core.decisions import DecisionRule
    from agent.core.frames import Frame
    from agent.core.messages import Clock, Decision
    from agent.core.results import Result
    from agent.models.contract import Inferred, Model
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
    """The memory of one pipeline: numbers, smoothing, the last verdict. One thread at a time.

    It outlives a reload of the model, so that `seq` and `event_seq` have no gap in a session.

    Attributes:
        late: Predictions that came later than `deadline_ms`.
        tuning: What was changed of the decision since the start.
    """

    def __init__(self, pipeline: str, settings: PipelineSettings, identity: Identity) -> None:
        self.late = 0
        self.tuning = Tuning()
        self._pipeline = pipeline
        self._settings = settings
        self._identity = identity
        self._smoothing = Smoothing(settings.smoothing.n, settings.smoothing.m) if settings.smoothing else None
        self._events = EventRule(settings.events)
        self._publish = PublishRule(settings.publish, settings.heartbeat_s)
        self._deadline_ms = float("inf") if settings.deadline_ms is None else settings.deadline_ms
        self._seq = 0
        self._event_seq = 0

    def inspect(self, frame: Frame, inferred: Inferred, model: Model, result: Result) -> Inspection:
        """Judge what the model's decoder read in a frame, and number it.

        A result that holds a NaN or an infinity has `quality: "bad"`, and where there is a rule its decision is `unsure`:
        it is never accepted. One that comes after the deadline has `quality: "stale"` and the decision of `on_stale`: the part it
        speaks of has passed.
        """
        finite = is_finite(result)
        rule = self.tuning.over(model.rule)
        if rule is not model.rule and rule is not None and isinstance(result, Anomaly):
            result.threshold = rule.threshold  # the message names what was decided by
        decision = _raw(result, rule, finite=finite)
        if self._smoothing:
            decision = self._smoothing.apply(decision)
        latency = _latency(frame, inferred)
        late = latency.total + frame.age_ns / 1e6 > self._deadline_ms
        if late:
            self.late += 1
            decision = decision and self._settings.on_stale
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
            quality="bad" if not finite else "stale" if late else "good",
            historical=False,
            latency_ms=latency,
        )
        self._seq += 1
        if event_seq is not None:
            self._event_seq += 1
        return Inspection(prediction, event_seq, self._publish.selects(decision, result, time.monotonic()))

    def instead(self) -> Callable[[Result, DecisionRule | None], Decision | None]:
        """What would have been decided of the frame that was inspected last, had it been another model's.

        To be asked for in the thread that inspects; the answer holds for that frame for good, and any thread may call it with a result and
        the rule of the model that it came from. Whether it would have come in time is not asked.
        """
        tuning, smoothed = self.tuning, self._smoothing.instead() if self._smoothing else None

        def decision(result: Result, rule: DecisionRule | None) -> Decision | None:
            raw = _raw(result, tuning.over(rule), finite=is_finite(result))
            return raw if smoothed is None else smoothed(raw)

        return decision


def _raw(result: Result, rule: DecisionRule | None, *, finite: bool) -> Decision | None:
    """The decision on a result by itself."""
    return decide(result, rule) if finite or rule is None else "unsure"


def _latency(frame: Frame, inferred: Inferred) -> Latency:
    """Milliseconds of each step, from hand-over until now; `post` includes the decision. The steps add up to `total`."""
    prepared, done_ns = inferred.prepared, time.perf_counter_ns()
    wait_ns = (prepared.began_ns - frame.handed_over_ns) + (inferred.began_ns - prepared.ready_ns)
    pre_ns = (prepared.ready_ns - prepared.began_ns) + (inferred.invoke_ns - inferred.began_ns)
    return Latency(
        wait=wait_ns // 1000 / 1000,
        pre=pre_ns // 1000 / 1000,
        invoke=(inferred.invoked_ns - inferred.invoke_ns) // 1000 / 1000,
        post=(done_ns - inferred.invoked_ns) // 1000 / 1000,
        total=(done_ns - frame.handed_over_ns) // 1000 / 1000,
    )
