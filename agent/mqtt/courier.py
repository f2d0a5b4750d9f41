"""Who works on the wire: one thread that connects, writes what is owed and hears what is said, and senders that find nobody at it.

A prediction that finds nobody at the wire is written by the thread that made it, which saves the 0.15 ms that waking another one takes.
Owned by the publisher. What is owed stands in `ledger`, when to try again in `link`.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from agent.core.messages import Gap
from agent.core.times import now_text
from agent.mqtt.encoding import encode
from agent.mqtt.ledger import REFUSED
from agent.mqtt.link import STABLE_S, LinkFault, LinkState, Retry
from agent.mqtt.notices import Notice
from agent.mqtt.stint import GivenUp, Stint
from agent.mqtt.stored import UNENCODABLE, sendable
from agent.mqtt.wake import Wake
from agent.spool.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.core.supervision import Plan
    from agent.core.topics import Topics
    from agent.mqtt.hearing import Hearing
    from agent.mqtt.ledger import Ledger
    from agent.mqtt.link import State
    from agent.mqtt.outbox import Parcel
    from agent.mqtt.shipment import Shipment
    from agent.mqtt.wire import Wire
    from agent.spool.spool import Spool

log = logging.getLogger("lineside.mqtt")

_IDLE_S = 1.0
"""How long the thread sleeps when nobody wakes it; the keepalive is looked after in between."""
_BATCH = 64
"""Messages written before the broker's answers are read."""
_CONFIRM_S = 60.0
"""A broker that does not confirm a message for so long is left, and the message sent again."""
_BUSY_DISK_S = 0.005
"""So long is waited for a disk that is writing, before what was confirmed is put down."""
_PATIENCE_S = 60.0
"""A step that lasts longer hangs: to connect takes 5 s each for TCP and TLS, 3 s for MQTT, and a name that is not found 20 s
(resolv.conf(5): two tries at two servers)."""
_HASTE_S = 0.5
"""At most so long between tries to connect while stopping."""
_HEADER_BYTES = 16
"""Of a PUBLISH packet, beside topic and payload, at most (MQTT 5.0, section 3.3)."""


class Courier:
    """`start`, `join` and the supervision: whoever owns the publisher. `hurry` and `written_here`: any thread."""

    def __init__(
        self,
        address: str,
        topics: Topics,
        ledger: Ledger,
        spool: Spool,
        hearing: Hearing,
        *,
        make_wire: Callable[[Retry], Wire],
        on_link: Callable[[LinkState, str], None],
        on_drop: Callable[[str, str, str], None],
    ) -> None:
        """Store.

        Args:
            address: Of the broker, for sentences.
            topics: Of this device.
            ledger: What is owed.
            spool: Events and late predictions.
            hearing: Commands and answers.
            make_wire: A connection that is not open yet, for the protocol that is to be tried.
            on_link: Called with each state of the link, and a hint; in the courier's thread.
            on_drop: Called with reason, topic and what the broker said when a message was not taken; in any thread.
        """
        self.abandoned = 0
        self._address = address
        self._topics = topics
        self._ledger = ledger
        self._spool = spool
        self._hearing = hearing
        self._make_wire = make_wire
        self._on_link = on_link
        self._tell_drop = on_drop
        self._link_state = ""
        self._wake = Wake()
        self._turn = threading.Lock()
        """Held by whoever works on the wire."""
        self._ready: Wire | None = None
        """The wire while whoever sends may write on it; under `_turn`."""
        self._direct_fault: Exception | None = None
        """What happened to a sender that did; under `_turn`."""
        self._lost: list[Stint] = []
        self._retry = Retry()
        self._stint = Stint(self._run)

    def start(self) -> None:
        """Begin to connect. Returns at once."""
        self._stint.start()

    def join(self, timeout_s: float) -> None:
        """Wait for the end."""
        self._stint.join(timeout_s)

    def hurry(self) -> None:
        """There is something to do."""
        self._wake.set()

    def written_here(self) -> bool:
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

    # -- supervision: see `agent.core.supervision.Supervised` -----------------------------------------------------------

    @property
    def abandoned_alive(self) -> int:
        """Threads that were given up and have not ended."""
        self._lost = [stint for stint in self._lost if stint.alive]
        return len(self._lost)

    def stalled_s(self, now_s: float) -> float | None:
        """How long one step has held the thread, if that is too long: resolving a name, or a disk that hangs."""
        return self._stint.stalled_s(now_s, _PATIENCE_S)

    def abandon(self, now_s: float, plan: Plan) -> bool:
        """Give the thread up; what was on its way waits again."""
        if not self._stint.give_up(now_s, _PATIENCE_S):
            return False
        self._lost.append(self._stint)
        self.abandoned += 1
        self._ready = None
        self._ledger.disconnect(was_short=False)
        self._hearing.end(now_s)
        sentence = f"a call to {self._address} or to the disk did not return for {_PATIENCE_S:g} s"
        state: State = "refused" if plan.failed else "away"
        self._set_link(LinkState(state, sentence), hint="check the name server, the network and the disk")
        return True

    def restart(self) -> None:
        """Deliver with a fresh thread."""
        self._stint = Stint(self._run)
        self._stint.start()

    # -- the thread ---------------------------------------------------------------------------------------------------

    def _run(self, stint: Stint) -> None:
        retry = self._retry
        was_short = False
        while True:
            stint.step()
            wire: Wire | None = None
            since_s: float | None = None
            is_last = self._ledger.is_stopping
            try:
                wire = self._make_wire(retry)
                wire.open()
                stint.step()
                since_s = time.monotonic()
                self._work(stint, wire, since_s, careful=was_short)
                wire.close()
            except GivenUp:
                if wire is not None:
                    wire.cut()
                raise
            except LinkFault as error:
                fault = error
            except Exception as error:  # the boundary to paho: whatever it raises costs this connection and no more
                log.exception("the MQTT connection failed")
                fault = LinkFault("lost", f"the MQTT connection failed: {type(error).__name__}: {error}")
            else:
                return
            if wire is not None:
                wire.cut()
            stint.step()
            worked_s = None if since_s is None else time.monotonic() - since_s
            was_short = worked_s is not None and worked_s < STABLE_S
            owed = self._ledger.owes_confirmation or self._hearing.is_in_doubt
            self._hearing.end(time.monotonic())
            poison = self._ledger.disconnect(was_short=was_short)
            if poison is not None:
                self._tell_drop(REFUSED, self._topic(poison), "the broker cuts the connection at it, each time")
            next_try = retry.after(fault, worked_s, owed=owed)
            self._set_link(next_try.link, hint=fault.hint)
            stint.rest()
            if not self._pause(next_try.delay_s, was_last=is_last):
                return

    def _work(self, stint: Stint, wire: Wire, now_s: float, *, careful: bool) -> None:
        """From the broker's welcome until the end; see `_deliver`."""
        self._ledger.connect(now_s)
        self._hearing.begin(wire)
        self._set_link(LinkState("connected", f"connected to {self._address} with MQTT {wire.protocol}"))
        try:
            self._deliver(stint, wire, careful=careful)
        finally:
            with self._turn:
                if self._ready is wire:
                    self._ready = None
                self._direct_fault = None

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
        if self._link_state in ("refused", "taken_over"):
            return not was_last and now_s < self._ledger.deadline_s
        time.sleep(max(0.0, min(self._ledger.deadline_s, until_s, now_s + _HASTE_S) - now_s))
        return time.monotonic() < self._ledger.deadline_s

    def _deliver(self, stint: Stint, wire: Wire, *, careful: bool) -> None:
        """Write and listen until stopped.

        Args:
            stint: Of this thread.
            wire: Connected.
            careful: The connection before was cut at once. For a while, await the answer to each message: else what is written
                behind a message that the broker cuts us for destroys its answer, and nobody knows which one it was.

        Raises:
            LinkFault: The connection has ended.
            GivenUp: Another thread delivers now.
        """
        careful_until_s = time.monotonic() + (STABLE_S if careful else 0.0)
        while True:
            self._wake.clear()
            now_s = time.monotonic()
            if self._ledger.is_done(now_s):
                return
            is_careful = now_s < careful_until_s
            stint.step()
            is_recorded = self._spool.record_confirmations()
            self._spool.load()
            stint.step()
            with self._turn:
                if self._direct_fault is not None:
                    raise self._direct_fault
                self._hearing.speak(wire, now_s)
                wait_s = self._write(wire, 1 if is_careful else wire.window)
                self._ready = None if is_careful else wire
            if not is_recorded:
                wait_s = max(wait_s, _BUSY_DISK_S) if wait_s == 0 else min(wait_s, _BUSY_DISK_S)
            stint.rest()
            ready = wire.wait(wait_s, self._wake)
            stint.step()
            with self._turn:
                try:
                    wire.exchange(ready)
                finally:  # what came through before the end has come through
                    self._settle(wire)
                self._hearing.hear(wire, now_s)
            oldest_s = self._ledger.oldest_s()
            if oldest_s is not None and time.monotonic() - oldest_s > _CONFIRM_S:
                raise LinkFault("lost", f"{self._address} has not confirmed a message for {_CONFIRM_S:g} s")

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

    def _set_link(self, link: LinkState, *, hint: str = "") -> None:
        self._link_state = link.state
        self._on_link(link, hint)


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
