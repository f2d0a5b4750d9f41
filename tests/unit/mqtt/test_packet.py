"""The packet that we write ourselves is the one that paho would have written."""

from __future__ import annotations

import contextlib
import itertools
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from agent.mqtt.inlet import KEPT_BYTES, Inlet
from agent.mqtt.packet import Puback, _length, publish_packet, split

VERSIONS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}


def of_paho(topic, payload, retain, protocol, identifier=None, correlation=None):
    """What paho puts into its queue for the socket."""
    properties = None
    if correlation is not None:
        properties = Properties(PacketTypes.PUBLISH)
        properties.CorrelationData = correlation
    client = Client(CallbackAPIVersion.VERSION2, protocol=VERSIONS[protocol])
    client._sock = socket.socket()  # it does not ask for more before it packs
    client._packet_queue = lambda command, packet, *_: packets.append(bytes(packet))
    packets = []
    qos = 0 if identifier is None else 1
    client._send_publish(identifier or 1, topic.encode(), payload, qos, retain, False, None, properties)
    return packets[0]


@pytest.mark.parametrize("protocol", VERSIONS)
@pytest.mark.parametrize("size", [0, 1, 100, 127, 128, 16_300, 16_383, 16_384, 2_097_151, 2_097_152])
def test_lengths_of_one_to_four_bytes(size, protocol):
    """The length of a packet takes one more byte at each power of 128."""
    packet = publish_packet("t", b"x" * size, retain=True, protocol=protocol)
    assert packet == of_paho("t", b"x" * size, True, protocol)


@given(
    topic=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="+#\0"), min_size=1, max_size=200),
    payload=st.binary(max_size=300),
    retain=st.booleans(),
    protocol=st.sampled_from(sorted(VERSIONS)),
)
def test_every_packet_is_the_one_that_paho_writes(topic, payload, retain, protocol):
    """Topic in UTF-8, flags, and the empty properties of version 5."""
    expected = of_paho(topic, payload, retain, protocol)
    assert publish_packet(topic, payload, retain=retain, protocol=protocol) == expected


@given(
    payload=st.binary(max_size=300),
    retain=st.booleans(),
    protocol=st.sampled_from(sorted(VERSIONS)),
    identifier=st.integers(1, 65_535),
    correlation=st.none() | st.binary(max_size=200),
)
def test_qos_1_and_correlation_data_are_written_as_paho_does(payload, retain, protocol, identifier, correlation):
    """The packet's number, and in version 5 what whoever asked gave to be given back."""
    if protocol != "5":
        correlation = None
    expected = of_paho("a/b", payload, retain, protocol, identifier, correlation)
    ours = publish_packet(
        "a/b", payload, retain=retain, protocol=protocol, identifier=identifier, correlation=correlation
    )
    assert ours == expected


PACKETS = {
    b"\x40\x02\x00\x07": Puback(7, 0),
    b"\x40\x03\x01\x00\x87": Puback(256, 0x87),
    b"\x40\x04\xff\xff\x10\x00": Puback(65_535, 0x10),
    b"\xd0\x00": None,
    b"\x30\x05\x00\x01t\x00!": None,
    publish_packet("t", b"x" * 300, retain=False, protocol="5"): None,
}


class ScriptedSocket:
    """Gives what it is told to, piece by piece."""

    def __init__(self, pieces):
        self.pieces = list(pieces)

    def recv(self, _size):
        if not self.pieces:
            raise BlockingIOError
        return self.pieces.pop(0)


@given(packets=st.lists(st.sampled_from(sorted(PACKETS)), max_size=12), cuts=st.lists(st.integers(0, 400), max_size=6))
def test_confirmations_are_kept_and_everything_else_goes_through(packets, cuts):
    """However TCP cuts the stream into pieces."""
    stream = b"".join(packets)
    edges = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    pieces = [stream[a:b] for a, b in itertools.pairwise(edges)]
    kept, through = [], b""
    inlet = Inlet(ScriptedSocket(pieces), kept)
    for _ in range(len(stream) + len(pieces) + 1):
        with contextlib.suppress(BlockingIOError):
            through += inlet.recv(3)
    assert kept == [PACKETS[packet] for packet in packets if PACKETS[packet]]
    assert through == b"".join(packet for packet in packets if not PACKETS[packet])


@given(st.binary(max_size=200))
def test_no_bytes_are_lost_in_what_is_taken_apart(data):
    """Whatever a peer sends that is no broker."""
    pubacks, others, left = split(data)
    assert data.endswith(left)
    assert len(b"".join(others)) + len(left) + 4 * len(pubacks) <= len(data) or not pubacks


def test_what_can_never_be_a_packet_is_not_kept_back():
    """paho sees it, and ends the connection."""
    rubbish = b"\xff" * 20
    assert Inlet(ScriptedSocket([rubbish]), []).recv(100) == rubbish


@pytest.mark.parametrize("protocol", VERSIONS)
@pytest.mark.parametrize("identifier", [None, 7])
def test_of_a_huge_message_only_the_beginning_is_kept(protocol, identifier):
    """From a broker that knows no bound; what comes behind it is whole."""
    correlation = b"c" * 50 if protocol == "5" else None
    options = {"retain": True, "protocol": protocol, "identifier": identifier, "correlation": correlation}
    huge = publish_packet("t" * 1000, b"x" * 20_000_000, **options)
    behind = publish_packet("t", b"behind", retain=False, protocol=protocol)
    through = read_all(Inlet(ScriptedSocket(pieces_of(b"\xd0\0" + huge + behind)), [], protocol))
    kept_bytes = len(through) - 2 - len(behind)
    assert KEPT_BYTES - 10 < kept_bytes < KEPT_BYTES + 65_536
    _, packets, left = split(through)
    payload_bytes = kept_bytes - (len(huge) - 20_000_000) + 1  # its length takes one byte less
    assert packets == [b"\xd0\0", publish_packet("t" * 1000, b"x" * payload_bytes, **options), behind]
    assert left == b""


def test_of_a_message_with_endless_properties_only_the_topic_is_kept():
    """Half a property would end the connection, and a retained message of that kind would end each one."""
    topic = publish_packet("root/cmd/pause", b"", retain=True, protocol="5", identifier=7)
    properties = (b"\x26" + 2 * (b"\xea\x60" + b"u" * 60_000)) * 10  # user properties
    body = topic[2:-1] + _length(len(properties)) + properties + b"payload"
    packet = topic[:1] + _length(len(body)) + body
    assert read_all(Inlet(ScriptedSocket(pieces_of(packet + topic)), [], "5")) == topic + topic


def pieces_of(stream):
    return [stream[at : at + 65_536] for at in range(0, len(stream), 65_536)]


def read_all(inlet):
    """What goes through, until the socket has nothing more."""
    through = bytearray()
    while inlet.inner.pieces or inlet.pending():
        with contextlib.suppress(BlockingIOError):
            through += inlet.recv(100_000)
    return bytes(through)


def test_the_end_of_the_connection_goes_through():
    """As an empty piece, which is how a socket says it."""
    assert Inlet(ScriptedSocket([b""]), []).recv(1) == b""
