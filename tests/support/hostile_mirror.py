"""What lies between a device and its registry, and means no good: a proxy that hands on what it likes, and writes down all of it.

`with HostileMirror(upstream) as mirror:` stands before a registry's server (its address) or before a folder of plain files. Without faults it
hands on what comes; with them (`faults`, `always`, `file_server`) a request is answered by a fault, which is given the true content.
"""

from __future__ import annotations

import contextlib
import http.client
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from file_server import FileServer, Request, served

if TYPE_CHECKING:
    from collections.abc import Callable

_PATIENCE_S = 60
_HANDED_ON = ("Range", "Content-Type", "Content-Length", "Accept-Encoding", "Authorization", "If-None-Match")
_NOT_BACK = {"connection", "transfer-encoding", "content-length", "date", "server", "keep-alive"}


class HostileMirror(FileServer):
    """See the module.

    Attributes:
        before: By path, what is done once before the next request is answered, such as a publication.
    """

    def __init__(self, upstream: str | Path) -> None:
        super().__init__({})
        self._upstream = upstream
        self.before: dict[str, Callable[[], object]] = {}

    def _serve(self, handler) -> None:
        path = unquote(handler.path[1:])
        self.requests.append(Request(handler.command, path, handler.headers.get("Range")))
        if act := self.before.pop(path, None):
            act()
        fault = self.faults[path].popleft() if self.faults[path] else self.always.get(path)
        with contextlib.suppress(ConnectionError):
            if fault is not None:
                fault(handler, self.true_content(path) if handler.command == "GET" else b"")
            elif isinstance(self._upstream, Path):
                served(handler, self.true_content(path))
            else:
                self._hand_on(handler, path)

    def true_content(self, path: str) -> bytes | None:
        """What the registry would say."""
        if isinstance(self._upstream, Path):
            place = self._upstream / path
            return place.read_bytes() if place.is_file() else None
        status, _, content = self._asked("GET", f"/{path}", b"", {})
        return content if status == 200 else None

    def _hand_on(self, handler, path: str) -> None:
        headers = {name: handler.headers[name] for name in _HANDED_ON if name in handler.headers}
        status, answered, content = self._asked(handler.command, handler.path, self.posted.get(path, b""), headers)
        handler.whole(
            content, status, **{name: value for name, value in answered.items() if name.lower() not in _NOT_BACK}
        )

    def _asked(self, method: str, target: str, body: bytes, headers: dict) -> tuple[int, dict[str, str], bytes]:
        address = urlsplit(str(self._upstream))
        line = http.client.HTTPConnection(address.hostname or "", address.port, timeout=_PATIENCE_S)
        with contextlib.closing(line):
            line.request(method, target, body, headers)
            answer = line.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()


# -- faults beyond those of `file_server` ---------------------------------------------------------------------------------------------


def says_longer(handler, content: bytes) -> None:
    """More is announced than there is."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content) + 1000))
    handler.end_headers()
    handler.piece(content)
    handler.cut()


def says_shorter(handler, content: bytes) -> None:
    """Less is announced, and less comes."""
    handler.whole(content[: len(content) // 2])


def too_much(handler, content: bytes) -> None:
    """All of it, and more, without a length."""
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.piece(content + b" " * len(content))
    handler.cut()


def other_part(handler, content: bytes) -> None:
    """A part that nobody asked for, under a length that is right."""
    handler.whole(content[1:] + content[:1], 206, Content_Range=f"bytes 0-{len(content) - 1}/{len(content)}")


def something_else(handler, content: bytes) -> None:
    """A login page of somebody's network."""
    handler.whole(b"<html>please log in</html>", Content_Type="text/html")
