"""One exchange with a server, and what its answer means. The one door to urllib3.

What urllib3 would do by itself is turned off where it is not ours to control: retries (ours are counted, resume, and end), redirects
(refused: what a registry is, is its address), decompression (a bomb is only bytes), proxies from the environment (a unit of
systemd has none, and a shell's must not turn a device's way to its registry).
"""

from __future__ import annotations

import contextlib
import ipaddress
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, NewConnectionError, SSLError

from cloud_sync.errors import (
    CloudSyncError,
    ContentTooLarge,
    InsecureAddress,
    NotFound,
    RedirectRefused,
    Refused,
    ServerBusy,
    TooSlow,
    Unreachable,
)
from cloud_sync.wire.contract import segments
from cloud_sync.wire.pace import Backoff, Clock, RateLimit, retry_after_s
from cloud_sync.wire.watch import Line, Watch

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from urllib3.response import BaseHTTPResponse

OK, PARTIAL, NOT_FOUND, RANGE_NOT_SATISFIABLE = 200, 206, 404, 416
_MULTIPLE_CHOICES, NOT_MODIFIED, _BAD_REQUEST = 300, 304, 400
ABSENT = frozenset({403, NOT_FOUND, 410})
"""403 is what a bucket that may not be listed says of a file that is not there."""
BUSY = frozenset({429, 503})
PASSING = frozenset({408, 425, 500, 502, 504})
_CHUNK_BYTES = 1 << 16
_SMALL_BYTES = 4 << 10
"""What is left of an answer up to this long is read, so that the line can be used again."""
_DAY_S = 24 * 3600.0
_SAFE = "%/:@!$&'()*+,;=~-._"


class Again(Exception):
    """This attempt failed in a way that another may mend.

    Attributes:
        error: What it means when there is no other.
        wait_s: The least wait that was asked for.
    """

    def __init__(self, error: CloudSyncError, wait_s: float = 0.0) -> None:
        super().__init__(str(error))
        self.error = error
        self.wait_s = wait_s


class _Address(NamedTuple):
    secure: bool
    host: str
    port: int | None
    path: str


class Exchanges:
    """Asks one server, with one connection that is kept open. The arguments are those of `HttpWire`.

    Attributes:
        name: Of the server, for messages.
    """

    def __init__(
        self,
        base_url: str,
        *,
        rate_limit_bytes_s: float,
        timeout_s: float,
        min_bytes_s: float,
        insecure_http: bool,
        retries: int,
        longest_wait_s: float,
        token: str | None,
        ca_file: Path | None,
        backoff: Backoff,
        clock: Clock,
    ) -> None:
        address = _address(base_url)
        if not (address.secure or insecure_http or _is_loopback(address.host)):
            raise InsecureAddress(
                f"{base_url} is not encrypted and not of this machine", hint="use https://, or allow insecure_http"
            )
        self.name = f"{address.host}:{address.port}" if address.port else address.host
        self._base = address.path
        self._timeout_s = timeout_s
        self._min_bytes_s = min_bytes_s
        self._retries = retries
        self._longest_wait_s = longest_wait_s
        self._clock = clock
        self._rate = RateLimit(rate_limit_bytes_s, clock)
        # Slept through piece by piece, so that the server does not take us for gone.
        self._chunk_bytes = (
            int(min(_CHUNK_BYTES, max(1024, rate_limit_bytes_s / 4))) if rate_limit_bytes_s else _CHUNK_BYTES
        )
        self._backoff = backoff
        self._line = Line()
        self._headers = {"User-Agent": "lineside", "Accept-Encoding": "identity"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        self._pool = _pool(address, self._line, timeout_s, ca_file)

    def close(self) -> None:
        """End the connection. May be called twice."""
        self._pool.close()
        self._line.close()

    @contextlib.contextmanager
    def open(
        self, method: str, path: str, *, query: str = "", body: bytes = b"", headers: Mapping[str, str]
    ) -> Iterator[tuple[BaseHTTPResponse, Watch]]:
        """Ask, and have the answer's head within the deadline. The line is given back only when the answer was read to its end.

        Raises:
            Again: It failed on the way.
            RedirectRefused: It sends us elsewhere.
        """
        target = self._base + quote("/".join(segments(path)), safe=_SAFE) + (f"?{query}" if query else "")
        sending_s = len(body) / self._min_bytes_s
        with Watch(self._line, 2 * self._timeout_s + sending_s) as watch:  # to connect, and for the answer
            try:
                response = self._pool.urlopen(
                    method,
                    target,
                    body=body or None,
                    headers={**self._headers, **headers},
                    retries=False,
                    redirect=False,
                    preload_content=False,
                    decode_content=False,
                )
            except (HTTPError, OSError, ValueError) as error:
                raise self._failed(watch, path, error) from error
            try:
                if _MULTIPLE_CHOICES <= response.status < _BAD_REQUEST and response.status != NOT_MODIFIED:
                    raise RedirectRefused(
                        f"{self.name} sends us elsewhere for {path}, to {response.headers.get('Location', 'nowhere')!r:.200}",
                        hint="set sync.url to the registry itself",
                    )
                yield response, watch
            finally:
                said = 0 if response.status == NOT_MODIFIED else length_said(response)
                if said is not None and said <= _SMALL_BYTES:
                    response.drain_conn()  # a 404 at each poll should not cost a handshake
                response.close()  # a body that was not read to its end would be the head of the next answer
                response.release_conn()

    def _failed(self, watch: Watch, path: str, error: Exception) -> Again:
        """What a failure on the way means."""
        is_late = isinstance(error, (urllib3.exceptions.TimeoutError, TimeoutError))
        if watch.cut or (is_late and not isinstance(error, NewConnectionError)):  # one that is refused is of both kinds
            return Again(TooSlow(f"{self.name} is too slow with {path}", hint="is the line bad, or the server busy?"))
        hint = "is the certificate of a CA that this device knows?" if isinstance(error, SSLError) else "is it up?"
        return Again(Unreachable(f"{self.name} cannot be reached for {path}: {_words(error)}", hint=hint))

    def pieces(
        self, response: BaseHTTPResponse, watch: Watch, path: str, *, most_bytes: int = _CHUNK_BYTES
    ) -> Iterator[bytes]:
        """The body as it comes, no slower than the least rate and no faster than the limit, at most so many bytes at a time.

        Raises:
            Again: It ended early, or came too slowly.
        """
        coding = response.headers.get("Content-Encoding", "identity")
        if coding.strip().lower() not in {"", "identity"}:
            raise Unreachable(f"{self.name} sends {path} in {coding!r:.40}, which was not asked for")
        begun, waited_s, came = time.monotonic(), self._rate.waited_s, 0
        said = length_said(response)
        while True:
            allowed_s = self._timeout_s + came / self._min_bytes_s
            watch.until(allowed_s - (time.monotonic() - begun) + (self._rate.waited_s - waited_s))
            try:
                piece = response.read1(min(most_bytes, self._chunk_bytes), decode_content=False)
            except (HTTPError, OSError, ValueError) as error:
                raise self._failed(watch, path, error) from error
            if not piece:
                break
            came += len(piece)
            yield piece
            watch.until(_DAY_S)  # while we are the ones who are slow
            self._rate.take(len(piece))
        if watch.cut or (said is not None and came < said):
            raise self._failed(watch, path, EOFError(f"{came} of {said} bytes came"))

    def body(self, response: BaseHTTPResponse, watch: Watch, path: str, max_bytes: int) -> bytes:
        """The whole body.

        Raises:
            ContentTooLarge: There is more of it; no more than a piece above the limit was read.
            Again, Unreachable: As in `pieces`.
        """
        too_large = ContentTooLarge(f"{self.name} sends more than {max_bytes} bytes of {path}")
        if (length_said(response) or 0) > max_bytes:
            raise too_large
        content = bytearray()
        for piece in self.pieces(response, watch, path):
            content += piece
            if len(content) > max_bytes:
                raise too_large
        return bytes(content)

    def judge(self, response: BaseHTTPResponse, path: str) -> None:
        """Raise what an answer that is no content means.

        Raises:
            NotFound: There is no such file.
            Unreachable: It will not answer.
            Again: It may answer when asked again.
        """
        status, message = response.status, f"{self.name} answers {response.status} for {path}"
        if status in ABSENT:
            raise NotFound(message)
        wait_s = asked_wait_s(response.headers.get("Retry-After"))
        if status in BUSY or (status in PASSING and wait_s):
            busy = ServerBusy(message, hint="it is asked again later", retry_after_s=wait_s)
            if wait_s > self._longest_wait_s:
                raise busy
            raise Again(busy, wait_s)
        if status in PASSING:
            raise Again(Unreachable(message))
        if status not in {OK, PARTIAL}:
            raise Unreachable(message, hint="is the address right?")

    def rest(self, attempt: int, again: Again) -> None:
        """Wait before the next attempt.

        Raises:
            CloudSyncError: There is none.
        """
        if attempt >= self._retries:
            raise again.error from again
        self._clock.sleep(max(again.wait_s, self._backoff.wait_s(attempt)))


def _address(url: str) -> _Address:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise Refused(f"{url!r} is no address: {error}") from error
    if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment or parts.username is not None:
        raise Refused(f"{url!r} is no address of a registry", hint="write it as https://host/path")
    path = quote(parts.path, safe=_SAFE)
    return _Address(parts.scheme == "https", host, port, path if path.endswith("/") else f"{path}/")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _pool(address: _Address, line: Line, timeout_s: float, ca_file: Path | None) -> urllib3.HTTPConnectionPool:
    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            connection = super()._new_conn()
            line.opened(connection)
            return connection

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            connection = super()._new_conn()
            line.opened(connection)
            return connection

    class PlainPool(urllib3.HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(urllib3.HTTPSConnectionPool):
        ConnectionCls = Secure

    host = f"[{address.host}]" if ":" in address.host else address.host
    common: dict[str, Any] = {
        "timeout": urllib3.Timeout(connect=timeout_s, read=timeout_s),
        "maxsize": 1,
        "retries": False,
    }
    if not address.secure:
        return PlainPool(host, address.port, **common)
    return SecurePool(
        host, address.port, cert_reqs="CERT_REQUIRED", ca_certs=str(ca_file) if ca_file is not None else None, **common
    )


def length_said(response: BaseHTTPResponse) -> int | None:
    """What the head says of the body's length. It is compared with what comes, never believed."""
    text = response.headers.get("Content-Length", "").strip()
    return int(text[:18]) if text.isascii() and text.isdigit() else None


def asked_wait_s(header: str | None) -> float:
    """What a `Retry-After` asks for, in seconds from now."""
    return retry_after_s(header, datetime.now(timezone.utc))


def _words(error: BaseException) -> str:
    """What the system says of it; what a library wraps around that is for those who wrote it."""
    cause = error.__cause__ if isinstance(error, NewConnectionError) else error
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return f"{type(error).__name__} {error}"[:200]
