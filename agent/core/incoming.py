"""What came from the broker: made by `agent.mqtt.wire`, read by `lineside tap` and by whoever obeys commands."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Incoming:
    """One message as it came. Nothing of it has been believed yet.

    A response topic is left out on purpose: answers go where the contract says, and nowhere that a stranger names.

    Attributes:
        topic: Full topic; empty where it was no text.
        payload: Any bytes.
        is_retained: The broker had kept it, or was asked to (the latter shows in MQTT 5 only).
        correlation: Correlation data of MQTT 5, to be given back in the answer; None where there is none.
    """

    topic: str
    payload: bytes
    is_retained: bool = False
    correlation: bytes | None = None
