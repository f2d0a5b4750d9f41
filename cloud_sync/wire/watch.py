"""A deadline over a whole exchange. A read timeout alone is none: a byte every 29 seconds holds a reader of lines for days."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self


class Watch:
    """Cuts the line when its deadline passes. `with Watch() as watch:` around the exchange.

    One thread of its own for as long as the `with`. It shuts down a duplicate of the socket, so that whoever reads it (through TLS too)
    sees the end of the stream, and no object is touched that the reader uses.

    Attributes:
        cut: Whether the deadline has passed.
    """

    def __init__(self, line: Line, seconds: float) -> None:
        self._line = line
        self._changed = threading.Condition()
        self._deadline = time.monotonic() + seconds
        self._wakes = self._deadline
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="wire-watch", daemon=True)
        self.cut = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join()

    def until(self, seconds: float) -> None:
        """The deadline is now that far away."""
        with self._changed:
            self._deadline = time.monotonic() + seconds
            if self._deadline < self._wakes:
                self._changed.notify()

    def _run(self) -> None:
        with self._changed:
            while not self._ended:
                left = self._deadline - time.monotonic()
                if self.cut or left <= 0:
                    self.cut = True
                    self._line.shutdown()
                    left = _AGAIN_S  # for a line that was opened meanwhile
                self._wakes = time.monotonic() + left
                self._changed.wait(left)


class Line:
    """The connection that is open now, as the watch sees it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    def opened(self, connection: socket.socket) -> None:
        """A new connection takes the place of the one before."""
        duplicate = connection.dup()
        with self._lock:
            self._close()
            self._socket = duplicate

    def shutdown(self) -> None:
        """End it, whoever reads it."""
        with self._lock, contextlib.suppress(OSError):  # ended by itself
            if self._socket is not None:
                self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of it. May be called twice."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


_AGAIN_S = 0.2
