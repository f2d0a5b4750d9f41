"""preloaded_agent.py CONFIG COUNT: the agent of a configuration, with sources that give COUNT frames decoded beforehand.

Each source of the configuration is a video file; its first frames are read before the agent starts and then given over and over.
Everything else is the agent as it is. Leans on `agent.wiring` (its `make_source`), on `App.run`, on the contract of sources and on the
loading of configurations.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2

from agent import app, wiring
from agent.config.loading import load
from agent.sources.contract import EndOfStream
from agent.sources.opencv import arrived

if TYPE_CHECKING:
    import numpy.typing as npt

    from agent.core.frames import Frame
    from agent.core.messages import CaptureClock

FRAMES = 60


class Preloaded:
    """A source whose frames are there already."""

    captured_at_from: CaptureClock = "arrival"
    period_s: float | None = None

    def __init__(self, pictures: list[npt.NDArray[Any]], count: int) -> None:
        self._pictures = pictures
        self._count = count

    def open(self) -> None:
        """Nothing is left to do."""

    def read(self, index: int) -> Frame:
        """The next picture, which the reader owns like any other: the pictures are never written."""
        if index >= self._count:
            raise EndOfStream
        return arrived(self._pictures[index % len(self._pictures)], index)

    def close(self) -> None:
        """Nothing was opened."""


def decoded(url: str) -> list[npt.NDArray[Any]]:
    """The first frames of a video file."""
    capture = cv2.VideoCapture(url)
    return [capture.read()[1] for _ in range(FRAMES)]


def main() -> int:
    """Decode, exchange the sources, run."""
    settings = load(Path(sys.argv[1])).usable()
    pictures = decoded(next(iter(settings.sources.values())).url)
    wiring.make_source = partial(_preloaded, pictures, int(sys.argv[2]))  # type: ignore[attr-defined]
    return app.App(settings).run()


def _preloaded(pictures: list[npt.NDArray[Any]], count: int, *_asked: object) -> Preloaded:
    return Preloaded(pictures, count)


sys.exit(main())
