"""A service manager for tests: the socket behind NOTIFY_SOCKET, and what came through it."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

from deadlines import LONG_S

if TYPE_CHECKING:
    from pathlib import Path


class Manager:
    """Remembers every datagram as a table of its lines. `with Manager(folder) as manager:` ends it."""

    def __init__(self, folder: Path, *, address: str | None = None) -> None:
        self.address = address or str(folder / "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{self.address[1:]}" if self.address.startswith("@") else self.address)
        self._socket.settimeout(0.1)
        self._told: list[tuple[float, dict[str, str]]] = []
        self._changed = threading.Condition()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while not self._over.is_set():
            try:
                datagram = self._socket.recv(65536)
            except TimeoutError:
                continue
            fields = dict(line.split("=", 1) for line in datagram.decode().splitlines())
            with self._changed:
                self._told.append((time.monotonic(), fields))
                self._changed.notify_all()

    @property
    def told(self) -> list[dict[str, str]]:
        """Everything so far, in order."""
        with self._changed:
            return [fields for _, fields in self._told]

    def of(self, key: str) -> list[str]:
        """The values told under a key so far."""
        return [fields[key] for fields in self.told if key in fields]

    def wait_for(self, key: str, condition=lambda _: True, *, times: int = 1, timeout_s: float = LONG_S) -> str:
        """The newest value under a key that fulfils `condition`, as soon as there were so many."""

        def such() -> list[str]:
            return [fields[key] for _, fields in self._told if key in fields and condition(fields[key])]

        with self._changed:
            assert self._changed.wait_for(lambda: len(such()) >= times, timeout_s), (key, [f for _, f in self._told])
            return such()[-1]

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(LONG_S)
        self._socket.close()
