"""What waits to be sent, in which order, and what is given up when it is too much.

Pure: no thread, no clock, no socket. The publisher holds its lock around every call.

- An *event* is sent on `event`, first in, first out, late ones included. What a full lane gives up is announced by a `Gap`.
- A *prediction* is sent on `prediction` while the broker is there. One that was taken while it was away, or that was on its way
  when the connection was lost, is history: it goes to `backlog`, in order, slowly enough not to hold up live ones. If it is also
  an event, it goes to `event` only.
- The newest prediction of a pipeline is repeated on `prediction` a second after each connect, so that a late subscriber sees it,
  unless a newer one comes first. The repetition is history only if that prediction had been late.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from agent.core.messages import Gap, Prediction

if TYPE_CHECKING:
    from collections.abc import Sequence

Channel = Literal["event", "prediction", "backlog"]
QUEUE_FULL = "queue_full"
REPEAT_AFTER_S = 1.0
"""After a connect: so long a repetition waits for a live prediction to take its place, so that nobody gets one twice."""


@dataclass(slots=True, eq=False)
class Parcel:
    """One message on its way.

    Attributes:
        channel: Which topic of the pipeline.
        message: What to encode, after `stamp`.
        qos: Quality of service on that topic.
        event_seq: For `event`, else None.
        is_late: It was not sent when it was made.
        is_event: The prediction is in the event lane too.
        is_repeat: A repetition of the newest prediction, which nobody misses.
    """

    channel: Channel
    message: Prediction | Gap
    qos: int
    event_seq: int | None = None
    is_late: bool = False
    is_event: bool = False
    is_repeat: bool = False

    @property
    def pipeline(self) -> str:
        """The pipeline that it is from."""
        return self.message.pipeline

    @property
    def retain(self) -> bool:
        """Whether the broker keeps it for late subscribers."""
        return self.channel == "prediction"

    def stamp(self, published_at: str) -> Prediction | Gap:
        """The message with the fields that belong to this way of sending it. Lanes may share a message: stamp, then encode."""
        message = self.message
        if isinstance(message, Prediction):
            message.published_at = published_at
            message.event_seq = self.event_seq
            message.historical = self.is_late
        return message


class Outbox:
    """Two lanes, events and predictions, each bounded by `capacity`.

    Attributes:
        dropped: Messages given up, by reason.
        is_connected: Between `connect` and `disconnect`.
    """

    def __init__(self, capacity: int, backlog_rate_hz: float) -> None:
        self.dropped: Counter[str] = Counter()
        self.is_connected = False
        self._capacity = capacity
        self._backlog_interval_s = 1.0 / backlog_rate_hz
        self._backlog_due_s = 0.0
        self._events: deque[Parcel] = deque()
        self._gaps: dict[str, list[Gap]] = {}
        """Given up, not announced yet; they come before whatever of their pipeline is in `_events`."""
        self._next_events: deque[Parcel] = deque()
        """A gap and the event behind it: taken from the lane, so that an overflow cannot put gap upon gap and no event."""
        self._live: deque[Parcel] = deque()
        self._backlog: deque[Parcel] = deque()
        """Older than everything in `_live`; both together are the prediction lane."""
        self._newest: dict[str, Parcel] = {}
        """Of each pipeline the repetition, should it be owed."""
        self._to_repeat: dict[str, None] = {}
        self._repeat_after_s = REPEAT_AFTER_S
        self._repeat_due_s = 0.0
        self._was_event = False

    def __len__(self) -> int:
        gaps = sum(map(len, self._gaps.values()))
        return len(self._events) + len(self._next_events) + len(self._live) + len(self._backlog) + gaps

    @property
    def owes_repeat(self) -> bool:
        """Whether a repetition waits; `len` does not count it, as nobody misses it."""
        return bool(self._to_repeat)

    def has_room(self, *, event: bool, publish: bool) -> bool:
        """Whether a message would be taken without giving up another."""
        full_of_events = event and len(self._events) >= self._capacity
        return not full_of_events and not (publish and self._predictions() >= self._capacity)

    def put(self, prediction: Prediction, *, qos: int, event_seq: int | None, publish: bool) -> None:
        """Take a prediction; a full lane gives up its oldest and counts it."""
        late = not self.is_connected
        is_event = event_seq is not None
        if is_event:
            self._events.append(Parcel("event", prediction, 1, event_seq, is_late=late))
            self._bound_events()
        if not publish:
            return
        self._newest[prediction.pipeline] = Parcel("prediction", prediction, qos, is_late=late, is_repeat=True)
        self._to_repeat.pop(prediction.pipeline, None)
        if self.is_connected:
            self._live.append(Parcel("prediction", prediction, qos, is_event=is_event))
        elif not is_event:
            self._backlog.append(Parcel("backlog", prediction, 1, is_late=True))
        self._bound_predictions()

    def connect(self, now_s: float) -> None:
        """The broker is there, at the monotonic time `now_s`."""
        self.is_connected = True
        self._to_repeat = dict.fromkeys(self._newest)
        self._repeat_due_s = now_s + self._repeat_after_s

    def disconnect(self, on_their_way: Sequence[Parcel]) -> None:
        """The broker is gone. What waits is late from now on, and so is what may not have arrived.

        Args:
            on_their_way: What was taken and neither confirmed nor discarded, in the order in which it was taken.
        """
        self.is_connected = False
        self._to_repeat.clear()
        self._events.extendleft(reversed([*(p for p in on_their_way if p.channel == "event"), *self._next_events]))
        self._next_events.clear()
        for parcel in self._events:
            parcel.is_late = True
        self._backlog.extendleft(reversed([p for p in on_their_way if p.channel == "backlog"]))
        cut_off = [p for p in on_their_way if p.channel == "prediction" and not p.is_repeat] + list(self._live)
        self._backlog.extend(Parcel("backlog", p.message, 1, is_late=True) for p in cut_off if not p.is_event)
        for newest in self._newest.values():
            newest.is_late |= any(newest.message is parcel.message for parcel in cut_off)
        self._live.clear()
        self._bound_events()
        self._bound_predictions()

    def hurry(self) -> None:
        """No more live predictions will come: none is held up by the backlog, and none will take the place of a repetition."""
        self._backlog_interval_s = 0.0
        self._repeat_after_s = 0.0
        self._repeat_due_s = 0.0

    def take(self, now_s: float, *, may_confirm: bool = True) -> Parcel | None:
        """The next message to send. Events and live predictions take turns; the backlog has what is left, at its rate.

        Args:
            now_s: Monotonic time.
            may_confirm: Whether another message of QoS 1 may be on its way.
        """
        if not self.is_connected:
            return None
        parcel = self._take_repeat(may_confirm=may_confirm) if now_s >= self._repeat_due_s else None
        if parcel is None and self._was_event:
            parcel = self._take_live(may_confirm=may_confirm)
        if parcel is None and may_confirm:
            parcel = self._take_event()
        if parcel is None and not self._was_event:
            parcel = self._take_live(may_confirm=may_confirm)
        if parcel is None and may_confirm and self._backlog and now_s >= self._backlog_due_s:
            # One interval may be caught up, as whoever calls wakes a little late each time.
            self._backlog_due_s = max(self._backlog_due_s + self._backlog_interval_s, now_s)
            parcel = self._backlog.popleft()
        self._was_event = parcel is not None and parcel.channel == "event"
        return parcel

    def wait_s(self, now_s: float) -> float | None:
        """After `take` gave None: when the turn of backlog or repetition is, in seconds from now, or None if there is neither."""
        due_s = [self._backlog_due_s] if self._backlog else []
        due_s += [self._repeat_due_s] if self._to_repeat else []
        return max(0.0, min(due_s) - now_s) if due_s else None

    def discard(self, parcel: Parcel, reason: str) -> None:
        """A message that was taken can never be sent: count it, and announce it if it is an event."""
        if parcel.is_repeat:
            self._newest.pop(parcel.pipeline, None)
        elif parcel.channel != "event":
            self.dropped[reason] += 1
        elif parcel.event_seq is not None:
            self._give_up_event(parcel, reason)

    def _take_repeat(self, *, may_confirm: bool) -> Parcel | None:
        for pipeline in self._to_repeat:
            newest = self._newest[pipeline]
            if newest.qos == 0 or may_confirm:
                del self._to_repeat[pipeline]
                return newest
        return None

    def _take_live(self, *, may_confirm: bool) -> Parcel | None:
        return self._live.popleft() if self._live and (may_confirm or self._live[0].qos == 0) else None

    def _take_event(self) -> Parcel | None:
        if not self._next_events:
            if self._events:
                event = self._events.popleft()
                self._next_events.extend(_announced(self._gaps.pop(event.pipeline, ())))
                self._next_events.append(event)
            elif self._gaps:
                self._next_events.extend(_announced(self._gaps.pop(next(iter(self._gaps)))))
        return self._next_events.popleft() if self._next_events else None

    def _predictions(self) -> int:
        return len(self._live) + len(self._backlog)

    def _bound_predictions(self) -> None:
        while self._predictions() > self._capacity:
            oldest = (self._backlog or self._live).popleft()
            self.dropped[QUEUE_FULL] += 1
            newest = self._newest.get(oldest.pipeline)
            if self.is_connected and newest is not None and newest.message is oldest.message:
                newest.is_late = True  # others pushed it out; it is still the last of its pipeline
                self._to_repeat[oldest.pipeline] = None

    def _bound_events(self) -> None:
        while len(self._events) > self._capacity:
            self._give_up_event(self._events.popleft(), QUEUE_FULL)

    def _give_up_event(self, parcel: Parcel, reason: str) -> None:
        """What is given up in one piece is announced in one piece."""
        message = parcel.message
        if isinstance(message, Prediction):
            assert parcel.event_seq is not None  # noqa: S101 - said by `put`
            self.dropped[reason] += 1
            message = Gap(
                session=message.session,
                pipeline=message.pipeline,
                first=parcel.event_seq,
                last=parcel.event_seq,
                reason=reason,
            )
        gaps = self._gaps.setdefault(message.pipeline, [])
        if gaps and gaps[-1].last + 1 == message.first and gaps[-1].reason == message.reason:
            gaps[-1].last = message.last
        else:
            gaps.append(message)


def _announced(gaps: Sequence[Gap]) -> list[Parcel]:
    return [Parcel("event", gap, 1) for gap in gaps]
