"""What is owed to the broker: what waits, what is on its way, and how the last word is brought to it.

The one lock between those who send and the thread that delivers is the spool's; no I/O of its own. Called by the publisher.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from agent.core.times import now_text
from agent.mqtt.notices import Notice, Notices
from agent.mqtt.outbox import Outbox, Parcel
from agent.mqtt.shipment import Shipment
from agent.mqtt.stored import UNENCODABLE, event_record, stored
from agent.spool.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.core.messages import Prediction
    from agent.spool.lane import Lane
    from agent.spool.spool import Spool

LAST_WORD_S = 1.0
"""Beyond the deadline: for the last word to be confirmed."""
POISON_TRIES = 5
"""So often in a row a message may be the one at which the broker cuts a new connection; then it is given up."""
REFUSED = "refused"
UNDELIVERABLE = (REFUSED, "too_large", UNENCODABLE)
"""Reasons for which a message that was taken is given up, whatever the connection."""
_WAIT_S = 0.1
"""How often a sender that waits for room asks whether it may go on waiting."""
_REFUSAL_WAIT_S = 0.1
"""After the first refusal of an event; twice as long after each further one."""


class Ledger:
    """`put`, `announce`, `stop` and the properties: any thread. The rest: one thread at a time, the one that delivers.

    Attributes:
        quarantined: Events that the broker did not take, since the start; they are kept apart.
    """

    def __init__(self, spool: Spool, capacity: int) -> None:
        """Store.

        Args:
            spool: Events and late predictions.
            capacity: Live predictions that wait at most.
        """
        self.quarantined = 0
        self._spool = spool
        self._events = spool.events
        self._changed = spool.changed
        self._capacity = capacity
        self._outbox = Outbox(capacity, spool.dropped, self._keep)
        self._notices = Notices()
        self._tickets = itertools.count()
        self._on_their_way: dict[int, Shipment] = {}
        self._unconfirmed = 0
        self._has_confirmed = False
        self._has_refused = False
        self._was_event = False
        self._backlog_interval_s = 1.0 / spool.settings.backlog_rate
        self._backlog_due_s = 0.0
        self._events_due_s = 0.0
        """Not before: the broker has just refused one."""
        self._refused: set[tuple[str, str]] = set()
        """Lanes of pipelines, each a topic, of which the broker did not take the last message in the end."""
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
        event = None if event_seq is None else event_record(prediction, event_seq)
        outbox = self._outbox
        with self._changed:
            if wait is not None:
                while not self._has_room(event=event is not None, publish=publish):
                    if not outbox.is_connected or not wait():
                        break
                    self._changed.wait(_WAIT_S)
            if self._last_word is not None:
                self._spool.dropped["stopping"] += 1
                return
            if event is not None:
                self._spool.accept(self._events, event)
                if event.is_gap:
                    self._spool.dropped[UNENCODABLE] += 1
            waits = event is not None and self._spool.is_written_first
            if publish and not waits:
                outbox.put(prediction, qos=qos, is_event=event is not None)
        if event is None or not waits:
            return
        self._spool.commit(event)
        if publish:
            with self._changed:
                outbox.put(prediction, qos=qos, is_event=True)

    def _has_room(self, *, event: bool, publish: bool) -> bool:
        return not (event and not self._events.has_room()) and not (publish and not self._outbox.has_room())

    def _keep(self, prediction: Prediction) -> bool:
        """A prediction that cannot be sent now goes to the backlog, where there is one."""
        backlog = self._spool.backlog
        if backlog is None:
            return False
        try:
            payload = stored(prediction, None)
        except TypeError:
            return False
        seq = prediction.seq
        self._spool.accept(
            backlog,
            Record(
                0,
                "backlog",
                prediction.pipeline,
                prediction.session,
                seq,
                seq,
                prediction.decision,
                payload,
                is_late=True,
            ),
        )
        return True

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
                self._backlog_interval_s = 0.0
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
            spooled = sum(map(len, self._spool.lanes))
            return len(self._outbox) + spooled + sum(not parcel.is_repeat for parcel in parcels)

    @property
    def undelivered(self) -> int:
        """All of `queued`, what could never be delivered, and the notices of QoS 1 that were never confirmed.

        The last word is one of those once it is owed.
        """
        with self._changed:
            never = sum(self._spool.dropped[reason] for reason in UNDELIVERABLE) + self.quarantined
            return self.queued + never + self._notices.undelivered

    @property
    def dropped(self) -> dict[str, int]:
        """Messages dropped since the start, by reason."""
        with self._changed:
            return {reason: count for reason, count in self._spool.dropped.items() if count}

    def wait_for_stop(self, timeout_s: float) -> bool:
        """Whether `stop` was called, now or within `timeout_s`."""
        with self._changed:
            return self._changed.wait_for(lambda: self.is_stopping, timeout_s)

    # -- whoever delivers -----------------------------------------------------------------------------------

    def connect(self, now_s: float) -> None:
        """The broker is there, at the monotonic time `now_s`: every notice is said again."""
        with self._changed:
            self._has_confirmed = self._has_refused = False
            self._events_due_s = 0.0
            self._outbox.connect(now_s)
            for lane in self._spool.lanes:
                lane.connect()
            self._notices.repeat()

    def disconnect(self, *, was_short: bool) -> Parcel | Record | Notice | None:
        """The broker is gone: what was on its way waits again.

        Args:
            was_short: The connection ended soon after it came about.

        Returns:
            A message that was given up, as it is the one that the broker cuts us for, or None.
        """
        with self._changed:
            poison = self._find_poison() if was_short else None
            if poison is not None:
                self.settle(poison.ticket, REFUSED, "the broker cuts the connection at it, each time", is_final=True)
            self._outbox.disconnect([s.what for s in self._on_their_way.values() if isinstance(s.what, Parcel)])
            for lane in self._spool.lanes:
                lane.disconnect()
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
        suspect = head.identity
        self._suspicions = self._suspicions + 1 if suspect == self._suspect else 1
        self._suspect = suspect
        refusals = head.what.refusals if isinstance(head.what, Record) else 0
        return head if self._suspicions + refusals >= POISON_TRIES else None

    def take(self, now_s: float, *, window: int) -> Shipment | None:
        """The next message to send, notices first. It is on its way until `settle` or `disconnect`.

        Args:
            now_s: Monotonic time.
            window: Messages of QoS 1 that may be on their way.
        """
        with self._changed:
            may_confirm = self._unconfirmed < window
            what: Parcel | Record | Notice | None = self._notices.take() if may_confirm else None
            if what is None and not self._last_word_is_said:
                what = self._next(now_s, window, may_confirm=may_confirm)
            if what is None:
                return None
            shipment = Shipment(next(self._tickets), what, what.qos, now_s)
            self._on_their_way[shipment.ticket] = shipment
            self._unconfirmed += shipment.qos > 0
            self._changed.notify_all()
            return shipment

    def _next(self, now_s: float, window: int, *, may_confirm: bool) -> Parcel | Record | None:
        """Repetitions first, then events and live predictions in turns; the backlog has what is left, at its rate."""
        outbox = self._outbox
        if not outbox.is_connected:
            return None
        what: Parcel | Record | None = outbox.take_repeat(now_s, may_confirm=may_confirm)
        if what is None and self._was_event:
            what = outbox.take(may_confirm=may_confirm)
        if what is None and may_confirm and now_s >= self._events_due_s:
            what = self._events.take(window)
        if what is None and not self._was_event:
            what = outbox.take(may_confirm=may_confirm)
        backlog = self._spool.backlog
        if what is None and may_confirm and backlog is not None and now_s >= self._backlog_due_s:
            what = backlog.take(window)
            if what is not None:
                # One interval may be caught up, as whoever calls wakes a little late each time.
                self._backlog_due_s = max(self._backlog_due_s + self._backlog_interval_s, now_s)
        self._was_event = isinstance(what, Record) and what.lane == "event"
        return what

    def wait_s(self, now_s: float, *, window: int) -> float | None:
        """After `take` gave None: when there will be something without anybody doing anything, in seconds, or None."""
        with self._changed:
            if self._unconfirmed >= window or self._last_word_is_said or not self._outbox.is_connected:
                return None
            due_s = [self._outbox.wait_s(now_s)]
            events, backlog = self._events, self._spool.backlog
            if (events.must_record and events.is_durable) or events.plan_load() is not None:
                due_s.append(max(0.0, self._events_due_s - now_s))
            elif now_s < self._events_due_s:
                due_s.append(self._events_due_s - now_s)
            if backlog is not None and len(backlog):
                due_s.append(max(0.0, self._backlog_due_s - now_s))
            return min((wait_s for wait_s in due_s if wait_s is not None), default=None)

    def settle(self, ticket: int, reason: str | None = None, why: str = "", *, is_final: bool = False) -> Shipment:
        """A shipment is through; or it was not taken, for `reason`.

        An event that the broker refuses is tried again, and goes to quarantine in the end; whatever else is not taken is given up and
        counted.

        Args:
            ticket: Of the shipment.
            reason: One of `UNDELIVERABLE`, or None.
            why: What the broker said.
            is_final: It is not to be tried again.
        """
        with self._changed:
            shipment = self._on_their_way.pop(ticket)
            self._unconfirmed -= shipment.qos > 0
            self._has_confirmed |= shipment.qos > 0 and reason is None
            self._has_refused |= reason == REFUSED
            what = shipment.what
            if isinstance(what, Record):
                self._settle_record(what, reason, why or reason or "", now_s=shipment.at_s, is_final=is_final)
            elif isinstance(what, Parcel):
                if reason is not None:
                    self._outbox.discard(what, reason)
            elif reason is None:
                what.is_confirmed = True
            else:
                self._spool.dropped[reason] += 1
                self._notices.give_up(what)
            return shipment

    def _settle_record(self, record: Record, reason: str | None, why: str, *, now_s: float, is_final: bool) -> None:
        lane = self._lane(record)
        if reason is None:
            self._refused.discard((record.lane, record.pipeline))
            lane.confirm(record)
            return
        record.refusals += reason == REFUSED
        if record.is_gap:
            if record.id > 0:
                lane.quarantined(record, record.reason or reason)
            else:
                lane.give_back(record)
            return
        is_known = (record.lane, record.pipeline) in self._refused
        if reason == REFUSED and not is_final and not is_known and record.refusals < self._spool.settings.refusals:
            self._events_due_s = now_s + _REFUSAL_WAIT_S * 2 ** (record.refusals - 1)
            lane.give_back(record)
            return
        if reason == REFUSED:
            self._refused.add((record.lane, record.pipeline))
        if self._spool.set_apart(record, why, now_text()):
            self.quarantined += 1
        else:
            self._spool.dropped[reason] += 1
        lane.quarantined(record, reason)

    def _lane(self, record: Record) -> Lane:
        backlog = self._spool.backlog
        return backlog if backlog is not None and record.lane == "backlog" else self._events

    @property
    def owes_confirmation(self) -> bool:
        """Whether the connection may have ended for a message's sake: one of QoS 1 is on its way, or was refused, after which some cut."""
        return self._unconfirmed > 0 or self._has_refused

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
                spooled = any(map(len, self._spool.lanes))
                owes = len(self._outbox) or spooled or self._outbox.owes_repeat or self._on_their_way
                if now_s < self._deadline_s and owes:
                    return False
                self._deadline_s = max(self._deadline_s, now_s + LAST_WORD_S)
                self.say_last_word()
            owed = self._notices.is_waiting or any(isinstance(s.what, Notice) for s in self._on_their_way.values())
            return not owed or now_s >= self._deadline_s
