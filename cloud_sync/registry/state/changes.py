"""The log: lines are only added, and each carries the hash of the one before."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from cloud_sync.registry.errors import LogBroken
from cloud_sync.registry.state.schema import changes
from cloud_sync.registry.times import iso, parsed
from cloud_sync.registry.types import Change

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import Connection, Row

FIRST = "0" * 64
_FIELDS = ("number", "at", "who", "what", "subject", "detail", "previous")


def add(tx: Connection, at: datetime, who: str, what: str, subject: str, detail: Mapping[str, Any]) -> None:
    """Add a line; `tx` writes."""
    last = tx.execute(select(changes.c.number, changes.c.hash).order_by(changes.c.number.desc()).limit(1)).first()
    line = {
        "number": last.number + 1 if last else 1,
        "at": iso(at),
        "who": who,
        "what": what,
        "subject": subject,
        "detail": json.dumps(detail, sort_keys=True, ensure_ascii=False),
        "previous": last.hash if last else FIRST,
    }
    tx.execute(insert(changes).values(**line, hash=_hash(line)))


def read(tx: Connection, after: int, limit: int, subject: str | None) -> list[Change]:
    """Lines from number `after + 1`, oldest first."""
    question = select(changes).where(changes.c.number > after)
    if subject is not None:
        question = question.where(changes.c.subject == subject)
    return [_change(row) for row in tx.execute(question.order_by(changes.c.number).limit(limit))]


def verify(tx: Connection) -> int:
    """Compute the whole chain again; the number of lines.

    Raises:
        LogBroken: A line was changed, or one is missing.
    """
    previous, number = FIRST, 0
    for number, row in enumerate(tx.execute(select(changes).order_by(changes.c.number)), 1):
        line = {name: getattr(row, name) for name in _FIELDS}
        if row.number != number or row.previous != previous or row.hash != _hash(line):
            raise LogBroken(
                f"line {number} of the log is not what was written",
                hint="compare with a backup, and ask who had access",
            )
        previous = row.hash
    return number


def _hash(line: Mapping[str, Any]) -> str:
    text = json.dumps(line, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _change(row: Row[tuple[object, ...]]) -> Change:
    return Change(
        row.number, parsed(row.at), row.who, row.what, row.subject, json.loads(row.detail), row.previous, row.hash
    )
