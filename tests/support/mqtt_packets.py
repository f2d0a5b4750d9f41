"""MQTT as bytes, as far as a bystander needs it: where packets end, and what PUBLISH and PUBACK say (MQTT 5.0 and 3.1.1, sections 2 and 3)."""

from __future__ import annotations

from dataclasses import dataclass

CONNECT, CONNACK, PUBLISH, PUBACK = 1, 2, 3, 4
_REFUSED = 0x80
"""Reason codes from here on say no."""
_LENGTH_BYTES = 4


@dataclass(frozen=True)
class Packet:
    """One control packet, whole.

    Attributes:
        kind: Its type, 1 to 15.
        raw: All of its bytes.
        body: Without the fixed header.
    """

    kind: int
    raw: bytes
    body: bytes

    @property
    def qos(self) -> int:
        """Of a PUBLISH."""
        return self.raw[0] >> 1 & 3


@dataclass(frozen=True)
class Publish:
    """What a PUBLISH says. `packet_id` is 0 for QoS 0."""

    topic: str
    qos: int
    packet_id: int
    payload: bytes


class Splitter:
    """Cuts one direction of a connection into packets. `feed` whatever arrived; what is not whole is kept."""

    def __init__(self) -> None:
        self.rest = b""

    def feed(self, data: bytes) -> list[Packet]:
        """The packets that are whole now."""
        self.rest += data
        packets, at = [], 0
        while (packet := _packet_at(self.rest, at)) is not None:
            packets.append(packet)
            at += len(packet.raw)
        self.rest = self.rest[at:]
        return packets


def _packet_at(data: bytes, at: int) -> Packet | None:
    if at >= len(data):
        return None
    found = _variable_length(data, at + 1)
    if found is None:
        return None
    length, begin = found
    if len(data) < begin + length:
        return None
    return Packet(data[at] >> 4, data[at : begin + length], data[begin : begin + length])


def _variable_length(data: bytes, at: int) -> tuple[int, int] | None:
    """A variable byte integer and where it ends, or None while it is not whole."""
    value = 0
    for k in range(_LENGTH_BYTES):
        if at + k >= len(data):
            return None
        value |= (data[at + k] & 0x7F) << 7 * k
        if data[at + k] < 0x80:
            return value, at + k + 1
    raise ValueError(f"no MQTT: a length of more than {_LENGTH_BYTES} bytes")


def version_of(connect: Packet) -> int:
    """Version of the protocol that a CONNECT asks for: 4 is 3.1.1."""
    return connect.body[2 + int.from_bytes(connect.body[:2], "big")]


def read_publish(packet: Packet, version: int) -> Publish:
    """What a PUBLISH says."""
    body = packet.body
    at = 2 + int.from_bytes(body[:2], "big")
    topic = body[2:at].decode()
    packet_id = 0
    if packet.qos:
        packet_id = int.from_bytes(body[at : at + 2], "big")
        at += 2
    if version >= 5:
        length, at = _variable_length(body, at)  # properties
        at += length
    return Publish(topic, packet.qos, packet_id, body[at:])


def read_puback(packet: Packet) -> tuple[int, bool]:
    """The packet id that is confirmed, and whether the message was taken."""
    return int.from_bytes(packet.body[:2], "big"), len(packet.body) < 3 or packet.body[2] < _REFUSED
