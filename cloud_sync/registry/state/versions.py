"""Models, their versions, and what each subject should run."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import func, insert, select, update

from cloud_sync.registry.state.schema import models, runs, subjects, versions, wanted
from cloud_sync.registry.times import iso, parsed
from cloud_sync.registry.types import SubjectInfo, VersionInfo

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import Connection, Row


class WantedRow(NamedTuple):
    """What a subject should run of one model, what it should run before, and what a version must show on a device."""

    subject: str
    model: str
    version: str | None
    previous: str | None
    gates: Mapping[str, float] = MappingProxyType({})


def add_model(tx: Connection, name: str, at: datetime) -> None:
    """Remember a model."""
    tx.execute(insert(models).values(name=name, added_at=iso(at)))


def model_names(tx: Connection) -> list[str]:
    """All models, by name."""
    return list(tx.execute(select(models.c.name).order_by(models.c.name)).scalars())


def highest_release(tx: Connection, model: str) -> int:
    """Of all that were ever published; 0 before the first."""
    return tx.execute(select(func.max(versions.c.release)).where(versions.c.model == model)).scalar() or 0


def add_version(tx: Connection, info: VersionInfo) -> None:
    """Remember a version."""
    tx.execute(
        insert(versions).values(
            model=info.model,
            version=info.version,
            release=info.release,
            digest=info.digest,
            size_bytes=info.size_bytes,
            hardware=json.dumps(info.hardware),
            published_at=iso(info.published_at),
            published_by=info.published_by,
            state=info.state,
        )
    )


def set_yanked(tx: Connection, model: str, version: str) -> None:
    """It was taken back."""
    tx.execute(update(versions).where(versions.c.model == model, versions.c.version == version).values(state="yanked"))


def version(tx: Connection, model: str, name: str) -> VersionInfo | None:
    """One version."""
    row = tx.execute(select(versions).where(versions.c.model == model, versions.c.version == name)).first()
    return _info(tx, row) if row else None


def versions_of(tx: Connection, model: str) -> list[VersionInfo]:
    """All versions of a model, newest release first."""
    rows = tx.execute(select(versions).where(versions.c.model == model).order_by(versions.c.release.desc()))
    return [_info(tx, row) for row in rows.all()]


def running(tx: Connection, model: str) -> list[tuple[str, int]]:
    """Versions that devices said they run, and how many do; the most frequent first."""
    count = func.count().label("count")
    rows = tx.execute(
        select(runs.c.version, count)
        .where(runs.c.model == model, runs.c.version.is_not(None))
        .group_by(runs.c.version)
        .order_by(count.desc(), runs.c.version)
    )
    return [(row[0], row[1]) for row in rows]


def subject(tx: Connection, name: str) -> SubjectInfo | None:
    """One assignment."""
    row = tx.execute(select(subjects).where(subjects.c.subject == name)).first()
    return _subject(tx, row) if row else None


def all_subjects(tx: Connection) -> list[SubjectInfo]:
    """All assignments, by name."""
    return [_subject(tx, row) for row in tx.execute(select(subjects).order_by(subjects.c.subject)).all()]


def expiries(tx: Connection) -> list[tuple[str, datetime]]:
    """When each assignment expires."""
    rows = tx.execute(select(subjects.c.subject, subjects.c.expires).order_by(subjects.c.subject))
    return [(row.subject, parsed(row.expires)) for row in rows]


def wanting_less(tx: Connection, model: str, release: int) -> list[str]:
    """Subjects that name a version of the model below this release."""
    same = (versions.c.model == wanted.c.model) & (versions.c.version == wanted.c.version)
    rows = tx.execute(
        select(wanted.c.subject)
        .join(versions, same)
        .where(wanted.c.model == model, versions.c.release < release)
        .order_by(wanted.c.subject)
    )
    return list(rows.scalars())


def set_subject(tx: Connection, name: str, counter: int, issued_at: datetime, expires: datetime) -> None:
    """Remember that an assignment was signed."""
    values = {"counter": counter, "issued_at": iso(issued_at), "expires": iso(expires)}
    if tx.execute(update(subjects).where(subjects.c.subject == name).values(**values)).rowcount == 0:
        tx.execute(insert(subjects).values(subject=name, **values))


def wanted_by(tx: Connection, name: str) -> dict[str, WantedRow]:
    """What a subject should run, by model; also models that it should not run any more."""
    rows = tx.execute(select(wanted).where(wanted.c.subject == name))
    return {row.model: _wanted(row) for row in rows}


def wanting(tx: Connection, model: str, version_name: str) -> list[WantedRow]:
    """Who should run a version now, or had it before."""
    rows = tx.execute(
        select(wanted)
        .where(wanted.c.model == model, (wanted.c.version == version_name) | (wanted.c.previous == version_name))
        .order_by(wanted.c.subject)
    )
    return [_wanted(row) for row in rows]


def set_wanted(tx: Connection, row: WantedRow) -> None:
    """Replace what a subject should run of a model."""
    here = (wanted.c.subject == row.subject, wanted.c.model == row.model)
    values = {"version": row.version, "previous": row.previous, "gates": json.dumps(dict(row.gates), sort_keys=True)}
    if tx.execute(update(wanted).where(*here).values(**values)).rowcount == 0:
        tx.execute(insert(wanted).values(subject=row.subject, model=row.model, **values))


def _info(tx: Connection, row: Row[tuple[object, ...]]) -> VersionInfo:
    channels = tx.execute(
        select(wanted.c.subject)
        .where(wanted.c.model == row.model, wanted.c.version == row.version, wanted.c.subject.like("channel:%"))
        .order_by(wanted.c.subject)
    ).scalars()
    count = tx.execute(
        select(func.count()).select_from(runs).where(runs.c.model == row.model, runs.c.version == row.version)
    ).scalar()
    return VersionInfo(
        row.model,
        row.version,
        row.release,
        row.digest,
        row.size_bytes,
        tuple(json.loads(row.hardware)),
        parsed(row.published_at),
        row.published_by,
        row.state,
        tuple(subject.partition(":")[2] for subject in channels),
        count or 0,
    )


def _subject(tx: Connection, row: Row[tuple[object, ...]]) -> SubjectInfo:
    found = wanted_by(tx, row.subject)
    named = {model: entry.version for model, entry in sorted(found.items()) if entry.version is not None}
    gates = {model: found[model].gates for model in named if found[model].gates}
    return SubjectInfo(row.subject, row.counter, parsed(row.issued_at), parsed(row.expires), named, gates)


def _wanted(row: Row[tuple[object, ...]]) -> WantedRow:
    return WantedRow(row.subject, row.model, row.version, row.previous, json.loads(row.gates))
