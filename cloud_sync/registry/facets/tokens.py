"""Who may call the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloud_sync.registry import tokens
from cloud_sync.registry.errors import UnknownName
from cloud_sync.registry.state import changes
from cloud_sync.registry.state import tokens as state_tokens

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from cloud_sync.registry.changing import Changing
    from cloud_sync.registry.types import Principal, TokenInfo, TokenRole


class Tokens:
    """`registry.tokens`: secrets of the API, shown once."""

    def __init__(self, changing: Changing) -> None:
        self._changing = changing

    def create(
        self,
        name: str,
        role: TokenRole,
        *,
        models: Sequence[str] = (),
        valid_for: timedelta | None = None,
        by: str,
    ) -> tuple[Principal, str]:
        """A token for the API, and its secret, which is shown only here.

        Raises:
            Refused: The role is none, or a publisher has no models.
        """
        with self._changing.database.writing() as tx:
            who, secret = tokens.create(tx, name, role, models, self._changing.now(), valid_for)
            changes.add(tx, self._changing.now(), by, "create-token", f"token:{who.id}", {"name": name, "role": role})
        return who, secret

    def authenticate(self, secret: str) -> Principal | None:
        """Whose secret it is, in constant time; None if nobody's, expired or revoked."""
        with self._changing.database.reading() as tx:
            return tokens.authenticated(tx, secret, self._changing.now())

    def all(self) -> list[TokenInfo]:
        """All tokens, without their secrets."""
        with self._changing.database.reading() as tx:
            return state_tokens.all_tokens(tx)

    def revoke(self, token: str, *, by: str) -> None:
        """End a token.

        Raises:
            UnknownName: There is no such token.
        """
        with self._changing.database.writing() as tx:
            if state_tokens.token(tx, token) is None:
                raise UnknownName(f"there is no token {token}", hint="`lineside registry token list`")
            state_tokens.revoke(tx, token, self._changing.now())
            changes.add(tx, self._changing.now(), by, "revoke-token", f"token:{token}", {})
