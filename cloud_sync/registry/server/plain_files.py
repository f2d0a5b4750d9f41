"""Serves metadata, manifests, assignments, blobs and patches as the plain files that they are, before anything else of the app is asked.

A poll that finds nothing new is what a fleet does nearly all the time, so it costs one `lstat` and one comparison. What is known of a
file holds as long as its inode, length and times do. Reading and hashing happen in threads; the `lstat` does not, since the kernel
answers it from memory in 2 µs and a thread costs 50. Nothing is listed, and no link is followed.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import anyio.to_thread

from cloud_sync.registry.server.conditional import Unsatisfiable, has_it, part_asked_for
from cloud_sync.registry.server.faults import error_body
from cloud_sync.registry.server.plain_names import ASK_AGAIN, FOLDERS, PlainFile, plain_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_REMEMBERED: Final = 4096
_KEPT_BYTES: Final = 16 << 10
"""The content of files up to this size is kept: 64 MB at most, 2 MB in the registry of a thousand devices."""
_CHUNK_BYTES: Final = 256 << 10
_THREADS: Final = 16
_CONDITIONS: Final = frozenset((b"if-none-match", b"range", b"if-range"))
Headers = list[tuple[bytes, bytes]]


class _Signature(NamedTuple):
    """What changes when a file is replaced."""

    device: int
    inode: int
    length_bytes: int
    modified_ns: int
    changed_ns: int


@dataclass(frozen=True, slots=True)
class _Known:
    """What was found out about a file when it was last read."""

    signature: _Signature
    etag: str
    etag_bytes: bytes
    content: bytes | None
    common: Headers
    whole: Headers


class PlainFiles:
    """ASGI middleware. Answers for the folders of `cloud_sync.layout` and hands everything else on.

    Belongs to one event loop.

    Args:
        app: Whom everything else is handed to.
        folder: What is served.
    """

    def __init__(self, app: ASGIApp, folder: Path) -> None:
        self._app = app
        self._folder = os.path.realpath(folder)
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._threads = anyio.CapacityLimiter(_THREADS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand on."""
        if scope["type"] != "http" or not scope["path"].startswith(FOLDERS):
            await self._app(scope, receive, send)
            return
        method = scope["method"]
        if method not in ("GET", "HEAD"):
            await _say(send, 405, "method-not-allowed", "plain files are only read", [(b"allow", b"GET, HEAD")])
            return
        path = scope["path"][1:]
        known = self._current(path) or await self._look(path)
        if known is None:
            await _say(send, 404, "not-found", f"there is no {path[:200]}", [(b"cache-control", ASK_AGAIN.encode())])
            return
        asked = {name: value for name, value in scope["headers"] if name in _CONDITIONS}
        if_none_match = asked.get(b"if-none-match")
        if if_none_match is not None and (
            if_none_match == known.etag_bytes or has_it(if_none_match.decode("latin-1"), known.etag)
        ):
            await send({"type": "http.response.start", "status": 304, "headers": known.common})
            await send({"type": "http.response.body", "body": b""})
        elif method == "HEAD":
            await send({"type": "http.response.start", "status": 200, "headers": known.whole})
            await send({"type": "http.response.body", "body": b""})
        else:
            await self._give(path, known, asked, receive, send)

    def _current(self, path: str) -> _Known | None:
        """What is known of a file, if it is still the same file."""
        known = self._known.get(path)
        if known is None:
            return None
        try:
            status = os.lstat(f"{self._folder}/{path}")
        except OSError:
            return None
        if _signature(status) != known.signature:
            return None
        self._known.move_to_end(path)
        return known

    async def _look(self, path: str) -> _Known | None:
        """Read a file whose name is one of ours."""
        what = plain_file(path)
        if what is None or _missing(f"{self._folder}/{path}"):
            return None  # the assignment that a device has not is asked for at each of its polls: no thread for that
        known = await anyio.to_thread.run_sync(self._read, path, what, limiter=self._threads)
        if known is None:
            self._known.pop(path, None)
            return None
        self._known[path] = known
        self._known.move_to_end(path)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return known

    def _read(self, path: str, what: PlainFile) -> _Known | None:
        """In a thread."""
        try:
            descriptor = self._open(path)
        except OSError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            signature = _signature(os.fstat(descriptor))
            small = signature.length_bytes <= _KEPT_BYTES
            content = file.read() if small else None
            sha256 = what.sha256
            if sha256 is None:
                digest = hashlib.sha256(content or b"")
                while piece := file.read(_CHUNK_BYTES):
                    digest.update(piece)
                sha256 = digest.hexdigest()
        etag = f'"{sha256}"'
        common = [(b"etag", etag.encode()), (b"cache-control", what.cache_control.encode())]
        whole = [
            *common,
            (b"content-type", what.media_type.encode()),
            (b"content-length", b"%d" % signature.length_bytes),
            (b"accept-ranges", b"bytes"),
            (b"x-content-type-options", b"nosniff"),
        ]
        return _Known(signature, etag, etag.encode(), content, common, whole)

    def _open(self, path: str) -> int:
        """A descriptor of a regular file that is where its name says.

        Raises:
            OSError: There is none; one of its folders, or it itself, may be a link.
        """
        full = f"{self._folder}/{path}"
        if os.path.realpath(full) != full:
            raise FileNotFoundError(path)
        descriptor = os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise FileNotFoundError(path)
        return descriptor

    async def _give(self, path: str, known: _Known, asked: Mapping[bytes, bytes], receive: Receive, send: Send) -> None:
        """The content, or the part of it that is asked for."""
        range_, if_range = (
            asked[name].decode("latin-1") if name in asked else None for name in (b"range", b"if-range")
        )
        total_bytes = known.signature.length_bytes
        try:
            part = part_asked_for(range_, if_range, known.etag, total_bytes)
        except Unsatisfiable:
            headers = [*known.common, (b"content-range", f"bytes */{total_bytes}".encode())]
            await _say(send, 416, "range-not-satisfiable", f"{path} has {total_bytes} bytes", headers)
            return
        headers = known.whole
        start: Message = {"type": "http.response.start", "status": 200, "headers": headers}
        if part is not None:
            headers = [pair for pair in headers if pair[0] != b"content-length"]
            headers += [
                (b"content-length", b"%d" % part.length_bytes),
                (b"content-range", part.content_range(total_bytes).encode()),
            ]
            start = {"type": "http.response.start", "status": 206, "headers": headers}
        first = part.start if part else 0
        end = first + (part.length_bytes if part else total_bytes)
        if known.content is not None:
            await send(start)
            await send({"type": "http.response.body", "body": known.content[first:end]})
        else:
            await self._stream(path, known, (start, first, end), receive, send)

    async def _stream(
        self, path: str, known: _Known, what: tuple[Message, int, int], receive: Receive, send: Send
    ) -> None:
        """Bytes of the very file that the headers speak of, also when it is replaced meanwhile."""
        start, first, end = what
        try:
            descriptor = await anyio.to_thread.run_sync(self._open, path, limiter=self._threads)
        except OSError:
            descriptor = -1
        if descriptor < 0 or _signature(os.fstat(descriptor)) != known.signature:
            if descriptor >= 0:
                os.close(descriptor)
            await _say(send, 503, "changed", f"{path} was just replaced", [(b"retry-after", b"1")])
            return
        gone = asyncio.ensure_future(_until_gone(receive))
        try:
            await send(start)
            while first < end and not gone.done():
                wanted = min(_CHUNK_BYTES, end - first)
                piece = await anyio.to_thread.run_sync(os.pread, descriptor, wanted, first, limiter=self._threads)
                if not piece:
                    raise EOFError(f"{path} became shorter while it was sent")
                first += len(piece)
                await send({"type": "http.response.body", "body": piece, "more_body": first < end})
        finally:
            gone.cancel()
            os.close(descriptor)


def _signature(status: os.stat_result) -> _Signature:
    return _Signature(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _missing(path: str) -> bool:
    return not os.path.lexists(path)


async def _until_gone(receive: Receive) -> None:
    """Until the asker has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _say(send: Send, status: int, code: str, message: str, headers: Headers) -> None:
    body = error_body(code, message)
    fixed: Any = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *fixed]})
    await send({"type": "http.response.body", "body": body})
