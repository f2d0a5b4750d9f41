"""A device that syncs with a registry in a folder, in this process or in the child that the agent starts."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from folder_registry import NOW, FolderRegistry

from cloud_sync.device.journal import Journal
from cloud_sync.device.order import Order, Outcome
from cloud_sync.device.sync import Sync
from cloud_sync.device.turn import turn
from cloud_sync.store import ModelStore
from cloud_sync.wire import FolderWire

if TYPE_CHECKING:
    from datetime import datetime

HOME = Path(__file__).resolve().parents[2]


@dataclass
class Device:
    """One device; each `sync` is a new one, as a new process would be."""

    state_dir: Path
    registry: FolderRegistry
    models: dict[str, str] = field(default_factory=lambda: {"parts": "stable"})
    now: datetime = NOW
    options: dict[str, object] = field(default_factory=dict)
    desk: object = None
    said: list[dict[str, object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = ModelStore(self.state_dir)
        self.folder = self.state_dir / "sync"

    @property
    def order(self) -> Order:
        known = {
            "state_dir": self.state_dir,
            "device": "press-07",
            "models": self.models,
            "root_path": self.registry.root,
            "import_dir": self.registry.folder,
            "hardware": ("raspberry-pi-5", "aarch64"),
        }
        return Order(**known | self.options)

    def sync(self, wire=None) -> Outcome:
        with turn(self.folder), Journal.open(self.folder) as journal:
            sync = Sync(
                self.order,
                wire=wire or FolderWire(self.registry.folder),
                journal=journal,
                store=self.store,
                folder=self.folder,
                desk=self.desk,
                clock=lambda: self.now,
                say=self.said.append,
            )
            return sync.run()

    def adopt(self) -> None:
        """As the agent does, when all prove themselves."""
        self.store.activate(self.store.staged())

    def in_child(self, under: tuple[str, ...] = ()) -> tuple[int, list[dict[str, object]]]:
        """The process that the agent starts: its exit code, and what it said."""
        done = subprocess.run(
            [*under, sys.executable, "-m", "cloud_sync.device"],
            input=self.order.encode(),
            cwd=HOME,
            capture_output=True,
            check=False,
            timeout=120,
        )
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]

    def picture(self) -> dict[str, bytes]:
        """The store, byte for byte."""
        root = self.state_dir / "store"
        return {
            str(path.relative_to(root)): path.read_bytes()
            for path in sorted(root.rglob("*"))
            if path.is_file() and path.name != "lock"
        }
