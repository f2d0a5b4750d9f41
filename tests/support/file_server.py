"""A web server on the loopback that serves files from memory, writes down every request, and misbehaves when told to."""

from __future__ import annotations

import contextlib
import hashlib
import re
import ssl
import threading
from collections import Counter, defaultdict, deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import unquote


class Request(NamedTuple):
    method: str
    path: str
    range: str | None


class FileServer:
    """`with FileServer(files) as server:`; `server.url` ends in `/`.

    Attributes:
        files: By path without the leading `/`.
        requests: In the order in which they came.
        faults: By path, what happens to the next requests instead: `fault(handler, content)`.
        always: By path, what happens to all.
        posted: What was handed over, by path.
        released: Set when the server closes; who stalls waits for it.
        sent: Bytes of content that were sent, by path.
    """

    def __init__(self, files: dict[str, bytes], *, certificate: dict[str, str] | None = None) -> None:
        self.files = files
        self.requests: list[Request] = []
        self.faults = defaultdict(deque)
        self.always = {}
        self.posted: dict[str, bytes] = {}
        self.released = threading.Event()
        self.sent_bytes = 0
        self.sent: Counter[str] = Counter()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                server._serve(self)

            def do_POST(self) -> None:
                path = unquote(self.path[1:])
                server.posted[path] = self.rfile.read(int(self.headers["Content-Length"]))
                server._serve(self)

            def log_message(self, *_: object) -> None:
                pass

            def whole(self, content: bytes, status: int = 200, **headers: str) -> None:
                """An ordinary answer."""
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.piece(content)

            def piece(self, content: bytes) -> None:
                self.wfile.write(content)
                server.sent_bytes += len(content)
                server.sent[unquote(self.path[1:])] += len(content)

            def cut(self) -> None:
                self.close_connection = True

        class Threads(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_: object) -> None:
                """A client that goes away is no fault here."""

        self._httpd = Threads(("127.0.0.1", 0), Handler)
        self._httpd.owner = self
        self.url = f"http://127.0.0.1:{self._httpd.server_port}/"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate["cert_file"], certificate["key_file"])
            self._httpd.socket = context.wrap_socket(
                self._httpd.socket, server_side=True, do_handshake_on_connect=False
            )
            self.url = self.url.replace("http:", "https:")
        self._thread = threading.Thread(target=self._httpd.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._httpd.shutdown()
        self._httpd.server_close()
        self._thread.join()

    def paths(self) -> list[str]:
        return [request.path for request in self.requests]

    def _serve(self, handler) -> None:
        path = unquote(handler.path[1:])
        self.requests.append(Request(handler.command, handler.path[1:], handler.headers.get("Range")))
        content = self.files.get(path)
        with contextlib.suppress(ConnectionError):
            if self.faults[path]:
                self.faults[path].popleft()(handler, content)
            elif path in self.always:
                self.always[path](handler, content)
            else:
                served(handler, content)


def served(handler, content: bytes | None) -> None:
    """As a registry does, ranges and ETags included."""
    if content is None:
        handler.whole(b"no such file", 404)
        return
    begin, end = asked_for(handler, content)
    if handler.headers.get("If-None-Match") == f'"{hashlib.sha256(content).hexdigest()}"':
        handler.whole(b"", 304)
    elif handler.headers.get("Range") is None:
        handler.whole(content)
    elif begin >= len(content):
        handler.whole(b"", 416, Content_Range=f"bytes */{len(content)}")
    else:
        handler.whole(content[begin:end], 206, Content_Range=f"bytes {begin}-{end - 1}/{len(content)}")


def asked_for(handler, content: bytes) -> tuple[int, int]:
    """Which bytes: from, and up to but without."""
    match = re.fullmatch(r"bytes=(\d+)-(\d*)", handler.headers.get("Range") or "")
    begin, last = match.groups() if match else ("0", "")
    return int(begin), min(int(last or len(content)) + 1, len(content))


# -- faults -----------------------------------------------------------------------------------------------------------------------


def status(code: int, **headers: str):
    return lambda handler, _: handler.whole(b"", code, **headers)


def truncated(count: int):
    """All is announced, so much comes, then the line ends. Ranges are known."""

    def fault(handler, content: bytes) -> None:
        match = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range") or "")
        begin = int(match[1]) if match else 0
        handler.send_response(206 if match else 200)
        if match:
            handler.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        handler.send_header("Content-Length", str(len(content) - begin))
        handler.end_headers()
        handler.piece(content[begin : begin + count])
        handler.cut()

    return fault


def stalled(after: int):
    """So much comes, then nothing for as long as the server lives."""

    def fault(handler, content: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.piece(content[:after])
        handler.server.owner.released.wait()
        handler.cut()

    return fault


def trickling(handler, content: bytes | None) -> None:
    """A byte now and then, for ever: no read ever times out."""
    handler.send_response(200)
    handler.send_header("Content-Length", "10000")
    handler.end_headers()
    while not handler.server.owner.released.wait(0.02):
        handler.piece(b" ")
    handler.cut()


def trickling_head(handler, content: bytes | None) -> None:
    """A head that never ends."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while not handler.server.owner.released.wait(0.02):
        handler.piece(b"x")
    handler.cut()


def endless(handler, content: bytes | None) -> None:
    """As fast as it goes, without a length, until the other end goes away."""
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    while not handler.server.owner.released.is_set():
        handler.piece(b" " * 65536)


def corrupted(handler, content: bytes) -> None:
    """One bit is wrong in the middle of what was asked for."""
    begin, end = asked_for(handler, content)
    middle = (begin + end) // 2
    served(handler, content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
