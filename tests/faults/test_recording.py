"""The recording proxy itself: what it says was handed on was handed on."""

from __future__ import annotations

import json
import socket

from recording import RecordingProxy

from agent.mqtt.packet import publish_packet


def packet(number: int) -> bytes:
    body = {"schema": "lineside.prediction/1", "id": str(number), "session": "s", "pipeline": "p", "event_seq": number}
    topic = "lineside/v1/press/pipeline/p/event"
    return publish_packet(topic, json.dumps(body).encode(), retain=False, protocol="5", identifier=number + 1)


def test_what_came_together_with_a_torn_packet_was_not_sent():
    """On a busy machine several packets are read at once; those behind the torn one reach nobody, and are sent again in order."""
    with socket.create_server(("127.0.0.1", 0)) as broker, RecordingProxy(broker.getsockname()[1]) as way:
        way.tear(to_broker=True, share=0.5)
        with socket.create_connection(("127.0.0.1", way.port)) as client:
            client.sendall(b"".join(packet(number) for number in range(3)))
            assert client.recv(1) == b""
        received, _ = broker.accept()
        with received:
            heard = b"".join(iter(lambda: received.recv(65536), b""))
    assert heard == packet(0)[: len(packet(0)) // 2]
    assert way.recording.sent() == []
