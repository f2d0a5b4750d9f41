"""From what sockets, TLS and brokers say to a `LinkFault` that a person can act on. Pure."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

from agent.mqtt.link import LinkFault

if TYPE_CHECKING:
    from agent.mqtt.link import FaultKind, Protocol
    from agent.mqtt.settings import Address

_TLS_HERE = "does the broker speak TLS on this port?"
_WITHOUT_TLS = "mqtts:// and wss:// are with TLS, mqtt:// and ws:// without"
_UNSUPPORTED_PROTOCOL = 0x84
_TAKEN_OVER = 0x8E
_NOT_AUTHORIZED = 0x87
_REFUSALS: dict[int, tuple[str, str]] = {
    0x85: ("does not accept our client id", "set mqtt.client_id to what the broker expects"),
    0x86: ("does not accept user and password", "check mqtt.username and the content of mqtt.password_file"),
    _NOT_AUTHORIZED: (
        "does not let us in: user or password are wrong, or may not connect",
        "check mqtt.username, the content of mqtt.password_file, and the broker's access list",
    ),
    0x8A: ("has banned this client", "ask who runs the broker"),
    0x8C: ("wants another way to authenticate", "user and password or a client certificate are what we can give"),
}
"""Reason codes of CONNACK (MQTT 5.0, section 3.2.2.2) that a person must see to; the others pass by themselves."""


_PUBACK = {
    0x80: "Unspecified error",
    0x83: "Implementation specific error",
    _NOT_AUTHORIZED: "Not authorized",
    0x90: "Topic name invalid",
    0x91: "Packet identifier in use",
    0x97: "Quota exceeded",
    0x99: "Payload format invalid",
}


def unreachable(address: Address, error: Exception) -> LinkFault:
    """The network said no."""
    if isinstance(error, socket.gaierror):
        return LinkFault(
            "unreachable", f"{address.host} is not a known host", hint="check mqtt.url and the name server"
        )
    if isinstance(error, ConnectionRefusedError):
        return LinkFault("unreachable", f"nothing listens at {address}", hint="is the broker running? check mqtt.url")
    if isinstance(error, TimeoutError):
        return LinkFault(
            "unreachable", f"{address} did not answer in time", hint="is the host up, does a firewall stand between?"
        )
    if address.is_tls and isinstance(error, (ConnectionResetError, ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        what = "closed the connection in the TLS handshake"
        return LinkFault("unreachable", f"{address} {what}; {_TLS_HERE}", hint=_WITHOUT_TLS)
    why = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
    return LinkFault("unreachable", f"{address} cannot be reached: {why}", hint="check mqtt.url and the network")


def tls(address: Address, error: ssl.SSLError) -> LinkFault:
    """The handshake failed: one side does not believe the other, or one of them does not speak TLS."""
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return unreachable(address, error)
    if isinstance(error, ssl.SSLCertVerificationError):
        hint = "does mqtt.ca_file hold the authority of the broker's certificate, is the host name in mqtt.url the one in it?"
        return LinkFault("refused", f"the certificate of {address} is not trusted: {error.verify_message}", hint=hint)
    reason = getattr(error, "reason", None) or str(error)  # only OpenSSL's own have the attribute
    if "CERTIFICATE" in reason or "UNKNOWN_CA" in reason:
        return _client_certificate(address, reason)
    what = f"does not complete the TLS handshake: {reason}"
    return LinkFault("refused", f"{address} {what}; {_TLS_HERE}", hint=_WITHOUT_TLS)


def _client_certificate(address: Address, why: str) -> LinkFault:
    hint = "mqtt.cert_file and mqtt.key_file must be a certificate that the broker trusts"
    return LinkFault(
        "refused", f"{address} refuses this device's certificate: {why.lower().replace('_', ' ')}", hint=hint
    )


def no_answer(address: Address, waited_s: float) -> LinkFault:
    """Connected, and then nothing. amqtt 0.12.1 does that when MQTT 5 is spoken to it."""
    what = f"took the connection and did not answer within {waited_s:g} s"
    hint = "is it an MQTT broker? check the port in mqtt.url"
    return LinkFault("unanswered", f"{address} {what}{_or_tls(address)}", hint=hint)


def silence(address: Address, why: str) -> LinkFault:
    """Closed in place of an answer to CONNECT. With TLS 1.3 a refused client certificate shows only here."""
    if "CERTIFICATE" in why or "UNKNOWN_CA" in why:
        return _client_certificate(address, why.partition("]")[0].rpartition(": ")[2] or why)
    hint = "is it an MQTT broker? its log says why it closed"
    return LinkFault("silent", f"{address} closed the connection in place of an answer{_or_tls(address)}", hint=hint)


def _or_tls(address: Address) -> str:
    """A port for TLS takes what we say in clear for rubbish, and is silent or closes."""
    return "" if address.is_tls else f"; {_TLS_HERE}"


def connack(address: Address, code: int, name: str, protocol: Protocol) -> LinkFault:
    """The broker answered CONNECT with no; 3.1.1's codes come in the words of MQTT 5."""
    if code == _UNSUPPORTED_PROTOCOL:
        return LinkFault(
            "protocol", f"{address} does not speak MQTT {protocol}", hint="MQTT 5 and 3.1.1 are what we speak"
        )
    if code in _REFUSALS:
        sentence, hint = _REFUSALS[code]
        return LinkFault("refused", f"{address} {sentence}", hint=hint)
    return LinkFault("unreachable", f"{address} does not take us now: {name}", hint="its log says why")


def lost(address: Address, why: str) -> LinkFault:
    """Cut without a word."""
    return LinkFault("lost", f"the connection to {address} was cut" + (f": {why}" if why else ""))


def farewell(address: Address, code: int, name: str) -> LinkFault:
    """The broker said why it closes (MQTT 5.0, section 3.14.2.1)."""
    if code == _TAKEN_OVER:
        hint = "give each agent its own mqtt.client_id or device.id"
        return LinkFault("taken_over", f"another client connected to {address} with our client id", hint=hint)
    kind: FaultKind = "refused" if code == _NOT_AUTHORIZED else "lost"
    return LinkFault(kind, f"{address} closed the connection: {name}")


def puback(code: int) -> str:
    """Why the broker does not take a message (MQTT 5.0, section 3.4.2.1)."""
    return _PUBACK.get(code, f"reason code 0x{code:02x}")
