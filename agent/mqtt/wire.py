"""One connection to a broker, from CONNECT to its end: the one door to paho.

paho is used without its thread: it runs only inside the calls below, and its owner sees to it that they come one at a time. So no
callback meets a lock, a message is written by the thread that encoded it, and an exception cannot kill a thread unseen. A
wire that has ended is thrown away, with all that paho kept; its owner sends again what was not confirmed.
"""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from agent.core.incoming import Incoming
from agent.mqtt import faults
from agent.mqtt.credentials import login, tls_context
from agent.mqtt.inlet import ConfirmedClient
from agent.mqtt.link import LinkFault
from agent.mqtt.packet import publish_packet
from agent.mqtt.sockets import set_options, tune

if TYPE_CHECKING:
    from collections.abc import Callable

    from paho.mqtt.client import Client, MQTTMessage
    from paho.mqtt.reasoncodes import ReasonCode

    from agent.mqtt.link import Protocol
    from agent.mqtt.settings import MqttSettings
    from agent.mqtt.wake import Wake

CONNECT_S = 5.0
"""How long each of TCP and TLS may take."""
ANSWER_S = 3.0
"""How long the broker may take to answer CONNECT or SUBSCRIBE. Short, so that a broker that is deaf to MQTT 5 is asked for 3.1.1
within the 5 s that the agent waits for its first connection."""
WINDOW = 20
"""Messages of QoS 1 that may be unconfirmed; 31,000 messages/s with 20, 14,000 with 1,000 (measured with mosquitto)."""
_IDENTIFIERS = 65_535
_FAILURE = 0x80
"""Reason codes from here on say no (MQTT 5.0, section 2.4)."""
_LARGEST = 268_435_455
"""Bytes of the largest packet there can be (MQTT 5.0, section 1.5.5)."""


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker says for us when the connection is cut: QoS 1, retained."""

    topic: str
    payload: bytes


class Ready(NamedTuple):
    """What a connection can do without waiting."""

    reading: bool
    writing: bool


class Wire:
    """A connection. One thread at a time; only `wait` may be called while another thread publishes.

    Attributes:
        protocol: Version of MQTT that is spoken.
        window: Messages of QoS 1 that the broker takes unconfirmed.
        largest_bytes: Size of the largest packet that the broker takes.
        confirmed: Tickets of messages that are through (QoS 0: written to the socket), each with None, or with the broker's
            reason for not taking it. The owner empties it.
        received: What came on the topics that were subscribed to. The owner empties it.
    """

    def __init__(
        self,
        settings: MqttSettings,
        client_id: str,
        protocol: Protocol,
        will: Will | None = None,
        *,
        takes_bytes: int | None = None,
    ) -> None:
        """Store.

        Args:
            settings: `[mqtt]`.
            client_id: Our name at the broker.
            protocol: Version of MQTT to speak.
            will: What the broker says for us, or None.
            takes_bytes: MQTT 5: the broker must not send us a larger packet (section 3.1.2.11.4), and of a large one that it sends the end
                is thrown away; None for any, whole.
        """
        self.protocol = protocol
        self.window = WINDOW
        self.largest_bytes = _LARGEST
        self.confirmed: deque[tuple[int, str | None]] = deque()
        self.received: deque[Incoming] = deque()
        self._settings = settings
        self._takes_bytes = takes_bytes
        self._address = settings.address
        self._tickets: dict[int, int] = {}
        """QoS 1: packet identifier to ticket."""
        self._identifier = 0
        self._packets: list[bytes] = []
        self._unsent = b""
        """What the socket has not taken. Until it has, paho must not write."""
        self._unconfirmed: deque[tuple[int, int]] = deque()
        """QoS 0: how many bytes must be sent for a ticket to be through."""
        self._put_bytes = self._sent_bytes = 0
        self._answer: ReasonCode | None = None
        self._farewell: ReasonCode | None = None
        self._subscribed: bool | None = None
        self._last_error = ""
        self._client = self._make_client(client_id, will)

    def _make_client(self, client_id: str, will: Will | None) -> ConfirmedClient:
        client = ConfirmedClient(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTProtocolVersion.MQTTv5 if self.protocol == "5" else MQTTProtocolVersion.MQTTv311,
            transport="websockets" if self._address.is_websocket else "tcp",
            reconnect_on_failure=False,
            cuts=None if self._takes_bytes is None else self.protocol,
        )
        if will is not None:
            client.will_set(will.topic, will.payload, qos=1, retain=True)
        if self._address.is_websocket:
            client.ws_set_options(path=self._address.path)
        client.connect_timeout = CONNECT_S
        client.on_socket_open = tune
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_log = self._on_log
        return client

    def open(self) -> None:
        """Connect and await the broker's answer, for at most 5 s each for TCP and TLS and 3 s for MQTT. The session is a new one.

        Nothing of the old session is wanted: what was not confirmed is sent again by its owner, in order and marked as late.

        Raises:
            LinkFault: It did not come about; `kind` says why.
        """
        who = login(self._settings)
        if who.username is not None:
            self._client.username_pw_set(who.username, who.password)
        if self._address.is_tls:
            self._client.tls_set_context(tls_context(self._settings))
        try:
            options: dict[str, Any] = {"clean_start": True} if self.protocol == "5" else {}
            if self.protocol == "5" and self._takes_bytes is not None:
                options["properties"] = _properties(PacketTypes.CONNECT, MaximumPacketSize=self._takes_bytes)
            self._client.connect(self._address.host, self._address.port, self._settings.keepalive_s, **options)
            self._await(lambda: self._answer is not None)
        except ssl.SSLError as error:
            raise faults.tls(self._address, error) from error
        except (OSError, ValueError) as error:
            raise faults.unreachable(self._address, error) from error
        except LinkFault:
            self.cut()
            raise

    def wait(self, timeout_s: float, wake: Wake | None = None) -> Ready:
        """Wait until there is something to read or to write, or until woken, for at most `timeout_s`; for `exchange`.

        Raises:
            LinkFault: The connection has ended.
        """
        client = self._client
        sock = client.socket()
        if sock is None:
            raise self._fault()
        poll = select.poll()
        try:
            poll.register(sock.fileno(), select.POLLIN | (select.POLLOUT if self.is_congested else 0))
            # TLS and websocket may hold bytes that poll cannot see.
            buffered = getattr(sock, "pending", int)()
        except (ValueError, OSError):  # another thread's `publish` met the end and closed the socket
            raise self._fault() from None
        if wake is not None:
            poll.register(wake.fileno(), select.POLLIN)
        flags = dict(poll.poll(0 if buffered else timeout_s * 1000)).get(sock.fileno(), 0)
        return Ready(reading=bool(buffered or flags & ~select.POLLOUT), writing=bool(flags & select.POLLOUT))

    def exchange(self, ready: Ready) -> None:
        """Read and write what there is, and look after the keepalive.

        Raises:
            LinkFault: The connection has ended.
        """
        client = self._client
        if self._unsent and (ready.writing or ready.reading):  # TLS may have to read before it writes
            self.push()
        if not self._unsent:
            if ready.reading:
                client.loop_read()
            if ready.writing:
                client.loop_write()
            client.loop_misc()
        self._note_pubacks()
        if client.socket() is None:
            raise self._fault()

    def _note_pubacks(self) -> None:
        pubacks = self._client.pubacks
        while pubacks:
            identifier, code = pubacks.popleft()
            ticket = self._tickets.pop(identifier, None)
            if ticket is not None:
                self.confirmed.append((ticket, faults.puback(code) if code >= _FAILURE else None))

    @property
    def is_open(self) -> bool:
        """Whether the connection has not ended, as far as is known."""
        return self._client.socket() is not None

    @property
    def is_congested(self) -> bool:
        """Whether the socket did not take all that was pushed: what is published now would only wait behind it, or come between."""
        return bool(self._unsent) or self._client.want_write()

    def publish(
        self, ticket: int, topic: str, payload: bytes, *, qos: int, retain: bool, correlation: bytes | None = None
    ) -> None:
        """Put a message behind those that `push` writes next. `ticket` is in `confirmed` once it is through.

        Not while `is_congested`. Correlation data is left out where MQTT 5 is not spoken.

        Raises:
            LinkFault: The broker still owes an answer to a message 65,535 messages ago.
        """
        identifier = None
        if qos:
            identifier = self._identifier = self._identifier % _IDENTIFIERS + 1
            if identifier in self._tickets:
                raise LinkFault("lost", f"{self._address} does not confirm messages")
            self._tickets[identifier] = ticket
        packet = publish_packet(
            topic, payload, retain=retain, protocol=self.protocol, identifier=identifier, correlation=correlation
        )
        self._packets.append(packet)
        self._put_bytes += len(packet)
        if not qos:
            self._unconfirmed.append((self._put_bytes, ticket))

    def push(self) -> None:
        """Write what was published, or what the socket takes of it.

        Raises:
            LinkFault: The connection has ended.
        """
        sock = self._client.socket()
        if self._packets:
            self._unsent = b"".join([self._unsent, *self._packets])
            self._packets.clear()
        if not self._unsent or sock is None:
            return
        try:
            sent = sock.send(self._unsent)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError as error:
            raise faults.lost(self._address, str(error)) from error
        self._unsent = self._unsent[sent:]
        self._sent_bytes += sent
        while self._unconfirmed and self._unconfirmed[0][0] <= self._sent_bytes:
            self.confirmed.append((self._unconfirmed.popleft()[1], None))

    def subscribe(self, topic: str) -> None:
        """Ask for the messages on a topic and await the broker's consent.

        Raises:
            LinkFault: The broker refused or did not answer, or the connection ended.
        """
        self.ask_for(topic)
        self._await(lambda: self._subscribed is not None)
        if not self._subscribed:
            hint = "the broker's access list must allow it"
            raise LinkFault("refused", f"{self._address} does not let us subscribe to {topic}", hint=hint)

    def ask_for(self, topic: str) -> None:
        """Ask for the messages on a topic; `consent` says what the broker made of it. Returns at once. Not while `is_congested`.

        With MQTT 5 a message that somebody published as retained keeps that mark, also while we listen (retain as published,
        section 3.8.3.1); in 3.1.1 only what was retained before we subscribed has it.
        """
        self._subscribed = None
        if self.protocol == "5":
            self._client.subscribe(topic, options=SubscribeOptions(qos=1, retainAsPublished=True))
        else:
            self._client.subscribe(topic, qos=1)

    def leave(self, topic: str) -> None:
        """Ask for no more messages on a topic. Returns at once; some may still come. Not while `is_congested`."""
        self._client.unsubscribe(topic)

    @property
    def consent(self) -> bool | None:
        """Whether the broker took the last subscription; None until it answers. Some say yes and then send nothing."""
        return self._subscribed

    def hold_acknowledgements(self) -> None:
        """For the next packets that come, have TCP wait before it acknowledges them, so that a sender that waits for it shows."""
        sock = self._client.socket()
        if sock is not None:
            set_options(sock, {socket.TCP_QUICKACK: 0})

    def close(self) -> None:
        """Say goodbye, so that the will is not sent, and close. May be called twice."""
        if not (self._unsent or self._packets):
            self._client.disconnect()
        self.cut()

    def cut(self) -> None:
        """Close without a word. May be called twice."""
        sock = self._client.socket()
        if sock is not None:
            self._client.on_disconnect = None
            sock.close()

    def _await(self, is_answered: Callable[[], bool]) -> None:
        until_s = time.monotonic() + ANSWER_S
        while not is_answered():
            self.exchange(self.wait(max(0.0, until_s - time.monotonic())))
            if time.monotonic() > until_s and not is_answered():
                raise faults.no_answer(self._address, ANSWER_S)

    def _fault(self) -> LinkFault:
        if self._answer is None:
            return faults.silence(self._address, self._last_error)
        if self._answer.is_failure:
            return faults.connack(self._address, self._answer.value, self._answer.getName(), self.protocol)
        farewell = self._farewell
        if farewell is None:
            return faults.lost(self._address, self._last_error)
        return faults.farewell(self._address, farewell.value, farewell.getName())

    def _on_connect(
        self, _client: Client, _data: Any, _flags: Any, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self._answer = reason
        self._client.on_log = None  # paho would format a line for each message
        self.window = min(WINDOW, getattr(properties, "ReceiveMaximum", WINDOW))
        self.largest_bytes = min(_LARGEST, getattr(properties, "MaximumPacketSize", _LARGEST))

    def _on_disconnect(self, _client: Client, _data: Any, flags: Any, reason: ReasonCode, _properties: Any) -> None:
        if flags.is_disconnect_packet_from_server:
            self._farewell = reason

    def _on_subscribe(
        self, _client: Client, _data: Any, _mid: int, reasons: list[ReasonCode], _properties: Any
    ) -> None:
        self._subscribed = not any(reason.is_failure for reason in reasons)

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:  # a broker must not let it through; if one does, it costs no connection
            topic = ""
        correlation: bytes | None = getattr(message.properties, "CorrelationData", None)
        self.received.append(Incoming(topic, bytes(message.payload), bool(message.retain), correlation))

    def _on_log(self, _client: Client, _data: Any, _level: int, text: str) -> None:
        if "socket" in text:  # "failed to receive on socket: …" is the only place where paho says why
            self._last_error = text.partition(": ")[2]


def _properties(packet: int, **values: object) -> Properties:
    """What a packet of MQTT 5 carries beside its fields (section 2.2.2)."""
    properties = Properties(packet)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(properties, name, value)
    return properties
