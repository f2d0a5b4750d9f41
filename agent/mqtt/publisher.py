"""The agent's side of the broker: takes messages from everybody at once, and has one thread that delivers them.

Pipelines, sources and jobs call; nobody waits for the network, except a pipeline whose source can wait. What is owed stands in
`ledger`, when to try again in `link`, the connection is `wire`: here is who works on the wire. That is a thread of our own; but a
prediction that finds nobody at it is written by the thread that made it, which saves the 0.15 ms that waking another one takes.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from agent.core.messages import Gap, Status
from agent.core.times import now_text
from agent.mqtt.encoding import encode
from agent.mqtt.hearing import Answer, Hearing
from agent.mqtt.ledger import LAST_WORD_S, REFUSED, UNENCODABLE, Ledger, Shipment
from agent.mqtt.link import STABLE_S, LinkFault, LinkState, Retry
from agent.mqtt.notices import Notice
from agent.mqtt.stored import sendable
from agent.mqtt.wire import Wake, Will, Wire
from agent.spool.record import Record
from agent.spool.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.core.messages import CommandAck, Health, Message, Prediction
    from agent.core.topics import Topics
    from agent.mqtt.outbox import Parcel
    from agent.mqtt.settings import MqttSettings

__all__ = ["LinkState", "Publisher"]

log = logging.getLogger("lineside.mqtt")

_IDLE_S = 1.0
"""How long the thread sleeps when nobody wakes it; the keepalive is looked after in between."""
_BATCH = 64
"""Messages written before the broker's answers are read."""
_CONFIRM_S = 60.0
"""A broker that does not confirm a message for so long is left, and the message sent again."""
_BUSY_DISK_S = 0.005
"""So long is waited for a disk that is writing, before what was confirmed is put down."""
_HASTE_S = 0.5
"""At most so long between tries to connect while stopping."""
_HEADER_BYTES = 16
"""Of a PUBLISH packet, beside topic and payload, at most (MQTT 5.0, section 3.3)."""


class Publisher:
    """Owns the connection to the broker and, beside the spool, everything that waits for it. Implements `agent.sinks.contract.Sink`.

    `send`, `announce`, `health`, `wait_connected` and the properties: any thread. `start` and `stop`: the composition.
    """

    def __init__(
        self,
        settings: MqttSettings,
        topics: Topics,
        *,
        device: str,
        session: str,
        agent_version: str,
        spool: Spool | None = None,
        on_link: Callable[[LinkState], None] = lambda _: None,
        on_drop: Callable[[str, str], None] = lambda _reason, _sentence: None,
        hearing: Hearing | None = None,
    ) -> None:
        """Store; nothing is opened.

        Args:
            settings: `[mqtt]`.
            topics: Of this device.
            device: Its id; names the MQTT client unless the settings do.
            session: Of this start of the agent.
            agent_version: Stands in birth and will.
            spool: Keeps events and late predictions, opened and closed by the caller; None: in memory.
            on_link: Called once per change of `link`, in the publisher's thread.
            on_drop: Called with reason and sentence when a message can never be delivered: `refused`, `too_large`, `unencodable`. Once
                per reason, in the publisher's thread or in that of `send`.
            hearing: Listens to commands; None for none.
        """
        self._settings = settings
        self._topics = topics
        self._client_id = settings.client_id or f"lineside-{device}"
        self._on_link = on_link
        self._on_drop = on_drop
        self._hearing = hearing or Hearing()
        self._dropped_topics: dict[str, set[str]] = {}
        birth = Status(device=device, session=session, state="online", since=now_text(), agent=agent_version)
        will = Status(device=device, session=session, state="offline", since=birth.since, agent=agent_version)
        self._will = Will(topics.status, encode(will))
        self._link = LinkState("connecting", f"connecting to {settings.address}")
        self._link_changed = threading.Condition()
        self._spool = spool or Spool(capacity=settings.queue_messages)
        self._ledger = Ledger(self._spool, settings.queue_messages)
        self._ledger.announce(topics.status, encode(birth), qos=1)
        self._wake = Wake()
        self._turn = threading.Lock()
        """Held by whoever works on the wire."""
        self._ready: Wire | None = None
        """The wire while whoever sends may write on it; under `_turn`."""
        self._direct_fault: Exception | None = None
        """What happened to a sender that did; under `_turn`."""
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)

    @property
    def link(self) -> LinkState:
        """How the connection stands."""
        return self._link

    @property
    def queued(self) -> int:
        """Predictions, events and gaps that wait or are on their way."""
        return self._ledger.queued

    @property
    def dropped(self) -> dict[str, int]:
        """Messages dropped since the start, by reason.

        `away` and `queue_full`: predictions that could not be sent when they were made. `spool_full`, `too_old`, `disk_full`, `disk_error`,
        `memory_full`, `spool_corrupt`: events and late predictions that the spool could not keep. `refused`, `too_large`, `unencodable`: what can
        never be sent. `quarantine_full`, `stopping`.
        """
        return self._ledger.dropped

    @property
    def quarantined(self) -> int:
        """Events that went to quarantine since the start."""
        return self._ledger.quarantined

    def send(
        self,
        prediction: Prediction,
        *,
        qos: int,
        event_seq: int | None,
        publish: bool,
        wait: Callable[[], bool] | None,
    ) -> None:
        """Take one prediction; see `agent.sinks.contract.Sink.send`."""
        self._ledger.put(prediction, qos=qos, event_seq=event_seq, publish=publish, wait=wait)
        if not self._written_here():
            self._wake.set()

    def announce(self, topic: str, message: Message) -> None:
        """Say something retained with QoS 1, now or when the broker is there, and again on each connect."""
        self._ledger.announce(topic, encode(message), qos=1)
        self._wake.set()

    def health(self, message: Health) -> None:
        """Say the figures, retained with QoS 0; while the broker is away only the newest are kept."""
        self._ledger.announce(self._topics.health, encode(message), qos=0)
        self._wake.set()

    def answer(self, message: CommandAck, correlation: bytes | None) -> None:
        """Say what became of a command, once, with QoS 1 and not retained; lost if the connection is lost with it."""
        self._hearing.answer(Answer(self._topics.ack(message.verb), encode(message), correlation))
        self._wake.set()

    @property
    def unanswered(self) -> int:
        """Answers to commands that were never sent, or never confirmed."""
        return self._hearing.unanswered

    def start(self) -> None:
        """Begin to connect. Returns at once."""
        self._thread.start()

    def wait_connected(self, timeout_s: float) -> bool:
        """Wait for the connection; False if it did not come about in time."""
        with self._link_changed:
            return self._link_changed.wait_for(lambda: self._link.state == "connected", timeout_s)

    def stop(self, final: Status, grace_s: float) -> int:
        """Take nothing more, deliver what waits for at most `grace_s`, say `final`, and leave without the will.

        Returns:
            Messages that stayed undelivered: those that wait, those of QoS 1 without the broker's confirmation, those of
            QoS 0 that were not written, and those that could never be delivered. When called twice, the same again.
        """
        self._ledger.stop(Notice(self._topics.status, encode(final), qos=1), time.monotonic() + grace_s)
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(max(0.0, self._ledger.deadline_s - time.monotonic()) + 2 * LAST_WORD_S)
        self._ledger.say_last_word()  # owed, whether or not there was anybody to hear it
        return self._ledger.undelivered

    def _written_here(self) -> bool:
        """Write what waits, in the caller's thread, unless somebody is at it; False if the publisher's thread must look."""
        if not self._turn.acquire(blocking=False):
            return False  # whoever has the turn may have looked before our message was there
        try:
            wire = self._ready
            if wire is None:
                return False
            try:
                wait_s = self._write(wire, wire.window)
                self._settle(wire)
            except Exception as error:  # noqa: BLE001 - it is the connection's end, not the sender's: raised in the publisher's thread
                self._ready, self._direct_fault = None, error
                return False
            return wire.is_open and not wire.is_congested and wait_s >= _IDLE_S
        finally:
            self._turn.release()

    # -- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        retry = Retry()
        was_short = False
        while True:
            wire: Wire | None = None
            since_s: float | None = None
            is_last = self._ledger.is_stopping
            try:
                wire = Wire(
                    self._settings, self._client_id, retry.protocol, self._will, takes_bytes=self._hearing.takes_bytes
                )
                wire.open()
                since_s = time.monotonic()
                self._ledger.connect(since_s)
                self._hearing.begin(wire)
                sentence = f"connected to {self._settings.address} with MQTT {wire.protocol}"
                self._set_link(LinkState("connected", sentence))
                try:
                    self._deliver(wire, careful=was_short)
                finally:
                    with self._turn:
                        self._ready = self._direct_fault = None
                wire.close()
            except LinkFault as error:
                fault = error
            except Exception as error:  # the boundary to paho: whatever it raises costs this connection and no more
                log.exception("the MQTT connection failed")
                fault = LinkFault("lost", f"the MQTT connection failed: {type(error).__name__}: {error}")
            else:
                return
            if wire is not None:
                wire.cut()
            worked_s = None if since_s is None else time.monotonic() - since_s
            was_short = worked_s is not None and worked_s < STABLE_S
            owed = self._ledger.owes_confirmation or self._hearing.is_in_doubt
            self._hearing.end(time.monotonic())
            poison = self._ledger.disconnect(was_short=was_short)
            if poison is not None:
                self._tell_drop(REFUSED, self._topic(poison), "the broker cuts the connection at it, each time")
            next_try = retry.after(fault, worked_s, owed=owed)
            self._set_link(next_try.link, hint=fault.hint)
            if not self._pause(next_try.delay_s, was_last=is_last):
                return

    def _pause(self, delay_s: float, *, was_last: bool) -> bool:
        """Wait for the next try; False if there will be none.

        While stopping, a broker that is away is tried again until the deadline, and one where a person must act once more, as
        that person may have acted.

        Args:
            delay_s: How long, unless stopping.
            was_last: The try before began while stopping.
        """
        until_s = time.monotonic() + delay_s
        if not self._ledger.wait_for_stop(delay_s):
            return True
        now_s = time.monotonic()
        if self._link.state in ("refused", "taken_over"):
            return not was_last and now_s < self._ledger.deadline_s
        time.sleep(max(0.0, min(self._ledger.deadline_s, until_s, now_s + _HASTE_S) - now_s))
        return time.monotonic() < self._ledger.deadline_s

    def _deliver(self, wire: Wire, *, careful: bool) -> None:
        """Write and listen until stopped.

        Args:
            wire: Connected.
            careful: The connection before was cut at once. For a while, await the answer to each message: else what is written
                behind a message that the broker cuts us for destroys its answer, and nobody knows which one it was.

        Raises:
            LinkFault: The connection has ended.
        """
        careful_until_s = time.monotonic() + (STABLE_S if careful else 0.0)
        while True:
            self._wake.clear()
            now_s = time.monotonic()
            if self._ledger.is_done(now_s):
                return
            is_careful = now_s < careful_until_s
            is_recorded = self._spool.record_confirmations()
            self._spool.load()
            with self._turn:
                if self._direct_fault is not None:
                    raise self._direct_fault
                self._hearing.speak(wire, now_s)
                wait_s = self._write(wire, 1 if is_careful else wire.window)
                self._ready = None if is_careful else wire
            if not is_recorded:
                wait_s = max(wait_s, _BUSY_DISK_S) if wait_s == 0 else min(wait_s, _BUSY_DISK_S)
            ready = wire.wait(wait_s, self._wake)
            with self._turn:
                try:
                    wire.exchange(ready)
                finally:  # what came through before the end has come through
                    self._settle(wire)
                self._hearing.hear(wire, now_s)
            oldest_s = self._ledger.oldest_s()
            if oldest_s is not None and time.monotonic() - oldest_s > _CONFIRM_S:
                raise LinkFault("lost", f"{self._settings.address} has not confirmed a message for {_CONFIRM_S:g} s")

    def _settle(self, wire: Wire) -> None:
        while wire.confirmed:
            ticket, refusal = wire.confirmed.popleft()
            if self._hearing.settle(ticket, refusal):
                continue
            if refusal is None:
                self._ledger.settle(ticket)
            else:
                self._drop(ticket, REFUSED, refusal)

    def _write(self, wire: Wire, window: int) -> float:
        """Write what there is, and what broker and socket take; how long there will be nothing more, in seconds."""
        if wire.is_congested:
            return _IDLE_S
        wait_s = 0.0
        for _ in range(_BATCH):
            now_s = time.monotonic()
            shipment = self._ledger.take(now_s, window=window)
            if shipment is None:
                due_s = self._ledger.wait_s(now_s, window=window)
                wait_s = _IDLE_S if due_s is None else min(due_s, _IDLE_S)
                break
            self._ship(wire, shipment)
        wire.push()
        return wait_s

    def _ship(self, wire: Wire, shipment: Shipment) -> None:
        what = shipment.what
        topic = self._topic(what)
        try:
            payload = _payload(what)
        except TypeError as error:
            self._drop(shipment.ticket, UNENCODABLE, str(error))
            return
        if len(payload) + len(topic) + _HEADER_BYTES > wire.largest_bytes:
            # The broker would cut the connection, and again at each new try.
            self._drop(shipment.ticket, "too_large", f"{len(payload)} bytes, and the broker takes {wire.largest_bytes}")
            return
        wire.publish(shipment.ticket, topic, payload, qos=what.qos, retain=what.retain)

    def _topic(self, what: Parcel | Record | Notice) -> str:
        return what.topic if isinstance(what, Notice) else getattr(self._topics, what.channel)(what.pipeline)

    def _drop(self, ticket: int, reason: str, why: str) -> None:
        """A message can never be delivered: count it, and tell."""
        self._tell_drop(reason, self._topic(self._ledger.settle(ticket, reason, why).what), why)

    def _tell_drop(self, reason: str, topic: str, why: str) -> None:
        """The first of each reason and topic is logged, the first of each reason told to the caller."""
        topics = self._dropped_topics.setdefault(reason, set())
        if topic in topics:
            return
        topics.add(topic)
        sentence = f"a message on {topic} was not taken: {why}"
        hint = "may we publish there? see the broker's log and access list" if reason == REFUSED else ""
        log.error("mqtt: %s", sentence, extra={"reason": reason, "hint": hint})
        if len(topics) == 1:
            try:
                self._on_drop(reason, sentence)
            except Exception:  # the boundary to the caller: its fault must not end the delivery
                log.exception("on_drop failed")

    def _set_link(self, link: LinkState, *, hint: str = "") -> None:
        with self._link_changed:
            if link == self._link:
                return
            self._link = link
            self._link_changed.notify_all()
        level = logging.INFO if link.state in ("connected", "connecting") else logging.WARNING
        log.log(level, "mqtt: %s", link.sentence, extra={"state": link.state, "hint": hint})
        try:
            self._on_link(link)
        except Exception:  # the boundary to the caller: its fault must not end the delivery
            log.exception("on_link failed")


def _payload(what: Parcel | Record | Notice) -> bytes:
    """The bytes of a message that is sent now.

    Raises:
        TypeError: A field holds what JSON cannot say.
    """
    if isinstance(what, Notice):
        return what.payload
    if not isinstance(what, Record):
        return encode(what.stamp(now_text()))
    if what.reason is None:
        return sendable(what.payload, now_text(), historical=what.is_late)
    return encode(
        Gap(session=what.session, pipeline=what.pipeline, first=what.first, last=what.last, reason=what.reason)
    )
