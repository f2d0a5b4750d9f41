"""Secrets that admit to the API. Each is shown once; its sha256 is what is kept."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import TYPE_CHECKING

from cloud_sync import layout
from cloud_sync.errors import Refused
from cloud_sync.registry.state import tokens
from cloud_sync.registry.types import Principal, TokenInfo

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from cloud_sync.registry.state.database import Connection
    from cloud_sync.registry.types import TokenRole

_ROLES = ("admin", "publisher", "viewer")
_FORM = re.compile(r"lsr_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")
_LONGEST_NAME = 100
_NOBODY = "0" * 64


def hashed(secret: str) -> str:
    """What is kept of a secret. It is random and long, so that one round suffices."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def create(
    tx: Connection, name: str, role: TokenRole, models: Sequence[str], now: datetime, valid_for: timedelta | None
) -> tuple[Principal, str]:
    """A token and its secret."""
    if role not in _ROLES:
        raise Refused(f"{role!r} is no role", hint=f"one of {', '.join(_ROLES)}")
    if (role == "publisher") != bool(models):
        raise Refused("a publisher, and only a publisher, is of certain models", hint="--model NAME")
    if not name or len(name) > _LONGEST_NAME:
        raise Refused("a token needs a name, such as that of its owner")
    if odd := [model for model in models if not layout.is_name(model)]:
        raise Refused(f"{odd[0]!r} is no name of a model")
    who = Principal(secrets.token_hex(6), name, role, tuple(models))
    secret = f"lsr_{who.id}_{secrets.token_urlsafe(32)}"
    tokens.add_token(tx, TokenInfo(who, now, now + valid_for if valid_for else None, None), hashed(secret))
    return who, secret


def authenticated(tx: Connection, secret: str, now: datetime) -> Principal | None:
    """Whose secret it is. What depends on the secret takes the same time for all."""
    form = _FORM.fullmatch(secret)
    found = tokens.token(tx, form[1]) if form else None
    info, kept = found or (None, _NOBODY)
    is_same = hmac.compare_digest(kept, hashed(secret))
    if info is None or not is_same or info.revoked_at is not None or (info.expires is not None and info.expires <= now):
        return None
    return info.principal
