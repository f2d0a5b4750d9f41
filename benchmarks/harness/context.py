"""What a benchmark is given: model and photograph, clips, peers, a bundle, a voice."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.harness import agent, clips, processes
from benchmarks.harness.peers import Peers

if TYPE_CHECKING:
    from benchmarks.harness.rounds import Measurement

SCRIPTS = Path(__file__).parent.parent / "scripts"
ASSETS_VARIABLE = "LINESIDE_TEST_ASSETS"
_SCRIPT_S = 120.0


class AssetsMissing(Exception):
    """The folder of real models and photographs is not there; the text says what to do."""


@dataclass(frozen=True)
class Assets:
    """What is measured with."""

    model: Path
    labels: Path
    photo: Path

    @classmethod
    def find(cls) -> Assets:
        """In the folder that the environment names.

        Raises:
            AssetsMissing: It names none, or the folder lacks a file.
        """
        named = os.environ.get(ASSETS_VARIABLE)
        if not named:
            raise AssetsMissing(f"{ASSETS_VARIABLE} names no folder of models and photographs")
        folder = Path(named)
        assets = cls(
            model=folder / "models" / "mobilenet_v2_1.0_224_quant.tflite",
            labels=folder / "data" / "coral_images" / "imagenet_labels.txt",
            photo=folder / "data" / "coral_images" / "cat.bmp",
        )
        for path in (assets.model, assets.labels, assets.photo):
            if not path.is_file():
                raise AssetsMissing(f"{ASSETS_VARIABLE} lacks {path.relative_to(folder)}")
        return assets


@dataclass
class Context:
    """One run of some benchmarks.

    Attributes:
        assets: Model, labels, photograph.
        work: A folder of this run.
        quick: Shorter durations; the table says so.
        peers: Whom we are compared with.
    """

    assets: Assets
    work: Path
    quick: bool = False
    peers: Peers = field(default_factory=Peers)

    def say(self, text: str) -> None:
        """One line for whoever waits."""
        sys.stderr.write(f"  {text}\n")
        sys.stderr.flush()

    def duration_s(self, full_s: float, quick_s: float) -> float:
        """How long to measure."""
        return quick_s if self.quick else full_s

    @cached_property
    def bundle(self) -> Path:
        """MobileNet v2 int8 as a packed bundle."""
        return agent.bundle(self.work, "mobilenet", self.assets.model, self.assets.labels)

    @cached_property
    def second_bundle(self) -> Path:
        """The same network in a file of its own, under another name."""
        return agent.bundle(self.work, "mobilenet-2", self.assets.model, self.assets.labels)

    def moving_clip(self, size: clips.Size, *, seconds: float = 20, rate: float = 30) -> Path:
        """See `clips.moving`."""
        return clips.moving(self.assets.photo, size, seconds=seconds, rate=rate)

    def script(self, name: str, *arguments: str | Path, timeout_s: float = _SCRIPT_S) -> str:
        """What one of our own scripts prints, run by the agent's own interpreter in a fresh process."""
        return processes.run([sys.executable, SCRIPTS / name, *arguments], timeout_s, what=name).strip()

    def bare_invoke(self) -> Measurement:
        """The median of a bare invoke loop in the agent's environment, also as frames a second."""
        invoke_ms = float(self.script("bare_invoke.py", self.assets.model, "300"))
        return {"frames/s": 1e3 / invoke_ms, "ms": invoke_ms}
