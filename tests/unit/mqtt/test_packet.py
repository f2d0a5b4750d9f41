"""The packet that we write ourselves is the one that paho would have written."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from agent.mqtt.packet import publish_packet

VERSIONS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}


def of_paho(topic, payload, retain, protocol):
    """What paho puts into its queue for the socket."""
    client = Client(CallbackAPIVersion.VERSION2, protocol=VERSIONS[protocol])
    client._sock = socket.socket()  # it does not ask for more before it packs
    client._packet_queue = lambda command, packet, *_: packets.append(bytes(packet))
    packets = []
    client._send_publish(1, topic.encode(), payload, 0, retain)
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
