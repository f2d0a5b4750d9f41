"""A way to a broker that remembers every event that passed and every confirmation, and that can be as bad as a network is.

What it records is the evidence of the fault tests: an event counts as *sent* when all of its bytes were handed on to the broker, and as
*confirmed* when the broker's PUBACK for it came, whether or not the agent ever got to see that PUBACK.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from bisect import bisect_right
from dataclasses import dataclass
from itertools import islice

from mqtt_packets import CONNECT, PUBACK, PUBLISH, Packet, Splitter, read_puback, read_publish, version_of

_CONNECT_S = 5.0


@dataclass(frozen=True)
class Event:
    """What identifies a message on `…/event`; a gap stands for all events from `first` to `last`."""

    id: str
    session: str
    pipeline: str
    first: int
    last: int
    is_gap: bool = False

    @classmethod
    def parse(cls, payload: bytes) -> Event:
        body = json.loads(payload)
        session, pipeline = body["session"], body["pipeline"]
        if body["schema"] == "lineside.gap/1":
            first, last = body["first"], body["last"]
            return cls(f"gap {session} {pipeline} {first}-{last}", session, pipeline, first, last, is_gap=True)
        return cls(body["id"], session, pipeline, body["event_seq"], body["event_seq"])


@dataclass(eq=False)
class Sent:
    """An event on its way through one connection; `confirmed_s` is the monotonic time of the broker's PUBACK."""

    event: Event
    connection: int
    at_s: float
    confirmed_s: float | None = None


class Recording:
    """Every event that was handed on, in that order. Any thread may read."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self._sent: list[Sent] = []
        self._confirmed: list[Sent] = []
        self._on_their_way: dict[tuple[int, int], Sent] = {}

    def note_sent(self, connection: int, packet_id: int, event: Event) -> None:
        with self.changed:
            sent = Sent(event, connection, time.monotonic())
            self._sent.append(sent)
            self._on_their_way[connection, packet_id] = sent

    def note_confirmed(self, connection: int, packet_id: int) -> None:
        with self.changed:
            sent = self._on_their_way.pop((connection, packet_id), None)
            if sent is not None:
                sent.confirmed_s = time.monotonic()
                self._confirmed.append(sent)
                self.changed.notify_all()

    def sent(self) -> list[Sent]:
        """Everything so far, in the order of the wire."""
        with self.changed:
            return list(self._sent)

    @property
    def confirmations(self) -> int:
        """How many events were confirmed, repeated ones each time."""
        with self.changed:
            return len(self._confirmed)

    def sessions(self) -> set[str]:
        """The agent's sessions of which an event passed."""
        with self.changed:
            return {sent.event.session for sent in self._sent}

    def wait_confirmations(self, count: int, timeout_s: float) -> None:
        """Wait until so many events were confirmed in all."""
        with self.changed:
            reached = self.changed.wait_for(lambda: len(self._confirmed) >= count, timeout_s)
            assert reached, f"{len(self._confirmed)} of {count} events confirmed within {timeout_s:g} s"

    def confirmed_after(self, since_s: float, timeout_s: float, pipeline: str = "") -> float | None:
        """Seconds from the monotonic time `since_s` to a confirmation, or None where none comes within `timeout_s`.

        Args:
            since_s: Confirmations before it do not count.
            timeout_s: From now.
            pipeline: Whose events count; with a name, only those that were sent after `since_s`. Default all.
        """

        def is_it(sent: Sent) -> bool:
            return not pipeline or (sent.event.pipeline == pipeline and sent.at_s > since_s)

        def first() -> Sent | None:
            begin = bisect_right(self._confirmed, since_s, key=lambda sent: sent.confirmed_s)
            return next(filter(is_it, islice(self._confirmed, begin, None)), None)

        with self.changed:
            self.changed.wait_for(lambda: first() is not None, timeout_s)
            found = first()
        return None if found is None else found.confirmed_s - since_s


class RecordingProxy:
    """A way to the broker on `target`. `with RecordingProxy(port) as way:` opens and ends it.

    Attributes:
        recording: What passed.
        connections: How many clients have come.
        period_s: PUBLISH packets are handed on no faster than one in so many seconds; 0 is as fast as they come.
        delay_s: Each packet is held up so long, in both directions.
        is_shut: New connections are closed at once.
        torn: Set when what `tear` asked for has happened.
    """

    def __init__(self, target: int) -> None:
        self.recording = Recording()
        self.connections = 0
        self.period_s = 0.0
        self.delay_s = 0.0
        self.is_shut = False
        self.torn = threading.Event()
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._to_tear: tuple[int, float] | None = None
        self._ways: list[_Way] = []
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.is_shut:
                client.close()
                continue
            with self._lock:
                self.connections += 1
                way = _Way(self, client, self.connections)
                self._ways = [old for old in self._ways if not old.is_over] + [way]
            threading.Thread(target=way.serve, args=(self._target,), daemon=True).start()

    def cut(self) -> None:
        """Close every connection without a word."""
        for way in self._open_ways():
            way.cut()

    def freeze(self) -> None:
        """Let nothing more through on the connections that are open: they stay so until somebody cuts them. New ones work."""
        for way in self._open_ways():
            way.is_frozen = True

    def tear(self, to_broker: bool, share: float) -> None:
        """Hand on only the first bytes of the next PUBLISH (`to_broker`) or PUBACK, on whichever connection, then close.

        Args:
            to_broker: Which direction.
            share: Of the packet's bytes, 0..1.
        """
        self.torn.clear()
        with self._lock:
            self._to_tear = (PUBLISH if to_broker else PUBACK, share)

    def take_tear(self, kind: int) -> float | None:
        """The share of this packet that is to be handed on before the connection ends, once, or None."""
        with self._lock:
            if self._to_tear is None or self._to_tear[0] != kind:
                return None
            share, self._to_tear = self._to_tear[1], None
            return share

    def _open_ways(self) -> list[_Way]:
        with self._lock:
            return [way for way in self._ways if not way.is_over]

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        # A thread that waits in `accept` wakes by `shutdown`, not by `close`.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.period_s = 0.0
        self.cut()


class _Way:
    """One connection: two threads, each of which hands on what comes from one side."""

    def __init__(self, proxy: RecordingProxy, client: socket.socket, number: int) -> None:
        self.is_over = False
        self.is_frozen = False
        self._proxy = proxy
        self._client = client
        self._broker: socket.socket | None = None
        self._number = number
        self._version = 5
        self._ended = threading.Event()

    def serve(self, target: int) -> None:
        try:
            self._client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._broker = socket.create_connection(("127.0.0.1", target), _CONNECT_S)
            self._broker.settimeout(None)
            self._broker.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            self.cut()
            return
        threading.Thread(target=self._pump, args=(self._broker, self._client), daemon=True).start()
        self._pump(self._client, self._broker)

    def cut(self) -> None:
        self.is_over = True
        self._ended.set()
        for end in (self._client, self._broker):
            if end is not None:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        splitter = Splitter()
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                for packet in splitter.feed(data):
                    self._hand_on(packet, sink)
        self.cut()

    def _hand_on(self, packet: Packet, sink: socket.socket) -> None:
        to_broker = sink is self._broker
        if packet.kind == CONNECT:
            self._version = version_of(packet)
        if not to_broker and packet.kind == PUBACK:
            packet_id, is_taken = read_puback(packet)
            if is_taken:
                self._proxy.recording.note_confirmed(self._number, packet_id)
        wait_s = self._proxy.delay_s + (self._proxy.period_s if packet.kind == PUBLISH and to_broker else 0.0)
        if wait_s:
            self._ended.wait(wait_s)
        if self.is_frozen or self.is_over:  # what was read together with a torn packet goes nowhere
            return
        share = self._proxy.take_tear(packet.kind)
        if share is not None:
            sink.sendall(packet.raw[: max(1, int(len(packet.raw) * share))])
            self.cut()
            self._proxy.torn.set()
            return
        if to_broker and packet.kind == PUBLISH:
            # Noted before it is handed on, as its confirmation may be here before the next line.
            self._note(packet)
        sink.sendall(packet.raw)

    def _note(self, packet: Packet) -> None:
        said = read_publish(packet, self._version)
        if said.topic.endswith("/event"):
            self._proxy.recording.note_sent(self._number, said.packet_id, Event.parse(said.payload))
