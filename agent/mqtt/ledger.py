"""What is owed to the broker: what waits, what is on its way, and how the last word is brought to it.

The one lock between those who send and the thread that delivers; no I/O. Called by the publisher.
"""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.mqtt.notices import Notice, Notices
from agent.mqtt.outbox import Outbox, Parcel

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.core.messages import Prediction

LAST_WORD_S = 1.0
"""Beyond the deadline: for the last word to be confirmed."""
POISON_TRIES = 5
"""So often in a row a message may be the one at which the broker cuts a new connection; then it is given up."""
REFUSED = "refused"
UNDELIVERABLE = (REFUSED, "too_large", "unencodable")
"""Reasons for which a message that was taken is given up, whatever the connection."""
_WAIT_S = 0.1
"""How often a sender that waits for room asks whether it may go on waiting."""


@dataclass(frozen=True, slots=True, eq=False)
class Shipment:
    """A message on its way.

    Attributes:
        ticket: Its number, rising.
        what: The message.
        qos: 0 or 1.
        at_s: Monotonic time at which it was taken.
    """

    ticket: int
    what: Parcel | Notice
    qos: int
    at_s: float


class Ledger:
    """`put`, `announce`, `stop` and the properties: any thread. The rest: one thread at a time, the one that delivers."""

    def __init__(self, capacity: int, backlog_rate_hz: float) -> None:
        self._outbox = Outbox(capacity, backlog_rate_hz)
        self._notices = Notices()
        self._changed = threading.Condition()
        self._tickets = itertools.count()
        self._on_their_way: dict[int, Shipment] = {}
        self._unconfirmed = 0
        self._has_confirmed = False
        self._suspect: object = None
        self._suspicions = 0
        self._last_word: Notice | None = None
        self._last_word_is_said = False
        self._deadline_s = float("inf")

    # -- those who send ---------------------------------------------------------------------------------------------

    def put(
        self,
        prediction: Prediction,
        *,
        qos: int,
        event_seq: int | None,
        publish: bool,
        wait: Callable[[], bool] | None,
    ) -> None:
        """Take a prediction; see `agent.sinks.contract.Sink.send`."""
        outbox = self._outbox
        with self._changed:
            if wait is not None:
                while not outbox.has_room(event=event_seq is not None, publish=publish):
                    if not outbox.is_connected or not wait():
                        break
                    self._changed.wait(_WAIT_S)
            if self._last_word is None:
                outbox.put(prediction, qos=qos, event_seq=event_seq, publish=publish)
            else:
                outbox.dropped["stopping"] += 1

    def announce(self, topic: str, payload: bytes, *, qos: int) -> None:
        """Take a notice."""
        with self._changed:
            if self._last_word is None:
                self._notices.announce(topic, payload, qos=qos)

    def stop(self, last_word: Notice, deadline_s: float) -> None:
        """Take nothing more. The last word follows when all is delivered, at the latest at `deadline_s`."""
        with self._changed:
            if self._last_word is None:
                self._last_word = last_word
                self._deadline_s = deadline_s
                self._outbox.hurry()
                self._changed.notify_all()

    def say_last_word(self) -> None:
        """After `stop`: from here on only notices are sent, and the last word is one. May be called twice."""
        with self._changed:
            if self._last_word is not None and not self._last_word_is_said:
                self._last_word_is_said = True
                self._notices.announce(self._last_word.topic, self._last_word.payload, qos=self._last_word.qos)

    @property
    def is_stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._last_word is not None

    @property
    def deadline_s(self) -> float:
        """Monotonic time by which everything must end."""
        return self._deadline_s

    @property
    def queued(self) -> int:
        """Predictions, events and gaps that wait or are on their way."""
        with self._changed:
            parcels = [s.what for s in self._on_their_way.values() if isinstance(s.what, Parcel)]
            return len(self._outbox) + sum(not parcel.is_repeat for parcel in parcels)

    @property
    def undelivered(self) -> int:
        """All of `queued`, what could never be delivered, and the notices of QoS 1 that were never confirmed.

        The last word is one of those once it is owed.
        """
        with self._changed:
            never = sum(self._outbox.dropped[reason] for reason in UNDELIVERABLE)
            return self.queued + never + self._notices.undelivered

    @property
    def dropped(self) -> dict[str, int]:
        """Messages dropped since the start, by reason."""
        with self._changed:
            return dict(self._outbox.dropped)

    def wait_for_stop(self, timeout_s: float) -> bool:
        """Whether `stop` was called, now or within `timeout_s`."""
        with self._changed:
            return self._changed.wait_for(lambda: self.is_stopping, timeout_s)

    # -- whoever delivers -----------------------------------------------------------------------------------

    def connect(self, now_s: float) -> None:
        """The broker is there, at the monotonic time `now_s`: every notice is said again."""
        with self._changed:
            self._has_confirmed = False
            self._outbox.connect(now_s)
            self._notices.repeat()

    def disconnect(self, *, was_short: bool) -> Parcel | Notice | None:
        """The broker is gone: what was on its way waits again.

        Args:
            was_short: The connection ended soon after it came about.

        Returns:
            A message that was given up, as it is the one that the broker cuts us for, or None.
        """
        with self._changed:
            poison = self._find_poison() if was_short else None
            if poison is not None:
                self.settle(poison.ticket, REFUSED)
            parcels = [s.what for s in self._on_their_way.values() if isinstance(s.what, Parcel)]
            self._outbox.disconnect(parcels)
            self._on_their_way.clear()
            self._unconfirmed = 0
            self._changed.notify_all()
            return None if poison is None else poison.what

    def _find_poison(self) -> Shipment | None:
        """The message that was next to be confirmed, if it was that too often.

        mosquitto 2.0.11 cuts the connection at a message on a forbidden topic, before its answer can be read; sent again and
        again, it would cut the device off for good. A broker that confirms nothing at all has other troubles.
        """
        head = next((shipment for shipment in self._on_their_way.values() if shipment.qos > 0), None)
        if head is None or not self._has_confirmed:
            return None
        suspect = head.what.message if isinstance(head.what, Parcel) else head.what
        self._suspicions = self._suspicions + 1 if suspect is self._suspect else 1
        self._suspect = suspect
        return head if self._suspicions >= POISON_TRIES else None

    def take(self, now_s: float, *, window: int) -> Shipment | None:
        """The next message to send, notices first. It is on its way until `settle` or `disconnect`.

        Args:
            now_s: Monotonic time.
            window: Messages of QoS 1 that may be on their way.
        """
        with self._changed:
            may_confirm = self._unconfirmed < window
            what: Parcel | Notice | None = self._notices.take() if may_confirm else None
            if what is None and not self._last_word_is_said:
                what = self._outbox.take(now_s, may_confirm=may_confirm)
            if what is None:
                return None
            shipment = Shipment(next(self._tickets), what, what.qos, now_s)
            self._on_their_way[shipment.ticket] = shipment
            self._unconfirmed += shipment.qos > 0
            self._changed.notify_all()
            return shipment

    def wait_s(self, now_s: float, *, window: int) -> float | None:
        """After `take` gave None: when there will be something without anybody doing anything, in seconds, or None."""
        with self._changed:
            is_open = self._unconfirmed < window and not self._last_word_is_said
            return self._outbox.wait_s(now_s) if is_open else None

    def settle(self, ticket: int, reason: str | None = None) -> Shipment:
        """A shipment is through; or it never will be, for `reason`, under which it is counted."""
        with self._changed:
            shipment = self._on_their_way.pop(ticket)
            self._unconfirmed -= shipment.qos > 0
            self._has_confirmed |= shipment.qos > 0 and reason is None
            if isinstance(shipment.what, Parcel):
                if reason is not None:
                    self._outbox.discard(shipment.what, reason)
            elif reason is None:
                shipment.what.is_confirmed = True
            else:
                self._outbox.dropped[reason] += 1
                self._notices.give_up(shipment.what)
            return shipment

    @property
    def owes_confirmation(self) -> bool:
        """Whether a message of QoS 1 is on its way."""
        return self._unconfirmed > 0

    def oldest_s(self) -> float | None:
        """When the oldest message on its way was taken, or None."""
        with self._changed:
            oldest = next(iter(self._on_their_way.values()), None)
            return None if oldest is None else oldest.at_s

    def is_done(self, now_s: float) -> bool:
        """Whether the connection has nothing left to do, ever. Says the last word when it is time."""
        with self._changed:
            if self._last_word is None:
                return False
            if not self._last_word_is_said:
                owes = len(self._outbox) or self._outbox.owes_repeat or self._on_their_way
                if now_s < self._deadline_s and owes:
                    return False
                self._deadline_s = max(self._deadline_s, now_s + LAST_WORD_S)
                self.say_last_word()
            owed = self._notices.is_waiting or any(isinstance(s.what, Notice) for s in self._on_their_way.values())
            return not owed or now_s >= self._deadline_s
