"""Whom a publisher asks for changes: a registry's API, or whatever answers the same calls.

What a server says of its own failures is shown, and not believed: it chooses among our errors by a code, and its words lose what a
terminal would obey.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, cast
from urllib.parse import quote, urlencode

from cloud_sync.errors import CloudSyncError, MetadataInvalid, NotFound, Refused, ServerBusy, Unreachable, Untrusted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloud_sync.wire import Answer, HttpWire

_BASE: Final = "api/v1/"
_MOST_BYTES: Final = 32 << 20
_DONE_BELOW, _NOT_FOUND, _UNPROCESSABLE, _SERVER_FAULT = 300, 404, 422, 500
_BUSY: Final = (429, 503)
_CODE: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")
_LONGEST: Final = 500
_E = TypeVar("_E", bound=CloudSyncError)


class Desk(Protocol):
    """Answers the calls of a registry's API; paths are relative to `/api/v1/`."""

    def ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, query: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """One call.

        Raises:
            CloudSyncError: It was not done; `code` is the registry's.
        """
        ...

    def upload(self, sha256: str, offset: int, length: int, piece: bytes) -> dict[str, Any]:
        """One piece of a file; for the errors see `ask`."""
        ...


class HttpDesk:
    """The API at an address. Closes nothing: the wire is its maker's."""

    def __init__(self, wire: HttpWire) -> None:
        self._wire = wire

    def ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, query: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """See `Desk`."""
        content = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json"} if content else {}
        return self._sent(method, path, content, headers, query)

    def upload(self, sha256: str, offset: int, length: int, piece: bytes) -> dict[str, Any]:
        """See `Desk`."""
        headers = {"Content-Type": "application/octet-stream"}
        return self._sent("PUT", f"uploads/{sha256}", piece, headers, {"offset": offset, "length": length})

    def _sent(
        self, method: str, path: str, content: bytes, headers: Mapping[str, str], query: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        given = {name: value for name, value in (query or {}).items() if value is not None}
        address = _BASE + quote(path, safe="/:") + (f"?{urlencode(given)}" if given else "")
        answer = self._wire.ask(method, address, content=content, headers=headers, max_bytes=_MOST_BYTES)
        try:
            data = json.loads(answer.content)
        except (ValueError, RecursionError):
            data = None
        if answer.status >= _DONE_BELOW:
            raise error_of(answer, data)
        if not isinstance(data, dict):
            raise MetadataInvalid(f"what answers {method} {path} is no registry", hint="is the address right?")
        return data


def error_of(answer: Answer, data: Any) -> CloudSyncError:
    """What a failure of the API means here."""
    said = data.get("error") if isinstance(data, dict) else None
    said = said if isinstance(said, dict) else {}
    code, message, hint = (said.get(name) for name in ("code", "message", "hint"))
    message = plain(message) if message else f"the registry answers {answer.status}"
    hint = plain(hint) if hint else ("" if said else "is it the address of a registry?")
    if answer.status in _BUSY:
        wait = answer.headers.get("retry-after", "")
        busy = _coded(ServerBusy, code)(message, hint=hint)
        busy.retry_after_s = float(wait) if wait.isdigit() else 0.0
        return busy
    family: type[CloudSyncError] = Refused
    if answer.status >= _SERVER_FAULT:
        family = Unreachable
    elif answer.status == _UNPROCESSABLE:
        family = Untrusted
    elif answer.status == _NOT_FOUND and not said:
        family = NotFound
    return _coded(family, code)(message, hint=hint)


def plain(text: object) -> str:
    """Words of a stranger, without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else " " for letter in str(text)[:_LONGEST])


def _coded(family: type[_E], code: object) -> type[_E]:
    """A class of the family with the registry's own code."""
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        return family
    return cast("type[_E]", type(family.__name__, (family,), {"code": code}))
