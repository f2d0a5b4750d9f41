"""The agent's side of the broker: takes messages from everybody at once, and has one thread that delivers them.

Pipelines, sources and jobs call; nobody waits for the network, except a pipeline whose source can wait. What is owed stands in
`ledger`, when to try again in `link`, the connection is `wire`, and who works on it is `courier`.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from agent.core.messages import Status
from agent.core.times import now_text
from agent.mqtt.courier import Courier
from agent.mqtt.encoding import encode
from agent.mqtt.hearing import Answer, Hearing
from agent.mqtt.ledger import LAST_WORD_S, REFUSED, Ledger
from agent.mqtt.link import LinkState, Retry
from agent.mqtt.notices import Notice
from agent.mqtt.wire import Will, Wire
from agent.spool.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.core.messages import CommandAck, Health, Message, Prediction
    from agent.core.supervision import Kind, Plan
    from agent.core.topics import Topics
    from agent.mqtt.settings import MqttSettings

__all__ = ["LinkState", "Publisher"]

log = logging.getLogger("lineside.mqtt")


class Publisher:
    """Owns the connection to the broker and, beside the spool, everything that waits for it.

    Implements `agent.sinks.contract.Sink` and `agent.core.supervision.Supervised`.

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
        spool = spool or Spool(capacity=settings.queue_messages)
        self._ledger = Ledger(spool, settings.queue_messages)
        self._ledger.announce(topics.status, encode(birth), qos=1)
        self._courier = Courier(
            str(settings.address),
            topics,
            self._ledger,
            spool,
            self._hearing,
            make_wire=self._make_wire,
            on_link=self._set_link,
            on_drop=self._tell_drop,
        )

    def _make_wire(self, retry: Retry) -> Wire:
        return Wire(self._settings, self._client_id, retry.protocol, self._will, takes_bytes=self._hearing.takes_bytes)

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
        if not self._courier.written_here():
            self._courier.hurry()

    def announce(self, topic: str, message: Message) -> None:
        """Say something retained with QoS 1, now or when the broker is there, and again on each connect."""
        self._ledger.announce(topic, encode(message), qos=1)
        self._courier.hurry()

    def health(self, message: Health) -> None:
        """Say the figures, retained with QoS 0; while the broker is away only the newest are kept."""
        self._ledger.announce(self._topics.health, encode(message), qos=0)
        self._courier.hurry()

    def answer(self, message: CommandAck, correlation: bytes | None) -> None:
        """Say what became of a command, once, with QoS 1 and not retained; lost if the connection is lost with it."""
        self._hearing.answer(Answer(self._topics.ack(message.verb), encode(message), correlation))
        self._courier.hurry()

    @property
    def unanswered(self) -> int:
        """Answers to commands that were never sent, or never confirmed."""
        return self._hearing.unanswered

    def start(self) -> None:
        """Begin to connect. Returns at once."""
        self._courier.start()

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
        self._courier.hurry()
        self._courier.join(max(0.0, self._ledger.deadline_s - time.monotonic()) + 2 * LAST_WORD_S)
        self._ledger.say_last_word()  # owed, whether or not there was anybody to hear it
        return self._ledger.undelivered

    # -- supervision: see `agent.core.supervision.Supervised` -----------------------------------------------------------

    @property
    def name(self) -> str:
        """There is one sink."""
        return "mqtt"

    @property
    def kind(self) -> Kind:
        """What it is to the supervisor."""
        return "sink"

    @property
    def abandoned(self) -> int:
        """Threads that were given up since the start."""
        return self._courier.abandoned

    @property
    def abandoned_alive(self) -> int:
        """Those of them that have not ended."""
        return self._courier.abandoned_alive

    def stalled_s(self, now_s: float) -> float | None:
        """How long one step has held the thread, if that is too long: resolving a name, or a disk that hangs."""
        return self._courier.stalled_s(now_s)

    def abandon(self, now_s: float, plan: Plan) -> bool:
        """Give the thread up; what was on its way waits again."""
        return self._courier.abandon(now_s, plan)

    def restart(self) -> None:
        """Deliver with a fresh thread."""
        self._courier.restart()

    # -- what the courier tells ---------------------------------------------------------------------------------------

    def _tell_drop(self, reason: str, topic: str, why: str) -> None:
        """The first of each reason and topic is logged, the first of each reason told to the caller."""
        topics = self._dropped_topics.setdefault(reason, set())
        if topic in topics:
            return
        topics.add(topic)
        sentence = f"a message on {topic} was not taken: {why}"
        hint = "may we publish there? the broker's access list, then lineside spool list" if reason == REFUSED else ""
        log.error("mqtt: %s", sentence, extra={"reason": reason, "hint": hint})
        if len(topics) == 1:
            try:
                self._on_drop(reason, sentence)
            except Exception:  # the boundary to the caller: its fault must not end the delivery
                log.exception("on_drop failed")

    def _set_link(self, link: LinkState, hint: str) -> None:
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
