"""Devices, who asks to be one, and what they said in their reports."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, select, update

from cloud_sync.registry.state.schema import candidates, devices, events, runs
from cloud_sync.registry.times import iso, parsed
from cloud_sync.registry.types import Candidate, DeviceInfo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Row

MOST_EVENTS = 200
"""That are kept of a device."""


def key(tx: Connection, device: str) -> tuple[str, dict[str, Any], str] | None:
    """Key id, public key and state of a device."""
    row = tx.execute(select(devices).where(devices.c.device == device)).first()
    return (row.keyid, json.loads(row.public), row.state) if row else None


def admit(tx: Connection, candidate: Candidate, public: Mapping[str, Any], at: datetime, by: str) -> None:
    """Make somebody this device; the numbers of its reports begin anew with its key."""
    values = {
        "keyid": candidate.keyid,
        "public": json.dumps(public),
        "state": "admitted",
        "admitted_at": iso(at),
        "admitted_by": by,
        "profile": candidate.profile,
        "agent_version": candidate.agent_version,
        "number": 0,
    }
    if tx.execute(update(devices).where(devices.c.device == candidate.device).values(**values)).rowcount == 0:
        tx.execute(insert(devices).values(device=candidate.device, **values))
    tx.execute(delete(events).where(events.c.device == candidate.device))


def revoke(tx: Connection, device: str) -> None:
    """Take nothing of it any more; what it ran counts no longer."""
    tx.execute(update(devices).where(devices.c.device == device).values(state="revoked"))
    tx.execute(delete(runs).where(runs.c.device == device))


def add_candidate(tx: Connection, candidate: Candidate, public: Mapping[str, Any]) -> None:
    """Remember who asks; once more replaces what the same key asked before."""
    forget_candidates(tx, candidate.device, candidate.keyid)
    tx.execute(
        insert(candidates).values(
            device=candidate.device,
            keyid=candidate.keyid,
            public=json.dumps(public),
            asked_at=iso(candidate.asked_at),
            profile=candidate.profile,
            agent_version=candidate.agent_version,
        )
    )


def forget_candidates(tx: Connection, device: str, keyid: str | None = None) -> int:
    """Of a device, or one of them; how many there were."""
    question = delete(candidates).where(candidates.c.device == device)
    if keyid is not None:
        question = question.where(candidates.c.keyid == keyid)
    return tx.execute(question).rowcount


def count_candidates(tx: Connection, device: str | None = None) -> int:
    """Who waits, in all or for one device."""
    question = select(func.count()).select_from(candidates)
    if device is not None:
        question = question.where(candidates.c.device == device)
    return tx.execute(question).scalar() or 0


def candidates_of(tx: Connection, device: str) -> list[tuple[Candidate, dict[str, Any]]]:
    """Who waits, and with which key."""
    rows = tx.execute(select(candidates).where(candidates.c.device == device).order_by(candidates.c.asked_at))
    return [(_candidate(row), json.loads(row.public)) for row in rows]


def waiting(tx: Connection) -> list[Candidate]:
    """All who wait."""
    return [_candidate(row) for row in tx.execute(select(candidates).order_by(candidates.c.asked_at))]


def add_report(
    tx: Connection,
    device: str,
    number: int,
    at: datetime,
    said_runs: Mapping[str, Mapping[str, Any]],
    said_events: Sequence[Mapping[str, Any]],
    error: Any,
) -> bool:
    """Keep a report; False if one with this number or a higher one was there before."""
    risen = (
        update(devices)
        .where(devices.c.device == device, devices.c.number < number, devices.c.state == "admitted")
        .values(number=number, reported_at=iso(at), error=json.dumps(error))
    )
    if tx.execute(risen).rowcount == 0:
        return False
    tx.execute(delete(runs).where(runs.c.device == device))
    for model, detail in said_runs.items():
        values = {"version": detail.get("version"), "detail": json.dumps(detail)}
        tx.execute(insert(runs).values(device=device, model=model, **values))
    if said_events:
        for place, detail in enumerate(said_events):
            tx.execute(insert(events).values(device=device, number=number, place=place, detail=json.dumps(detail)))
        _trim(tx, device)
    return True


def _trim(tx: Connection, device: str) -> None:
    """Whole reports go, the oldest first, as long as enough events stay."""
    rows = tx.execute(
        select(events.c.number, func.count()).where(events.c.device == device).group_by(events.c.number)
    ).all()
    kept = 0
    for number, count in sorted(((row[0], row[1]) for row in rows), reverse=True):
        if kept >= MOST_EVENTS:
            tx.execute(delete(events).where(events.c.device == device, events.c.number <= number))
            return
        kept += count


def device(tx: Connection, name: str) -> DeviceInfo | None:
    """One device, with its events and candidates."""
    row = tx.execute(select(devices).where(devices.c.device == name)).first()
    if row is None:
        return None
    said = tx.execute(
        select(events.c.detail).where(events.c.device == name).order_by(events.c.number, events.c.place)
    ).scalars()
    asking = tuple(candidate for candidate, _ in candidates_of(tx, name))
    return _device(row, _runs(tx, name).get(name, {}), tuple(json.loads(detail) for detail in said), asking)


def all_devices(tx: Connection) -> list[DeviceInfo]:
    """All devices, by id, without their events."""
    asking: dict[str, list[Candidate]] = {}
    for candidate in waiting(tx):
        asking.setdefault(candidate.device, []).append(candidate)
    found = _runs(tx)
    rows = tx.execute(select(devices).order_by(devices.c.device))
    return [_device(row, found.get(row.device, {}), (), tuple(asking.get(row.device, ()))) for row in rows]


def _runs(tx: Connection, name: str | None = None) -> dict[str, dict[str, Any]]:
    question = select(runs)
    if name is not None:
        question = question.where(runs.c.device == name)
    found: dict[str, dict[str, Any]] = {}
    for row in tx.execute(question):
        found.setdefault(row.device, {})[row.model] = json.loads(row.detail)
    return found


def _candidate(row: Row[tuple[object, ...]]) -> Candidate:
    return Candidate(row.device, row.keyid, parsed(row.asked_at), row.profile, row.agent_version)


def _device(
    row: Row[tuple[object, ...]],
    said_runs: dict[str, Any],
    said_events: tuple[Mapping[str, Any], ...],
    asking: tuple[Candidate, ...],
) -> DeviceInfo:
    return DeviceInfo(
        row.device,
        row.keyid,
        row.state,
        parsed(row.admitted_at),
        row.admitted_by,
        row.profile,
        row.agent_version,
        row.number,
        parsed(row.reported_at) if row.reported_at else None,
        said_runs,
        json.loads(row.error) if row.error else None,
        said_events,
        asking,
    )
