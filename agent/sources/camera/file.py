"""Video files and GIFs, through the FFmpeg that OpenCV brings."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import cv2

from agent.core.errors import SourceInvalid, SourceUnavailable
from agent.sources.camera.address import file_path
from agent.sources.contract import EndOfStream, FrameUnreadable
from agent.sources.opencv import arrived, frame_size, silence

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.core.frames import Frame
    from agent.core.messages import CaptureClock
    from agent.sources.camera.settings import CameraSettings

_FALLBACK_FPS = 25.0
_HIGHEST_FPS = 1000.0
_ESTIMATE = 0.1
_TEXT_CODECS = (b"ansi", b"bint", b"xbin", b"idf")
"""FFmpeg draws a text file as a video of its letters; these are the decoders that do."""


class Pictures(Protocol):
    """What decodes a file from its first picture to its last. `cv2.VideoCapture` is one."""

    def read(self) -> tuple[bool, cv2.typing.MatLike]:
        """Whether there was one more, and the picture: uint8, [height, width, 3] BGR, which nobody else writes."""
        ...

    def release(self) -> None:
        """Let the file go. May be called twice."""
        ...


class FileSource:
    """One file, from its first frame to its last, or round and round. What can be decoded of a broken file is given."""

    captured_at_from: CaptureClock = "arrival"
    frame_size: tuple[int, int]
    """Width and height of the file's own pictures. Valid after `open`."""

    def __init__(self, settings: CameraSettings, *, decode: Callable[[Path], Pictures] | None = None) -> None:
        """Store.

        Args:
            settings: The table.
            decode: Begins to decode a file that OpenCV has found a video in; default OpenCV itself.
        """
        self._settings = settings
        self._path = Path(file_path(settings.url))
        self._decode = decode
        self._pictures: Pictures = cv2.VideoCapture()
        self._rate = 0.0
        self._promised = 0.0
        self.frame_size = (0, 0)
        self._given = 0
        self.period_s: float | None = None

    def open(self) -> None:
        """Open the file and find the video in it.

        Raises:
            SourceUnavailable: It is not there or must not be read; it may come.
            SourceInvalid: It is no video.
        """
        silence()
        self._begin()
        if self._settings.realtime:
            self.period_s = 1.0 / frame_rate(self._rate)

    def _begin(self) -> None:
        capture = self._open()
        self._rate, self._promised = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.frame_size = frame_size(capture)
        self._given = 0
        self._pictures = capture
        if self._decode is not None:
            capture.release()
            self._pictures = self._decode(self._path)

    def _open(self) -> cv2.VideoCapture:
        if self._path.is_dir():
            raise SourceInvalid(f"{self._path} is a folder", hint='for a folder of pictures set type = "images"')
        if not self._path.exists():
            raise SourceUnavailable(f"{self._path} is not there", hint="put the file there, or correct the url")
        if not os.access(self._path, os.R_OK):
            raise SourceUnavailable(f"{self._path} must not be read", hint="give the agent's user the right to read it")
        capture = cv2.VideoCapture(
            str(self._path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, self._settings.decode_threads]
        )
        if not capture.isOpened() or is_text(capture.get(cv2.CAP_PROP_FOURCC)):
            capture.release()
            raise SourceInvalid(
                f"{self._path} is no video that can be read", hint=f"look into it: ffprobe {self._path}"
            )
        return capture

    def read(self, index: int) -> Frame:
        """The next frame of the file.

        Raises:
            EndOfStream: That was the last, and the file is not looped.
            SourceUnavailable: The file was taken away between two rounds.
            SourceInvalid: No frame of it can be decoded, or it ends long before the end that it promises.
            FrameUnreadable: A looped file ended so; it begins again.
        """
        good, pixels = self._pictures.read()
        if good:
            self._given += 1
            return arrived(pixels, index)
        if not self._given:
            raise SourceInvalid(f"{self._path} has no frame that can be decoded", hint=f"ffprobe {self._path}")
        cut = f"{self._path} ends after {self._given} of {self._promised:.0f} frames; it is cut off or damaged"
        is_cut = is_cut_off(self._given, self._promised)
        if not self._settings.loop:
            if is_cut:
                raise SourceInvalid(cut, hint=f"take the file again from where it came; ffprobe {self._path}")
            raise EndOfStream
        self._pictures.release()
        self._begin()
        if is_cut:
            raise FrameUnreadable(cut)
        return self.read(index)

    def close(self) -> None:
        """Close the file. May be called twice."""
        self._pictures.release()


def frame_rate(told: float) -> float:
    """Frames per second as the file tells it, or 25 where it tells nothing that can be."""
    return told if math.isfinite(told) and 0 < told <= _HIGHEST_FPS else _FALLBACK_FPS


def is_cut_off(given: int, promised: float) -> bool:
    """Whether a file gave clearly fewer frames than its header tells.

    The header's count is exact in MP4 and an estimate from length and rate elsewhere, so a tenth may be missing.
    """
    return math.isfinite(promised) and given < (1 - _ESTIMATE) * promised


def is_text(fourcc: float) -> bool:
    """Whether OpenCV's CAP_PROP_FOURCC names one of FFmpeg's decoders of text art."""
    return int(fourcc).to_bytes(4, "little", signed=True).rstrip(b"\0 ") in _TEXT_CODECS
