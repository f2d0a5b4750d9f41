"""Does the broker answer, and how fast?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.core.errors import LinesideError
from agent.core.findings import Finding
from agent.mqtt.probe import probe

if TYPE_CHECKING:
    from agent.mqtt.settings import MqttSettings

PROBE_TIMEOUT_S = 5.0
_NAGLE_MS = 5.0
"""A round trip on a plant's network takes well under a millisecond; Nagle's algorithm in the broker holds small messages for more."""


def broker_finding(settings: MqttSettings) -> Finding:
    """The protocol, and the time of a message to the broker and back."""
    try:
        result = probe(settings, PROBE_TIMEOUT_S)
    except LinesideError as error:
        return Finding("broker", "error", f"{settings.url}: {error}", error.hint or "is it running, and is the address right?")
    message = f"{settings.url} answers, MQTT {result.protocol}, a message comes back after {result.round_trip_ms:.1f} ms (median)"
    if result.round_trip_ms > _NAGLE_MS:
        return Finding("broker", "warning", message, "mosquitto: `set_tcp_nodelay true`; else the network is slow")
    return Finding("broker", "info", message)
