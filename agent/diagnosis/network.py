"""Does the broker answer, and how fast?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.core.errors import LinesideError
from agent.core.findings import Finding
from agent.mqtt.listener import probe

if TYPE_CHECKING:
    from agent.mqtt.settings import MqttSettings

PROBE_TIMEOUT_S = 5.0


def broker_finding(settings: MqttSettings) -> Finding:
    """The protocol, and the time of a message to the broker and back."""
    try:
        result = probe(settings, PROBE_TIMEOUT_S)
    except LinesideError as error:
        return Finding("broker", "error", str(error), error.hint or "is it running, and is the address right?")
    message = (
        f"{settings.url} answers, MQTT {result.protocol}, a message comes back after {result.round_trip_ms:.1f} ms"
    )
    if result.has_nagle:
        message += f", the next one {result.held_ms:.0f} ms later (Nagle's algorithm)"
        return Finding(
            "broker", "warning", message, "mosquitto: `set_tcp_nodelay true`, and one in twenty is no longer late"
        )
    return Finding("broker", "info", message)
