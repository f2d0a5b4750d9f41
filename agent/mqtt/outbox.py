"""Predictions that are to be sent now: the lane that does not touch the disk.

Pure: no thread, no clock, no socket. The ledger holds its lock around every call.

- A *prediction* is sent on `prediction` while the broker is there. One that cannot be sent when it is made, as the broker is away
  or slow, is history: it is counted as dropped, or goes to the spool's backlog where the operator keeps one.
- The newest prediction of a pipeline is repeated on `prediction` a second after each connect, so that a late subscriber sees it,
  unless a newer one comes first. The repetition is history only if that prediction had been late.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agent.core.messages import Prediction

AWAY, QUEUE_FULL = "away", "queue_full"
"""Reasons for which a prediction is dropped: the broker was not there, or too slow."""
REPEAT_AFTER_S = 1.0
"""After a connect: so long a repetition waits for a live prediction to take its place, so that nobody gets one twice."""


@dataclass(slots=True, eq=False)
class Parcel:
    """One live prediction on its way.

    Attributes:
        message: What to encode, after `stamp`.
        qos: Quality of service.
        is_late: It was not sent when it was made.
        is_event: The prediction is in the spool too.
        is_repeat: A repetition of the newest prediction, which nobody misses.
    """

    message: Prediction
    qos: int
    is_late: bool = False
    is_event: bool = False
    is_repeat: bool = False

    @property
    def channel(self) -> Literal["prediction"]:
        """Which topic of the pipeline."""
        return "prediction"

    @property
    def pipeline(self) -> str:
        """The pipeline that it is from."""
        return self.message.pipeline

    @property
    def retain(self) -> bool:
        """The broker keeps it for late subscribers."""
        return True

    def stamp(self, published_at: str) -> Prediction:
        """The message with the fields that belong to this way of sending it: stamp, then encode."""
        message = self.message
        message.published_at = published_at
        message.event_seq = None
        message.historical = self.is_late
        return message


class Outbox:
    """Live predictions, at most `capacity`.

    Attributes:
        dropped: Messages given up, by reason; shared with the spool.
        is_connected: Between `connect` and `disconnect`.
    """

    def __init__(self, capacity: int, dropped: Counter[str], keep: Callable[[Prediction], bool]) -> None:
        """Store.

        Args:
            capacity: Predictions that wait at most.
            dropped: Where those that are given up are counted, by reason.
            keep: Takes a prediction that cannot be sent now; False if nobody keeps it.
        """
        self.dropped = dropped
        self.is_connected = False
        self._capacity = capacity
        self._keep = keep
        self._live: deque[Parcel] = deque()
        self._newest: dict[str, Parcel] = {}
        """Of each pipeline the repetition, should it be owed."""
        self._to_repeat: dict[str, None] = {}
        self._repeat_after_s = REPEAT_AFTER_S
        self._repeat_due_s = 0.0

    def __len__(self) -> int:
        return len(self._live)

    @property
    def owes_repeat(self) -> bool:
        """Whether a repetition waits; `len` does not count it, as nobody misses it."""
        return bool(self._to_repeat)

    def has_room(self) -> bool:
        """Whether a prediction would be taken without giving up another."""
        return len(self._live) < self._capacity

    def put(self, prediction: Prediction, *, qos: int, is_event: bool) -> None:
        """Take a prediction; where there are too many, the oldest is history."""
        late = not self.is_connected
        self._newest[prediction.pipeline] = Parcel(prediction, qos, is_late=late, is_repeat=True)
        self._to_repeat.pop(prediction.pipeline, None)
        if late:
            if not is_event:
                self._leave(prediction, AWAY)
            return
        self._live.append(Parcel(prediction, qos, is_event=is_event))
        while len(self._live) > self._capacity:
            self._push_out(self._live.popleft())

    def connect(self, now_s: float) -> None:
        """The broker is there, at the monotonic time `now_s`."""
        self.is_connected = True
        self._to_repeat = dict.fromkeys(self._newest)
        self._repeat_due_s = now_s + self._repeat_after_s

    def disconnect(self, on_their_way: Sequence[Parcel]) -> None:
        """The broker is gone: what waits is history, and so is what may not have arrived.

        Args:
            on_their_way: What was taken and neither confirmed nor discarded, in the order in which it was taken.
        """
        self.is_connected = False
        self._to_repeat.clear()
        cut_off = [p for p in on_their_way if not p.is_repeat] + list(self._live)
        self._live.clear()
        for parcel in cut_off:
            if not parcel.is_event:
                self._leave(parcel.message, AWAY)
        for newest in self._newest.values():
            newest.is_late |= any(newest.message is parcel.message for parcel in cut_off)

    def hurry(self) -> None:
        """No more live predictions will come: none will take the place of a repetition."""
        self._repeat_after_s = 0.0
        self._repeat_due_s = 0.0

    def take_repeat(self, now_s: float, *, may_confirm: bool) -> Parcel | None:
        """A repetition whose time has come.

        Args:
            now_s: Monotonic time.
            may_confirm: Whether another message of QoS 1 may be on its way.
        """
        if now_s < self._repeat_due_s or not self.is_connected:
            return None
        for pipeline in self._to_repeat:
            newest = self._newest[pipeline]
            if newest.qos == 0 or may_confirm:
                del self._to_repeat[pipeline]
                return newest
        return None

    def take(self, *, may_confirm: bool) -> Parcel | None:
        """The oldest prediction that waits, or None; `may_confirm` as in `take_repeat`."""
        return self._live.popleft() if self._live and (may_confirm or self._live[0].qos == 0) else None

    def wait_s(self, now_s: float) -> float | None:
        """When a repetition is due, in seconds from now, or None if there is none."""
        return max(0.0, self._repeat_due_s - now_s) if self._to_repeat else None

    def discard(self, parcel: Parcel, reason: str) -> None:
        """A prediction that was taken can never be sent: count it."""
        if not parcel.is_repeat:
            self.dropped[reason] += 1
        elif self._newest.get(parcel.pipeline) is parcel:
            del self._newest[parcel.pipeline]

    def _push_out(self, oldest: Parcel) -> None:
        if not oldest.is_event:
            self._leave(oldest.message, QUEUE_FULL)
        newest = self._newest[oldest.pipeline]
        if newest.message is oldest.message:
            newest.is_late = True  # others pushed it out; it is still the last of its pipeline
            self._to_repeat[oldest.pipeline] = None

    def _leave(self, prediction: Prediction, reason: str) -> None:
        if not self._keep(prediction):
            self.dropped[reason] += 1
