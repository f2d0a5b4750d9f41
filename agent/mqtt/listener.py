"""The other side of the broker: hear what an agent publishes, and try whether a broker is any good. Keeps no connection.

Called by `lineside tap`, `lineside doctor` and the demo; the agent itself never listens through here.
"""

from __future__ import annotations

import statistics
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.mqtt.link import LinkFault
from agent.mqtt.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from agent.mqtt.link import Protocol
    from agent.mqtt.settings import MqttSettings

_POLL_S = 0.2
"""How often a listener without messages looks whether it should end."""
_PROBES = 10
_PAUSE_S = 0.06
"""Between probes: longer than the 40 ms for which Linux holds an acknowledgement back."""
_NAGLE_MS = 20.0


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """How a broker did.

    Attributes:
        protocol: Version of MQTT that was agreed on.
        round_trip_ms: Median time from publishing until the message came to a subscriber, in milliseconds.
        held_ms: How much longer the fastest of the pairs took that were published at once than the fastest single message.
            A machine that is busy with something else makes some of them late, in either way, and none early.
        largest_bytes: Size of the largest packet that the broker takes.
    """

    protocol: Protocol
    round_trip_ms: float
    held_ms: float
    largest_bytes: int

    @property
    def has_nagle(self) -> bool:
        """Whether the broker holds a message back until the one before is acknowledged (Nagle's algorithm, RFC 896).

        mosquitto does unless its configuration says `set_tcp_nodelay true`; at the rate of a camera one message in twenty then
        comes about 10 ms late.
        """
        return self.held_ms > _NAGLE_MS

    @classmethod
    def of(cls, protocol: Protocol, times_ms: Sequence[tuple[float, float]], largest_bytes: int) -> ProbeResult:
        """The judgement of some probes.

        Args:
            protocol: As above.
            times_ms: Of each probe, how long one message took, and how long two took that were published at once.
            largest_bytes: As above.
        """
        single_ms, pair_ms = zip(*times_ms, strict=True)
        return cls(protocol, statistics.median(single_ms), min(pair_ms) - min(single_ms), largest_bytes)


def listen(
    settings: MqttSettings,
    topic: str,
    *,
    timeout_s: float | None,
    silence_s: float | None = None,
    alive: Callable[[], bool] = lambda: True,
) -> Iterator[bytes]:
    """Payloads as they arrive, a retained one first.

    Args:
        settings: The broker.
        topic: Topic or filter.
        timeout_s: End if the first message does not come within so many seconds; None: wait for ever.
        silence_s: End if none comes for so many seconds after that; None: the same as `timeout_s`.
        alive: Asked between messages; False ends.

    Raises:
        BrokerUnreachable: The broker does not answer, refuses, or goes away.
    """
    wire = _open(settings)
    try:
        wire.subscribe(topic)
        patience_s = timeout_s
        last_s = time.monotonic()
        while alive():
            while wire.received:
                yield wire.received.popleft().payload
                last_s = time.monotonic()
                patience_s = timeout_s if silence_s is None else silence_s
            if patience_s is not None and time.monotonic() - last_s > patience_s:
                return
            wire.exchange(wire.wait(_POLL_S))
    finally:
        wire.close()


def probe(settings: MqttSettings, timeout_s: float) -> ProbeResult:
    """Publish to a subscriber of our own, one message and two at once in turn, and measure how long they take.

    Args:
        settings: The broker. The topic is `{prefix}/probe/<random>`; nothing is retained.
        timeout_s: How long any one message may take.

    Raises:
        BrokerUnreachable: The broker does not answer, refuses, or does not give the messages back.
    """
    # Two connections, as what we write on the one that we read from would carry the acknowledgement that Nagle waits for.
    here = _open(settings)
    there: Wire | None = None
    try:
        there = _open(settings)
        topic = f"{settings.prefix}/probe/{uuid.uuid4().hex}"
        there.subscribe(topic)
        times_ms = [
            (_travel_ms(here, there, topic, 1, timeout_s), _travel_ms(here, there, topic, 2, timeout_s))
            for _ in range(_PROBES)
        ]
        return ProbeResult.of(here.protocol, times_ms, here.largest_bytes)
    except LinkFault as fault:
        # Some brokers cut the connection at a message on a forbidden topic, others swallow it.
        hint = "may this user publish and subscribe there? see the broker's log and access list"
        raise LinkFault(fault.kind, f"no message to ourselves came back: {fault}", hint=fault.hint or hint) from fault
    finally:
        here.close()
        if there is not None:
            there.close()


def _travel_ms(here: Wire, there: Wire, topic: str, count: int, timeout_s: float) -> float:
    """How long `count` messages take from `here` to `there`, and a pause for what is still to be acknowledged."""
    there.hold_acknowledgements()
    begun_s = time.monotonic()
    for ticket in range(count):
        here.publish(ticket, topic, b"probe", qos=0, retain=False)
    here.push()
    while len(there.received) < count:
        if time.monotonic() - begun_s > timeout_s:
            raise LinkFault("lost", f"nothing on {topic} within {timeout_s:g} s")
        there.exchange(there.wait(_POLL_S))
    took_ms = (time.monotonic() - begun_s) * 1e3
    there.received.clear()
    until_s = time.monotonic() + _PAUSE_S
    while (left_s := until_s - time.monotonic()) > 0:
        here.exchange(here.wait(left_s))
    return took_ms


def _open(settings: MqttSettings) -> Wire:
    """A connection for a moment, with MQTT 5 or, where the broker does not take it, 3.1.1."""
    wire = _wire(settings, "5")
    try:
        wire.open()
    except LinkFault as fault:
        if fault.kind not in ("protocol", "silent", "unanswered"):
            raise
        wire = _wire(settings, "3.1.1")
        wire.open()
    return wire


def _wire(settings: MqttSettings, protocol: Protocol) -> Wire:
    return Wire(settings, f"lineside-{uuid.uuid4().hex[:12]}", protocol)
