"""The API without a server: the same calls, on a registry's folder, by whoever may write there.

Who can change the files of a registry can change the registry; the log still says who it was.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from cloud_sync.registry.server.endpoint import find
from cloud_sync.registry.server.endpoints import TABLE
from cloud_sync.registry.types import Principal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloud_sync.registry.registry import Registry

_DEPTH: Final = 64


class FolderDesk:
    """Answers the calls of `/api/v1`; paths are relative to it. Closes nothing: the registry is its opener's."""

    def __init__(self, registry: Registry, by: str) -> None:
        self._registry = registry
        self._who = Principal(by, by, "admin")

    def ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, query: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """One call.

        Raises:
            CloudSyncError: It was not done.
        """
        return self._done(method, path, json.dumps(body or {}).encode(), query or {})

    def upload(self, sha256: str, offset: int, length: int, piece: bytes) -> dict[str, Any]:
        """One piece of a file; for the errors see `ask`."""
        return self._done("PUT", f"uploads/{sha256}", piece, {"offset": offset, "length": length})

    def _done(self, method: str, path: str, content: bytes, query: Mapping[str, Any]) -> dict[str, Any]:
        endpoint, names = find(TABLE, method, path)
        given = {name: str(value) for name, value in query.items() if value is not None}
        message = endpoint.answer(self._registry, self._who, self._who.name, names, given, content, _DEPTH)
        return message.model_dump(mode="json", by_alias=True)
