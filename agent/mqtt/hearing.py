"""Commands at the broker: what is asked is passed on, what is answered is sent, and neither harms what else is delivered.

Called by the publisher, which owns the wire. Knows no verb: who passes a judgement on a command is behind `on_command`.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.core.incoming import Incoming
    from agent.mqtt.wire import Wire

log = logging.getLogger("lineside.mqtt")

TAKES_BYTES = 16_777_216
"""Of one packet, while commands are on: what is larger, a broker that speaks MQTT 5 keeps to itself. Far above what a command may have,
so that one that is too large can be answered; little of it is kept (`agent.mqtt.inlet`), so this spares the network, not the memory."""
FLOOD_HZ = 200
"""More commands a second are no commands."""
DEAF_S = 30.0
"""How long nothing is listened to after a flood."""
ANSWERS = 128
"""Answers that wait for the wire: as many as there may be commands at once, and some."""
CUTS = 3
"""So often in a row the broker may cut the connection at an answer; then none is sent for a while."""
MUTE_S = 600.0
_HEADER_BYTES = 64


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said on one command.

    Attributes:
        topic: Where.
        payload: As on the wire.
        correlation: As it came with the command.
    """

    topic: str
    payload: bytes
    correlation: bytes | None


def ignore(_cause: str, _sentence: str | None) -> None:
    """Nobody wants to know."""


class Hearing:
    """`answer` and `unanswered`: any thread. The rest: one thread at a time, the one that works on the wire.

    An answer that is on its way when the connection breaks is lost with it: who asks again with the same id is told that it was done.

    Attributes:
        unanswered: Answers that were never sent, or never confirmed.
        takes_bytes: For `Wire`.
    """

    def __init__(
        self,
        topic: str = "",
        on_command: Callable[[Incoming], None] | None = None,
        on_trouble: Callable[[str, str | None], None] = ignore,
    ) -> None:
        """Store.

        Args:
            topic: Filter of the commands.
            on_command: Takes each message; must not wait. None: nothing is listened to.
            on_trouble: Called with a cause (`subscription`, `flood`, `answers`) and a sentence, or None when it is over.
        """
        self.unanswered = 0
        self.takes_bytes = None if on_command is None else TAKES_BYTES
        self._topic = topic
        self._on_command = on_command
        self._on_trouble = on_trouble
        self._answers: deque[Answer] = deque()
        self._lock = threading.Lock()
        self._tickets = itertools.count(-1, -1)
        self._owed: int | None = None
        self._in_doubt = False
        self._cuts = 0
        self._mute_until_s = 0.0
        self._deaf_until_s: float | None = None
        self._second_s = 0.0
        self._heard = 0
        self._consent: bool | None = None

    def answer(self, answer: Answer) -> None:
        """Send it when there is a connection. A full queue gives up its oldest."""
        with self._lock:
            self._answers.append(answer)
            if len(self._answers) > ANSWERS:
                self._answers.popleft()
                self.unanswered += 1

    def begin(self, wire: Wire) -> None:
        """A connection came about: ask for the commands, if they are wanted. The broker's answer is not awaited."""
        if self._on_command is None:
            return
        wire.window = max(1, wire.window - 1)  # one of those that the broker takes unconfirmed is for answers
        if self._deaf_until_s is not None:  # the flood was on a connection that is no more
            self._tell("flood", None)
        self._consent = self._deaf_until_s = None
        self._in_doubt = False
        wire.ask_for(self._topic)

    def hear(self, wire: Wire, now_s: float) -> None:
        """Pass on what came, and look whether it is too much. `now_s` is monotonic."""
        if self._on_command is None:
            return
        while wire.received:
            self._heard += 1
            try:
                self._on_command(wire.received.popleft())
            except Exception:  # the boundary to the caller: its fault must not end the delivery
                log.exception("a command could not be passed on")
        self._note_consent(wire)
        if not wire.is_congested:
            self._bear_flood(wire, now_s)

    def _note_consent(self, wire: Wire) -> None:
        if wire.consent is not None and wire.consent != self._consent:
            self._consent = wire.consent
            refused = f"the broker does not let us subscribe to {self._topic}; its access list must allow it"
            self._tell("subscription", None if wire.consent else refused)

    def _bear_flood(self, wire: Wire, now_s: float) -> None:
        """A broker sends as fast as it is written to, and reading takes time from the pipelines."""
        if self._deaf_until_s is not None:
            if now_s >= self._deaf_until_s:
                self._deaf_until_s, self._heard = None, 0
                wire.ask_for(self._topic)
                self._tell("flood", None)
        elif now_s - self._second_s >= 1:
            self._second_s, self._heard = now_s, 0
        elif self._heard > FLOOD_HZ:
            self._deaf_until_s = now_s + DEAF_S
            wire.leave(self._topic)
            self._tell("flood", f"more than {FLOOD_HZ} commands came in a second; none is heard for {DEAF_S:g} s")

    def speak(self, wire: Wire, now_s: float) -> None:
        """Send an answer, if the one before was confirmed. `now_s` is monotonic."""
        if now_s < self._mute_until_s:
            with self._lock:
                self.unanswered += len(self._answers)
                self._answers.clear()
        while self._answers and self._owed is None and not wire.is_congested:
            with self._lock:
                answer = self._answers.popleft()
            size = len(answer.payload) + len(answer.topic) + len(answer.correlation or b"") + _HEADER_BYTES
            if size > wire.largest_bytes:
                self.unanswered += 1
                continue
            self._owed, self._in_doubt = next(self._tickets), True
            wire.publish(self._owed, answer.topic, answer.payload, qos=1, retain=False, correlation=answer.correlation)
            wire.push()

    def settle(self, ticket: int, refusal: str | None) -> bool:
        """An answer is through, or the broker did not want it; False if the ticket is none of ours."""
        if ticket >= 0:
            return False
        self._owed = None
        if refusal is None:
            self._in_doubt, self._cuts = False, 0
        else:
            self.unanswered += 1
        self._tell("answers", refusal and f"the broker does not take answers to commands: {refusal}")
        return True

    @property
    def is_in_doubt(self) -> bool:
        """Whether the last answer on this connection was not taken, or not yet."""
        return self._in_doubt

    def end(self, now_s: float) -> None:
        """The connection is gone. mosquitto 2.0.11 refuses a message on a forbidden topic and cuts the connection, again and again."""
        self.unanswered += self._owed is not None
        self._owed = None
        if not self._in_doubt:
            return
        self._in_doubt = False
        self._cuts += 1
        if self._cuts >= CUTS:
            self._mute_until_s = now_s + MUTE_S
            self._tell("answers", "the broker cuts the connection at answers to commands; may we publish them?")

    def _tell(self, cause: str, sentence: str | None) -> None:
        try:
            self._on_trouble(cause, sentence)
        except Exception:  # the boundary to the caller
            log.exception("on_trouble failed")
