"""A device that trusts a simulated registry, over HTTP on the loopback."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING

from file_server import FileServer
from tuf_simulator import NOW, Simulator

from cloud_sync.trust import TrustedRepository
from cloud_sync.wire import HttpWire

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path


class TrustingDevice:
    """`with TrustingDevice(folder, registry) as device:`; each `refresh` is a poll of its own."""

    def __init__(self, folder: Path, registry: Simulator) -> None:
        self.folder = folder
        self.registry = registry
        self.root: bytes | None = registry.first_root
        self.root_sha256: str | None = None
        self._stack = ExitStack()

    def __enter__(self):
        self.server = self._stack.enter_context(FileServer(self.registry.files))
        self.wire = self._stack.enter_context(HttpWire(self.server.url, retries=0, timeout_s=30))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def repository(self, *, now: datetime = NOW, wire: HttpWire | None = None) -> TrustedRepository:
        return TrustedRepository(self.folder, wire or self.wire, root=self.root, now=now, root_sha256=self.root_sha256)

    def refresh(self, **options) -> TrustedRepository:
        repository = self.repository(**options)
        self.server.requests.clear()
        repository.refresh()
        return repository

    def kept(self) -> dict[str, int]:
        """Version of each trusted file."""
        return {
            path.stem: json.loads(path.read_bytes())["signed"]["version"] for path in sorted(self.folder.glob("*.json"))
        }

    def bytes_kept(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}

    def strangers(self) -> list[str]:
        """What lies beside the trusted files and the note of which root was pinned."""
        return [
            path.name for path in self.folder.iterdir() if path.suffix != ".json" and path.name != "pinned-root.sha256"
        ]

    def asked(self) -> list[str]:
        """Metadata asked for since the last refresh began."""
        return [path.removeprefix("metadata/").removesuffix(".json") for path in self.server.paths()]
