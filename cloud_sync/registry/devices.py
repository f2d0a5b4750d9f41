"""Who may be a device, and what devices report. A device is its key: an id that exists changes hands by an operator only."""

from __future__ import annotations

import json
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cloud_sync import envelope, layout
from cloud_sync.errors import ContentTooLarge, MetadataInvalid, Refused
from cloud_sync.registry.errors import EnrolmentRefused, RegistryBusy, ReportRefused, UnknownName
from cloud_sync.registry.state import changes, devices, tokens
from cloud_sync.registry.times import parsed
from cloud_sync.registry.tokens import hashed
from cloud_sync.registry.types import Candidate, Enrolled
from cloud_sync.signers import KeyUnusable, key_of

if TYPE_CHECKING:
    from datetime import datetime

    from securesystemslib.signer import Key

    from cloud_sync.registry.settings import Settings
    from cloud_sync.registry.state.database import Connection

ENROL_SCHEMA = "lineside.enrol/1"
REPORT_SCHEMA = "lineside.report/1"
NONCE_HOLDS = timedelta(minutes=5)
_MOST_NONCES = 10_000
_MOST_CANDIDATES = 5
"""For one device: more tell an operator nothing, and a stranger must not fill the list."""
_LONGEST_TEXT = 4000
_LONGEST_WORD = 100
_MOST_RUNS = 1000
_MOST_EVENTS = 500
_LARGEST_NUMBER = 2**53 - 1
_RUN = ("version", "digest", "state", "reason")
_EVENT = ("at", "what", "model", "version", "reason")


def create_token(tx: Connection, device: str, now: datetime, valid_for: timedelta, by: str) -> str:
    """A secret that admits one device once."""
    if not layout.is_name(device):
        raise Refused(f"{device!r} is no name of a device")
    secret = f"lse_{secrets.token_urlsafe(32)}"
    tokens.add_enrolment_token(tx, hashed(secret), device, now + valid_for, by)
    changes.add(tx, now, by, "enrolment-token", f"device:{device}", {})
    return secret


def nonce(tx: Connection, now: datetime) -> str:
    """A number for one request."""
    tokens.forget_expired(tx, now)
    if tokens.count_nonces(tx) >= _MOST_NONCES:
        raise RegistryBusy("too many devices ask to be enrolled at once", hint="try again in some minutes")
    value = secrets.token_urlsafe(32)
    tokens.add_nonce(tx, hashed(value), now + NONCE_HOLDS)
    return value


def enrol(tx: Connection, content: bytes, settings: Settings, now: datetime) -> Enrolled:
    """Take a device's request."""
    asked, key = _request(content, settings.max_report_bytes)
    device = asked["device"]
    candidate = Candidate(device, key.keyid, now, asked["profile"], asked["agent_version"])
    if not tokens.use_nonce(tx, hashed(asked["nonce"]), now):
        raise EnrolmentRefused(f"the nonce of {device} does not hold", hint="ask for a new one, and use it at once")
    known = devices.key(tx, device)
    if known is not None and known[0] == key.keyid and known[2] == "admitted":
        return Enrolled(device, key.keyid, "admitted")
    maker = None
    if asked["token"] is not None:
        maker = tokens.enrolment_token(tx, hashed(asked["token"]), device, now)
        if maker is None:
            raise EnrolmentRefused(
                f"the token of {device} does not hold: it was used, is of another device, or expired",
                hint="`lineside registry enroll-token` makes a new one",
            )
    if known is None and maker is not None:
        tokens.use_enrolment_token(tx, hashed(asked["token"]))
        devices.admit(tx, candidate, key.to_dict(), now, maker)
        devices.forget_candidates(tx, device)
        changes.add(tx, now, maker, "enrol", f"device:{device}", {"key": key.keyid})
        return Enrolled(device, key.keyid, "admitted")
    _wait(tx, candidate, key, settings, now)
    return Enrolled(device, key.keyid, "waiting")


def _wait(tx: Connection, candidate: Candidate, key: Key, settings: Settings, now: datetime) -> None:
    device = candidate.device
    is_new = all(other.keyid != key.keyid for other, _ in devices.candidates_of(tx, device))
    if is_new and (
        devices.count_candidates(tx, device) >= _MOST_CANDIDATES or devices.count_candidates(tx) >= settings.max_waiting
    ):
        raise RegistryBusy("too many wait for an operator already", hint="`lineside registry devices list` shows who")
    devices.add_candidate(tx, candidate, key.to_dict())
    if is_new:
        changes.add(tx, now, f"device:{device}", "ask", f"device:{device}", {"key": key.keyid})


def approve(tx: Connection, device: str, keyid: str | None, now: datetime, by: str) -> None:
    """Admit who waits."""
    waiting = [(who, public) for who, public in devices.candidates_of(tx, device) if keyid in (None, who.keyid)]
    if not waiting:
        raise UnknownName(f"nobody asks to be {device}", hint="`lineside sync enroll` on the device asks")
    if len(waiting) > 1:
        ids = ", ".join(who.keyid[:16] for who, _ in waiting)
        raise Refused(f"{len(waiting)} ask to be {device}: {ids}", hint="say which key; the device shows its own")
    ((who, public),) = waiting
    former = devices.key(tx, device)
    devices.admit(tx, who, public, now, by)
    devices.forget_candidates(tx, device)
    detail = {"key": who.keyid, "former": former[0] if former else None}
    changes.add(tx, now, by, "approve", f"device:{device}", detail)


def reject(tx: Connection, device: str, keyid: str | None, now: datetime, by: str) -> int:
    """Send who waits away."""
    count = devices.forget_candidates(tx, device, keyid)
    if not count:
        raise UnknownName(f"nobody asks to be {device}")
    changes.add(tx, now, by, "reject", f"device:{device}", {"count": count})
    return count


def revoke(tx: Connection, device: str, now: datetime, by: str) -> None:
    """Take nothing of it any more."""
    if devices.key(tx, device) is None:
        raise UnknownName(f"there is no device {device}")
    devices.revoke(tx, device)
    changes.add(tx, now, by, "revoke", f"device:{device}", {})


def report(tx: Connection, content: bytes, settings: Settings, now: datetime) -> str:
    """Take a report."""
    if len(content) > settings.max_report_bytes:
        raise ContentTooLarge(f"a report has more than {settings.max_report_bytes} bytes")
    said, _ = _unverified(content, "the report")
    device = _name(said.get("device"), ReportRefused("the report names no device"))
    known = devices.key(tx, device)
    if known is None or known[2] != "admitted":
        raise ReportRefused(f"{device} is not admitted", hint="`lineside sync enroll` on the device")
    envelope.opened(content, {known[0]: key_of(known[0], known[1])}, what=f"the report of {device}")
    try:
        number, runs, events = _read_report(said)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReportRefused(f"the report of {device} makes no sense: {type(error).__name__} {error}") from error
    if not devices.add_report(tx, device, number, now, runs, events, said.get("error")):
        raise ReportRefused(
            f"report {number} of {device} was there before", hint="a replay, or a device with old state"
        )
    return device


def _request(content: bytes, most: int) -> tuple[dict[str, Any], Key]:
    """A request whose key has signed it; all fields are text of bounded length."""
    if len(content) > most:
        raise ContentTooLarge(f"a request has more than {most} bytes")
    said, keyid = _unverified(content, "the request")
    try:
        key = key_of(keyid, {name: value for name, value in said["key"].items() if name != "keyid"})
    except (KeyUnusable, KeyError, AttributeError) as error:
        raise EnrolmentRefused(f"the request has no usable key: {error}") from error
    if key.keytype != "ed25519":
        raise EnrolmentRefused(f"the key is of type {key.keytype}, a device has ed25519")
    envelope.opened(content, {keyid: key}, what="the request")
    _name(said.get("device"), EnrolmentRefused("the request names no device"))
    is_text = all(isinstance(said.get(name), str) for name in ("nonce", "profile", "agent_version"))
    token = said.get("token")
    if said.get("schema") != ENROL_SCHEMA or not is_text or not (token is None or isinstance(token, str)):
        raise EnrolmentRefused(f"this is no request of schema {ENROL_SCHEMA}")
    if max(len(said["profile"]), len(said["agent_version"]), len(said["nonce"]), len(token or "")) > _LONGEST_WORD:
        raise EnrolmentRefused(f"a field is longer than {_LONGEST_WORD} characters")
    return {**said, "token": token}, key


def _unverified(content: bytes, what: str) -> tuple[dict[str, Any], str]:
    """Who it says it is from. Believed only after `envelope.opened`, which reads the same bytes."""
    try:
        data = json.loads(content)
        said, keyid = data["signed"], data["signatures"][0]["keyid"]
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise MetadataInvalid(f"{what} is no signed object: {type(error).__name__} {error}") from error
    if not isinstance(said, dict) or not isinstance(keyid, str):
        raise MetadataInvalid(f"{what} is no signed object")
    return said, keyid


def _name(value: Any, otherwise: Exception) -> str:
    if not isinstance(value, str) or not layout.is_name(value):
        raise otherwise
    return value


def _read_report(said: dict[str, Any]) -> tuple[int, dict[str, dict[str, Any]], list[dict[str, Any]]]:
    number, runs, events = said["number"], said["runs"], said["events"]
    if said["schema"] != REPORT_SCHEMA:
        raise ValueError(f"schema {said['schema']!r}")
    parsed(said["sent_at"])
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number <= _LARGEST_NUMBER:
        raise ValueError(f"number {number!r}")
    if len(runs) > _MOST_RUNS or len(events) > _MOST_EVENTS:
        raise ValueError("too long")
    if odd := [name for name in runs if not layout.is_name(name)]:
        raise ValueError(f"{odd[0]!r} is no model")
    return number, {name: _texts(run, _RUN) for name, run in runs.items()}, [_texts(event, _EVENT) for event in events]


def _texts(data: dict[str, Any], names: tuple[str, ...]) -> dict[str, str | None]:
    """Only what is known, and only text of bounded length."""
    found = {name: data.get(name) for name in names}
    for name, value in found.items():
        if not (value is None or (isinstance(value, str) and len(value) <= _LONGEST_TEXT)):
            raise ValueError(f"{name} is no text of at most {_LONGEST_TEXT} characters")
    return found
