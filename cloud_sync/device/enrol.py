"""Becoming known to a registry: the request is signed by the device's key over token, id and a nonce of the server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

from cloud_sync import envelope
from cloud_sync.errors import Unreachable

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner

    from cloud_sync.device.journal import Journal
    from cloud_sync.device.order import Order

SCHEMA = "lineside.enrol/1"
ADMITTED, WAITING = "admitted", "waiting"
_API = "api/v1/"
_MAX_ANSWER_BYTES = 64 << 10
_STATE = "enrolment"


class Desk(Protocol):
    """Where a registry takes requests: `HttpWire`."""

    def post(self, path: str, content: bytes, max_bytes: int) -> bytes:
        """See `HttpWire.post`."""
        ...


def enrolment(journal: Journal) -> str:
    """What the registry said last: `admitted`, `waiting`, or empty."""
    return journal.value(_STATE) or ""


def enrol(desk: Desk, journal: Journal, signer: CryptoSigner, order: Order) -> str:
    """Ask to be a device. The same key may ask again, and is told what it is.

    Returns:
        `admitted`, or `waiting` for an operator.

    Raises:
        Refused: The nonce or the token is not valid.
        Unreachable: The registry does not answer, or not as one.
    """
    nonce = _answer(desk.post(f"{_API}enrol/nonce", b"", _MAX_ANSWER_BYTES), "nonce")
    request = {
        "schema": SCHEMA,
        "device": order.device,
        "nonce": nonce,
        "token": order.enrol_token or None,
        "key": signer.public_key.to_dict(),
        "profile": order.profile,
        "agent_version": order.agent_version,
    }
    state = _answer(desk.post(f"{_API}enrol", envelope.seal(request, signer), _MAX_ANSWER_BYTES), "state")
    if state not in (ADMITTED, WAITING):
        raise Unreachable(f"the registry answers {state[:40]!r} to an enrolment")
    if state != enrolment(journal):
        journal.note("enrolment", state=state, keyid=signer.public_key.keyid)
    journal.set_value(_STATE, state)
    return state


def send_report(desk: Desk, content: bytes) -> None:
    """Hand over one report.

    Raises:
        Refused: It is not taken: the device is not admitted, or the number was seen before.
        Unreachable: It is not known whether it was taken.
    """
    desk.post(f"{_API}reports", content, _MAX_ANSWER_BYTES)


def _answer(content: bytes, name: str) -> str:
    try:
        value: Any = json.loads(content)[name]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Unreachable(f"the registry's answer has no {name}: {type(error).__name__}") from error
    if not isinstance(value, str):
        raise Unreachable(f"the registry's answer has no {name}")
    return value
