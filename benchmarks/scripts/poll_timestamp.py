"""`python poll_timestamp.py PORT SECONDS`: asks for the timestamp with its ETag over eight connections at once; prints what came as JSON."""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time

_CONNECTIONS = 8
_PATH = "/metadata/timestamp.json"


def main(port: int, seconds: float) -> None:
    """Ask as fast as it is answered."""
    etag = _etag(port)
    request = f"GET {_PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nIf-None-Match: {etag}\r\n\r\n".encode()
    lines = [socket.create_connection(("127.0.0.1", port)) for _ in range(_CONNECTIONS)]
    waiting = selectors.DefaultSelector()
    line: socket.socket
    for line in lines:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        waiting.register(line, selectors.EVENT_READ, line)
        line.sendall(request)
    count, began = 0, time.monotonic()
    while time.monotonic() - began < seconds:
        for key, _ in waiting.select(1):
            line = key.data
            answer = line.recv(65536)  # small enough to come in one piece
            if not answer.startswith(b"HTTP/1.1 304 ") or not answer.endswith(b"\r\n\r\n"):
                sys.exit(f"another answer: {answer[:100]!r}")
            count += 1
            line.sendall(request)
    print(json.dumps({"polls": count, "seconds": time.monotonic() - began}))


def _etag(port: int) -> str:
    with socket.create_connection(("127.0.0.1", port)) as line:
        line.sendall(f"GET {_PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: line.recv(65536), b""))
    head = answer.partition(b"\r\n\r\n")[0].decode("latin-1")
    return next(row.partition(":")[2].strip() for row in head.split("\r\n") if row.lower().startswith("etag:"))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
