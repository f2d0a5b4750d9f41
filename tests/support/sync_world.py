"""A registry with keys and server, and a device that runs the first of two versions while the second one is assigned.

Everything through the child's own door (`cloud_sync.device.__main__`): in the process that the agent starts, or, where many syncs are to
be had in little time, in this one.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registering import Clock, Site

from cloud_sync.device.__main__ import run
from cloud_sync.device.order import Order
from cloud_sync.store import ModelStore

if TYPE_CHECKING:
    from collections.abc import Mapping

HOME = Path(__file__).resolve().parents[2]
DEVICE, MODEL, CHANNEL = "press-07", "parts", "stable"
HARDWARE = ("raspberry-pi-5", "aarch64")
_PATIENCE_S = 580

DICE = random.Random(5)
OLD = DICE.randbytes(120_000)
NEW = OLD[:60_000] + b"trained again" + OLD[60_013:]
FIRST = {"model.tflite": OLD, "labels.txt": b"good\nbad\n", "model.toml": b'name = "parts"\n'}
SECOND = {**FIRST, "model.tflite": NEW, "golden/1.png": DICE.randbytes(3_000)}
THIRD = {**FIRST, "model.tflite": DICE.randbytes(90_000)}
"""Has nothing in common with the others, so that no patch makes it."""


def now() -> datetime:
    """The system's clock, as a registry signs it."""
    return datetime.now(timezone.utc).replace(microsecond=0)


def sync_in_child(order: Order) -> dict[str, Any]:
    """The outcome of the process that the agent starts."""
    done = subprocess.run(
        [sys.executable, "-m", "cloud_sync.device"],
        input=order.encode(),
        cwd=HOME,
        capture_output=True,
        check=False,
        timeout=_PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    return json.loads(done.stdout.splitlines()[-1])["outcome"]


def sync_here(order: Order) -> dict[str, Any]:
    """The same in this process."""
    return run(order.encode(), lambda _: None).as_dict()


@dataclass
class Station:
    """A device: a state directory, and what its agent would order.

    Attributes:
        state_dir: Of the agent.
        options: Of the order, beyond the usual ones.
        sync: In a child process, or here.
        outcomes: Of all syncs.
    """

    state_dir: Path
    root: Path
    url: str
    options: Mapping[str, Any] = field(default_factory=dict)
    sync: Any = sync_here
    outcomes: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = ModelStore(self.state_dir)

    @property
    def order(self) -> Order:
        usual = {
            "state_dir": self.state_dir,
            "device": DEVICE,
            "models": {MODEL: CHANNEL},
            "root_path": self.root,
            "url": self.url,
            "hardware": HARDWARE,
        }
        return Order(**usual | dict(self.options))

    def poll(self) -> dict[str, Any]:
        """One sync."""
        self.outcomes.append(self.sync(self.order))
        return self.outcomes[-1]

    def adopt(self) -> None:
        """As the agent does, when all prove themselves."""
        self.store.activate(self.store.staged())

    def picture(self) -> dict[str, bytes]:
        """The store and its records, byte for byte."""
        root = self.state_dir / "store"
        return {
            str(path.relative_to(root)): path.read_bytes()
            for path in sorted(root.rglob("*"))
            if path.is_file() and path.name != "lock"
        }

    def copy(self, to: Path, url: str, **options: Any) -> Station:
        """The same device as it is now, in another place."""
        shutil.copytree(self.state_dir, to)
        return Station(to, self.root, url, {**self.options, **options}, self.sync)


def make_site(folder: Path) -> Site:
    """A registry with one model, signed for today."""
    site = Site.make(folder, clock=Clock(now()))
    site.add_model(MODEL)
    return site
