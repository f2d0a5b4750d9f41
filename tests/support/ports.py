"""Loopback ports of a test's own, over restarts of whoever listens there."""

from __future__ import annotations

import socket


class HeldPort:
    """A loopback port that nobody else is given until `close`, whether or not somebody listens there.

    The socket that holds it never listens, so connections are refused. With SO_REUSEADDR on both sides a server that is told the
    number may bind it beside us, as often as it likes; who asks for any free port, also for a connection, is not given this one
    (Linux; ip(7), and `inet_csk_bind_conflict`).
    """

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.number = int(self._socket.getsockname()[1])

    @property
    def url(self) -> str:
        """Where a broker would be."""
        return f"mqtt://127.0.0.1:{self.number}"

    def close(self) -> None:
        """Let others have it. May be called twice."""
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
