"""Signed files in the database: role metadata, targets, online keys, and what a committed change still has to write."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import delete, func, insert, select, update

from cloud_sync.registry.state.schema import online_keys, pending_files, role_metadata, target_files
from cloud_sync.registry.times import iso, parsed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import Connection


class RoleRow(NamedTuple):
    """One metadata file."""

    role: str
    version: int
    content: bytes
    expires: datetime


class OnlineKey(NamedTuple):
    """With what an online role signs."""

    keyid: str
    uri: str
    public: dict[str, Any]


def current(tx: Connection, role: str) -> RoleRow | None:
    """The last metadata of a role."""
    row = tx.execute(
        select(role_metadata).where(role_metadata.c.role == role).order_by(role_metadata.c.version.desc()).limit(1)
    ).first()
    return RoleRow(row.role, row.version, row.content, parsed(row.expires)) if row else None


def all_current(tx: Connection) -> list[RoleRow]:
    """The last metadata of every role."""
    last = (
        select(role_metadata.c.role, func.max(role_metadata.c.version).label("version"))
        .group_by(role_metadata.c.role)
        .subquery()
    )
    rows = tx.execute(
        select(role_metadata)
        .join(last, (role_metadata.c.role == last.c.role) & (role_metadata.c.version == last.c.version))
        .order_by(role_metadata.c.role)
    )
    return [RoleRow(row.role, row.version, row.content, parsed(row.expires)) for row in rows]


def every_version(tx: Connection, role: str) -> list[RoleRow]:
    """All metadata of a role, the first one first."""
    rows = tx.execute(select(role_metadata).where(role_metadata.c.role == role).order_by(role_metadata.c.version))
    return [RoleRow(row.role, row.version, row.content, parsed(row.expires)) for row in rows]


def add_role(tx: Connection, row: RoleRow) -> None:
    """Keep a new metadata file."""
    tx.execute(
        insert(role_metadata).values(role=row.role, version=row.version, content=row.content, expires=iso(row.expires))
    )


def add_target(tx: Connection, path: str, sha256: str, content: bytes) -> None:
    """Keep the content of a target; the same once more changes nothing."""
    there = select(target_files.c.path).where(target_files.c.path == path, target_files.c.sha256 == sha256)
    if tx.execute(there).first() is None:
        tx.execute(insert(target_files).values(path=path, sha256=sha256, content=content))


def target(tx: Connection, path: str, sha256: str) -> bytes | None:
    """The content of a target."""
    found: bytes | None = tx.execute(
        select(target_files.c.content).where(target_files.c.path == path, target_files.c.sha256 == sha256)
    ).scalar()
    return found


def online_key(tx: Connection, role: str) -> OnlineKey | None:
    """The key of an online role."""
    row = tx.execute(select(online_keys).where(online_keys.c.role == role)).first()
    return OnlineKey(row.keyid, row.uri, json.loads(row.public)) if row else None


def set_online_key(tx: Connection, role: str, key: OnlineKey) -> None:
    """Replace it."""
    values = {"keyid": key.keyid, "uri": key.uri, "public": json.dumps(key.public)}
    if tx.execute(update(online_keys).where(online_keys.c.role == role).values(**values)).rowcount == 0:
        tx.execute(insert(online_keys).values(role=role, **values))


def add_pending(tx: Connection, files: Iterable[tuple[str, bytes]]) -> None:
    """What is to be written below `public/` when this is committed, in this order."""
    for path, content in files:
        tx.execute(insert(pending_files).values(path=path, content=content))


def pending(tx: Connection) -> list[tuple[int, str, bytes]]:
    """What is still to be written."""
    rows = tx.execute(select(pending_files).order_by(pending_files.c.number))
    return [(row.number, row.path, row.content) for row in rows]


def forget_pending(tx: Connection, up_to: int) -> None:
    """It was written."""
    tx.execute(delete(pending_files).where(pending_files.c.number <= up_to))
