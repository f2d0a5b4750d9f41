"""Tokens, the log, and how long signatures hold."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from cloud_sync.registry.server.messages.base import MANY, Message, Name


class TokenBody(Message):
    """A token to make."""

    name: Name
    """What people call it."""
    role: Literal["admin", "publisher", "viewer"]
    models: list[Name] = Field(default=[], max_length=MANY)
    """Of a publisher: whose versions it may change."""
    valid_for_s: int | None = Field(default=None, ge=60)


class Token(Message):
    """A token, without its secret."""

    id: str
    name: str
    role: Literal["admin", "publisher", "viewer"]
    models: list[str]
    created_at: datetime
    expires: datetime | None
    revoked_at: datetime | None


class Tokens(Message):
    """All tokens."""

    tokens: list[Token]


class NewToken(Message):
    """A token that was made."""

    id: str
    name: str
    role: Literal["admin", "publisher", "viewer"]
    models: list[str]
    token: str
    """The secret; shown only here."""


class TokenRevoked(Message):
    """A token that opens nothing any more."""

    id: str


class LogQuery(Message):
    """A stretch of the log."""

    after: int = Field(default=0, ge=0)
    """Number of the last line that is known."""
    limit: int = Field(default=100, ge=1, le=1000)
    subject: str | None = Field(default=None, max_length=200)
    """Such as `model:solar-cell`."""


class Expiry(Message):
    """How long a role's metadata holds."""

    role: str
    version: int
    expires: datetime
    offline: bool
    """Whether a person must come with a key."""


class Expiries(Message):
    """Roles, the first to expire first."""

    roles: list[Expiry]
