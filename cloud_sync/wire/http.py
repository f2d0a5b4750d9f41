"""A registry's files over HTTP(S), by attempts that end."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloud_sync.errors import NotFound, Refused, ServerBusy, Unreachable
from cloud_sync.wire.contract import nobody
from cloud_sync.wire.downloading import Download
from cloud_sync.wire.exchange import (
    BUSY,
    NOT_FOUND,
    NOT_MODIFIED,
    OK,
    PASSING,
    Again,
    Exchanges,
    asked_wait_s,
)
from cloud_sync.wire.landing import Landing
from cloud_sync.wire.pace import Backoff, Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

_DONE_BELOW, _SERVER_FAULT = 300, 500
_TAKES_NOTHING = frozenset({403, 405, 501})
"""What buckets, web servers and the simplest servers of files say to a POST; a registry says why (`error.message`)."""
_LONGEST_WORDS = 300


def _words_of_a_registry(content: bytes) -> str:
    """What the API says of a refusal; empty where it is somebody else's page."""
    try:
        return " ".join(str(json.loads(content)["error"]["message"]).split())[:_LONGEST_WORDS]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said, whatever it said.

    Attributes:
        status: Of HTTP.
        content: The body, within the limit that was asked for.
        headers: By name in lower case.
    """

    status: int
    content: bytes
    headers: Mapping[str, str]


class HttpWire:
    """A wire to a registry by its address. Used by one thread; keeps one connection open. `close` may be called twice, `with` works.

    Args:
        base_url: Where the layout begins; with or without a `/` at its end.
        rate_limit_bytes_s: Of downloads and reads together; 0 for none.
        timeout_s: To connect, for an answer to begin, and between two pieces of it.
        min_bytes_s: Least rate over a whole transfer, beyond `timeout_s`. Slower is `TooSlow`.
        insecure_http: Allow an address without TLS that is not of this machine.
        retries: Attempts after the first that brought nothing new.
        longest_wait_s: The longest `Retry-After` that is waited for here; a longer one is the caller's to keep.
        token: Sent as `Authorization: Bearer`.
        ca_file: Certificates to trust instead of the system's.
        backoff: Waits between attempts.
        clock: Time.

    Raises:
        InsecureAddress: HTTP to another machine, and not allowed.
        Refused: It is no address of HTTP.
    """

    def __init__(
        self,
        base_url: str,
        *,
        rate_limit_bytes_s: float = 0,
        timeout_s: float = 30.0,
        min_bytes_s: float = 512,
        insecure_http: bool = False,
        retries: int = 3,
        longest_wait_s: float = 20.0,
        token: str | None = None,
        ca_file: Path | None = None,
        backoff: Backoff | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._exchanges = Exchanges(
            base_url,
            rate_limit_bytes_s=rate_limit_bytes_s,
            timeout_s=timeout_s,
            min_bytes_s=min_bytes_s,
            insecure_http=insecure_http,
            retries=retries,
            longest_wait_s=longest_wait_s,
            token=token,
            ca_file=ca_file,
            backoff=backoff or Backoff(),
            clock=clock or Clock(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._exchanges.close()

    def read(self, path: str, max_bytes: int, *, known: bytes | None = None) -> bytes:
        """See `Wire`.

        A registry's ETag is the sha256 of the content, so what is known is asked about by its own: no ETag is remembered that somebody may have
        put to other bytes. To a server with other ETags it says nothing, and all comes.
        """
        attempt = 0
        while isinstance(content := self._try(path, max_bytes, known), Again):
            self._exchanges.rest(attempt, content)
            attempt += 1
        return content

    def download(
        self,
        path: str,
        into: Path,
        *,
        length_bytes: int,
        sha256: str,
        pieces: Sequence[str] = (),
        on_bytes: Callable[[int], None] = nobody,
    ) -> int:
        """See `Wire`."""
        with Landing(into, length_bytes=length_bytes, sha256=sha256, pieces=pieces) as landing:
            return Download(self._exchanges, path, landing, length_bytes, on_bytes).run()

    def post(self, path: str, content: bytes, max_bytes: int) -> bytes:
        """Hand something over, once: it is not known of every failure whether it arrived.

        Raises:
            Refused: The server does not take it; with its words, where it is a registry that says them.
            NotFound: Whoever serves files there takes nothing.
            ServerBusy, Unreachable, Untrusted: As in `read`.
        """
        answer = self.ask("POST", path, content=content, max_bytes=max_bytes)
        if answer.status < _DONE_BELOW:
            return answer.content
        words, server = _words_of_a_registry(answer.content), self._exchanges.name
        message = f"{server} answers {answer.status} to {path}" + (f": {words}" if words else "")
        if answer.status in BUSY:
            raise ServerBusy(message, retry_after_s=asked_wait_s(answer.headers.get("retry-after")))
        if answer.status == NOT_FOUND or (answer.status in _TAKES_NOTHING and not words):
            raise NotFound(f"{server} takes nothing at {path}: it answers {answer.status}, as plain files do")
        if answer.status >= _SERVER_FAULT or answer.status in PASSING:
            raise Unreachable(message)
        raise Refused(message)

    def ask(
        self, method: str, path: str, *, content: bytes = b"", headers: Mapping[str, str] | None = None, max_bytes: int
    ) -> Answer:
        """One request of an API, tried once; the status is the caller's to judge, but for redirects.

        Raises:
            RedirectRefused: It sends us elsewhere.
            ContentTooLarge: The answer has more than `max_bytes`.
            Unreachable: There is no whole answer.
        """
        path, _, query = path.partition("?")
        try:
            with self._exchanges.open(method, path, query=query, body=content, headers=headers or {}) as (
                response,
                watch,
            ):
                body = self._exchanges.body(response, watch, path, max_bytes)
                return Answer(response.status, body, {name.lower(): value for name, value in response.headers.items()})
        except Again as again:
            raise again.error from again

    def _try(self, path: str, max_bytes: int, known: bytes | None) -> bytes | Again:
        exchanges = self._exchanges
        headers = {} if known is None else {"If-None-Match": f'"{hashlib.sha256(known).hexdigest()}"'}
        try:
            with exchanges.open("GET", path, headers=headers) as (response, watch):
                if response.status == NOT_MODIFIED and known is not None:
                    return known
                exchanges.judge(response, path)
                if response.status != OK:
                    raise Unreachable(f"{exchanges.name} answers {path} with a part that was not asked for")
                return exchanges.body(response, watch, path, max_bytes)
        except Again as again:
            return again
