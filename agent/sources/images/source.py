"""A folder of pictures as a source."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from agent.core.errors import SourceInvalid, SourceUnavailable
from agent.sources.camera.address import file_path
from agent.sources.contract import EndOfStream, FrameUnreadable
from agent.sources.images.pictures import is_cut_off, is_picture, reduction
from agent.sources.opencv import arrived, silence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.core.frames import Frame
    from agent.core.messages import CaptureClock
    from agent.sources.demand import Demand
    from agent.sources.images.settings import ImagesSettings

_AUTO_LINES = 720
"""Below, a reduced picture is decoded hardly faster."""
_FLAGS = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}

_WORDS = {
    1: "full pictures, where they are no JPEG, or too small, or not every pipeline has its model, or one needs them",
    2: "JPEG at half its width and height",
    4: "JPEG at a quarter of its width and height",
    8: "JPEG at an eighth of its width and height",
}


class ImagesSource:
    """The pictures of a folder, in the order of their names; one that cannot be decoded is reported and passed over."""

    captured_at_from: CaptureClock = "arrival"

    def __init__(self, settings: ImagesSettings, demand: Demand | None = None) -> None:
        """Store.

        Args:
            settings: The table.
            demand: Who knows how many pixels are needed; without, pictures are full whatever `decode` says.
        """
        self._settings = settings
        self._demand = None if settings.decode == "full" else demand
        self._least_lines = _AUTO_LINES if settings.decode == "auto" else 0
        self._path = Path(file_path(settings.url))
        self._pictures: Iterator[Path] = iter(())
        self._gave_frames = False
        self.period_s = 1.0 / settings.rate_hz if settings.realtime else None

    def open(self) -> None:
        """List the folder.

        Raises:
            SourceUnavailable: It is not there or must not be read; it may come.
            SourceInvalid: There is no picture in it.
        """
        silence()
        self._pictures = iter(self._list())

    def _list(self) -> list[Path]:
        try:
            if not self._path.is_dir():
                self._path.stat()
                return [self._path]
            with os.scandir(self._path) as entries:
                names = sorted(entry.name for entry in entries if is_picture(entry.name) and not entry.is_dir())
        except OSError as error:
            raise SourceUnavailable(
                f"{self._path}: {error.strerror}",
                hint="put the folder there, correct the url, or grant the right to read",
            ) from error
        if not names:
            raise SourceInvalid(f"{self._path} holds no picture", hint="png, jpg, bmp, tif, webp, pgm and ppm are read")
        return [self._path / name for name in names]

    def read(self, index: int) -> Frame:
        """The next picture, [height, width, 3] BGR; gray ones too.

        Raises:
            EndOfStream: That was the last, and the folder is not looped.
            FrameUnreadable: It cannot be decoded.
            SourceUnavailable: The folder was taken away between two rounds.
            SourceInvalid: Not a single picture can be decoded.
        """
        path = next(self._pictures, None)
        if path is None:
            path = self._next_round()
        pixels = self._decode(path)
        self._gave_frames = True
        return arrived(pixels, index, file=path.name)

    def _next_round(self) -> Path:
        if not self._gave_frames:
            raise SourceInvalid(f"{self._path}: not a single picture can be decoded", hint="look at the pictures")
        if not self._settings.loop:
            raise EndOfStream
        self._gave_frames = False
        self._pictures = iter(self._list())
        return next(self._pictures)

    def _decode(self, path: Path) -> cv2.typing.MatLike:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise FrameUnreadable(f"{path.name}: {error.strerror}") from error
        if is_cut_off(data):
            raise FrameUnreadable(f"{path.name}: it is cut off")
        try:
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), _FLAGS[self._reduction(data)])
        except cv2.error as error:
            raise FrameUnreadable(f"{path.name}: {error.err}") from error
        if pixels is None:
            raise FrameUnreadable(f"{path.name}: it is no picture, or broken")
        return pixels

    def _reduction(self, data: bytes) -> int:
        if self._demand is None:
            return 1
        needed = self._demand.needed()
        divisor = 1 if needed is None else reduction(data, needed, self._least_lines)
        self._demand.tell(f'decode = "{self._settings.decode}": {_WORDS[divisor]}')
        return divisor

    def close(self) -> None:
        """Nothing is held open."""
