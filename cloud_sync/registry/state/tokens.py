"""Secrets that admit: API tokens, tokens and nonces for enrolment. Only their sha256 is kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, select, update

from cloud_sync.registry.state.schema import api_tokens, enrolment_tokens, nonces
from cloud_sync.registry.times import iso, parsed
from cloud_sync.registry.types import Principal, TokenInfo

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection, Row


def add_token(tx: Connection, info: TokenInfo, hashed: str) -> None:
    """Keep a token of the API."""
    who = info.principal
    tx.execute(
        insert(api_tokens).values(
            id=who.id,
            hash=hashed,
            name=who.name,
            role=who.role,
            models=json.dumps(who.models),
            created_at=iso(info.created_at),
            expires=iso(info.expires) if info.expires else None,
            revoked_at=None,
        )
    )


def token(tx: Connection, token_id: str) -> tuple[TokenInfo, str] | None:
    """A token and its hash."""
    row = tx.execute(select(api_tokens).where(api_tokens.c.id == token_id)).first()
    return (_token(row), row.hash) if row else None


def all_tokens(tx: Connection) -> list[TokenInfo]:
    """All tokens, the oldest first."""
    return [_token(row) for row in tx.execute(select(api_tokens).order_by(api_tokens.c.created_at, api_tokens.c.id))]


def revoke(tx: Connection, token_id: str, at: datetime) -> None:
    """End a token."""
    tx.execute(
        update(api_tokens)
        .where(api_tokens.c.id == token_id, api_tokens.c.revoked_at.is_(None))
        .values(revoked_at=iso(at))
    )


def add_enrolment_token(tx: Connection, hashed: str, device: str, expires: datetime, by: str) -> None:
    """Keep a token for one device."""
    tx.execute(insert(enrolment_tokens).values(hash=hashed, device=device, expires=iso(expires), created_by=by))


def enrolment_token(tx: Connection, hashed: str, device: str, now: datetime) -> str | None:
    """Who made this token, if it is for this device and still holds."""
    found = enrolment_tokens.c
    row = tx.execute(
        select(found.created_by).where(found.hash == hashed, found.device == device, found.expires > iso(now))
    ).first()
    return str(row.created_by) if row else None


def use_enrolment_token(tx: Connection, hashed: str) -> None:
    """It was used, and is none any more."""
    tx.execute(delete(enrolment_tokens).where(enrolment_tokens.c.hash == hashed))


def forget_expired(tx: Connection, now: datetime) -> None:
    """What does not hold any more."""
    for table in (nonces, enrolment_tokens):
        tx.execute(delete(table).where(table.c.expires <= iso(now)))


def add_nonce(tx: Connection, hashed: str, expires: datetime) -> None:
    """Keep a nonce."""
    tx.execute(insert(nonces).values(hash=hashed, expires=iso(expires)))


def count_nonces(tx: Connection) -> int:
    """How many are open."""
    return tx.execute(select(func.count()).select_from(nonces)).scalar() or 0


def use_nonce(tx: Connection, hashed: str, now: datetime) -> bool:
    """Use a nonce up; whether it was one that holds."""
    return tx.execute(delete(nonces).where(nonces.c.hash == hashed, nonces.c.expires > iso(now))).rowcount == 1


def _token(row: Row[tuple[object, ...]]) -> TokenInfo:
    return TokenInfo(
        Principal(row.id, row.name, row.role, tuple(json.loads(row.models))),
        parsed(row.created_at),
        parsed(row.expires) if row.expires else None,
        parsed(row.revoked_at) if row.revoked_at else None,
    )
