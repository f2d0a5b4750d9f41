"""An HTTP server of motion JPEG by the standard library, like a cheap network camera; it can stall, hang up and come back."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
from ports import HeldPort

_BOUNDARY = "frame"


class MjpegServer:
    """Serves `fps` pictures a second at `url`. `start` after `stop` takes the same port again.

    Attributes:
        garbage: Sent in place of each picture, while there is some.
    """

    def __init__(self, *, width: int = 160, height: int = 120, fps: float = 25.0) -> None:
        self._held = HeldPort()
        self.port = self._held.number
        self.garbage = b""
        self._size = (height, width, 3)
        self._period_s = 1.0 / fps
        self._server: ThreadingHTTPServer | None = None
        self._go = threading.Event()
        self._gone = threading.Event()

    @property
    def url(self) -> str:
        """Where the stream is."""
        return f"http://127.0.0.1:{self.port}/video.mjpg"

    def start(self) -> MjpegServer:
        """Serve."""
        assert self._server is None, "it runs already"
        self._gone = threading.Event()
        self._go.set()
        self._server = _server(self, self.port)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Hang up on everybody and close the port."""
        if self._server is not None:
            self._gone.set()
            self._go.set()
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def stall(self) -> None:
        """Keep the connections and send nothing more."""
        self._go.clear()

    def go_on(self) -> None:
        """Send again after `stall`."""
        self._go.set()

    def resize(self, width: int, height: int) -> None:
        """Send pictures of another size from now on, on the connections that are open too."""
        self._size = (height, width, 3)

    def write_to(self, write, gone: threading.Event) -> None:
        """Send pictures through `write` until it fails or the server stops."""
        number = 0
        while not gone.wait(self._period_s):
            self._go.wait()
            picture = self.garbage or cv2.imencode(".jpg", np.full(self._size, number % 256, np.uint8))[1].tobytes()
            write(
                f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n".encode()
                + picture
                + b"\r\n"
            )
            number += 1

    @property
    def gone(self) -> threading.Event:
        """Set when this start of the server is over."""
        return self._gone

    def __enter__(self):
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._held.close()


def _server(camera: MjpegServer, port: int) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            gone = camera.gone
            self.send_response(200)
            self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
            self.end_headers()
            with suppress(OSError):
                camera.write_to(self.wfile.write, gone)
                self.connection.shutdown(socket.SHUT_RDWR)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    return server
