"""Between the socket and paho: keeps the broker's confirmations for us, cuts messages that are too long, hands everything else through.

paho reads a packet byte by byte and builds three objects for each confirmation, 40 µs in all; a burst of twenty is read here at once.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from paho.mqtt.client import Client

from agent.mqtt.packet import is_rubbish, shortened, split

if TYPE_CHECKING:
    from agent.mqtt.link import Protocol
    from agent.mqtt.packet import Puback

_CHUNK = 65_536
KEPT_BYTES = 262_144
"""Of a message to an inlet that cuts; above what a topic and the largest command may have, so that it is still too large."""
_LONGEST_HEADER = 5
"""Bytes until the length of a packet is known (MQTT 5.0, section 2.1.4); what has none by then is no MQTT."""


class ConfirmedClient(Client):
    """paho's client with an inlet before its socket.

    Attributes:
        pubacks: Confirmations that came; the owner empties it.
    """

    def __init__(self, *arguments: Any, cuts: Protocol | None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.pubacks: deque[Puback] = deque()
        self._cuts: Protocol | None = cuts

    def _create_socket(self) -> Any:
        return Inlet(super()._create_socket(), self.pubacks, self._cuts)


class Inlet:
    """Stands in for a socket, TLS socket or websocket of paho's; what it does not know, the socket does. One thread at a time.

    Attributes:
        inner: The socket.
    """

    def __init__(self, inner: Any, pubacks: deque[Puback], cuts: Protocol | None = None) -> None:
        """Store.

        Args:
            inner: The socket.
            pubacks: Where confirmations go.
            cuts: Of messages beyond `KEPT_BYTES` the rest is thrown away as it comes; the protocol that is spoken. None: they come whole.
        """
        self.inner = inner
        self._pubacks = pubacks
        self._cuts: Protocol | None = cuts
        self._unwanted_bytes = 0
        self._through = b""
        self._left = b""

    def recv(self, size: int, *_flags: int) -> bytes:
        """What paho is to see; nothing at the end of the connection.

        Raises:
            BlockingIOError: Nothing now.
            OSError: What the socket raises.
        """
        if not self._through:
            data = self.inner.recv(_CHUNK)
            if not data:
                return b""
            if self._unwanted_bytes:
                unwanted, data = data[: self._unwanted_bytes], data[self._unwanted_bytes :]
                self._unwanted_bytes -= len(unwanted)
            pubacks, others, self._left = split(self._left + data)
            self._pubacks += pubacks
            if len(self._left) >= _LONGEST_HEADER and not others and not pubacks and is_rubbish(self._left):
                others, self._left = [self._left], b""
            if self._cuts and len(self._left) > KEPT_BYTES and (cut := shortened(self._left, self._cuts)):
                self._left, self._unwanted_bytes = b"", cut[1]
                others.append(cut[0])
            self._through = b"".join(others)
        if not self._through:
            raise BlockingIOError
        taken, self._through = self._through[:size], self._through[size:]
        return taken

    def pending(self) -> int:
        """Bytes that can be read although the socket's descriptor does not say so."""
        inner = getattr(self.inner, "pending", None)
        return len(self._through) + (inner() if inner is not None else 0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)
