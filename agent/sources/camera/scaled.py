"""Files and streams of which ffmpeg, in a process beside the agent, hands over frames no larger than needed.

The frames are those of `FileSource` and `StreamSource`, and so are the faults and their sentences; only the pixels are fewer, and
each is the average of those that it stands for. When more comes to be needed, the child is replaced.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import cv2
import numpy as np

from agent.core.errors import SourceUnavailable
from agent.sources.camera.child import Overdue, PictureChild
from agent.sources.camera.diagnosis import hung_up, stalled, why_not_open
from agent.sources.camera.ffmpeg import require_ffmpeg, version
from agent.sources.camera.ffmpeg_command import file_command, stream_command
from agent.sources.demand import WHOLE, Needed
from agent.sources.opencv import arrived

if TYPE_CHECKING:
    from pathlib import Path

    from agent.core.frames import Frame
    from agent.core.messages import CaptureClock
    from agent.sources.camera.settings import CameraSettings
    from agent.sources.demand import Demand

_FILE_S = 45.0
"""A disk that spins up, or a network share that comes back; less than the runner's patience."""
_CATCH_UP_S = 1.0
"""Pictures of the time before the stream was open are passed over for so long."""
_HONOURS_TAGS = 5
_MATRIX = "auto" if int(cv2.__version__.split(".", 1)[0]) >= _HONOURS_TAGS else "bt601"
"""The colour matrix that OpenCV takes: 5 the one that the video names, 4 always ITU-R BT.601, whatever it names. Measured with 4.10,
4.12 and 5.0: as far as colours go, both ways give the same pixels."""


class ScaledPictures:
    """The pictures of one file. Implements `agent.sources.camera.file.Pictures`; belongs to one thread."""

    def __init__(self, path: Path, demand: Demand, threads: int) -> None:
        """Begin to decode.

        Raises:
            SourceUnavailable: There is no ffmpeg that runs.
        """
        self._path = path
        self._demand = demand
        self._threads = threads
        self._given = 0
        self._needed = demand.needed() or WHOLE
        self._child = self._begin()

    def _begin(self) -> PictureChild:
        program = require_ffmpeg()
        command = file_command(
            program,
            version(program),
            self._path,
            self._needed,
            threads=self._threads,
            skip=self._given,
            matrix=_MATRIX,
        )
        child = PictureChild(command)
        child.start()
        return child

    def read(self) -> tuple[bool, cv2.typing.MatLike]:
        """The next picture.

        Raises:
            SourceUnavailable: Nothing came for a long time.
        """
        needed = self._demand.needed() or WHOLE
        if needed.exceeds(self._needed):
            self._child.close()
            self._needed = needed
            self._child = self._begin()
        try:
            pixels = self._child.picture(_FILE_S)
        except Overdue as error:
            message = f"{self._path} gave no frame within {_FILE_S:g} s"
            raise SourceUnavailable(message, hint="check the disk or the network share") from error
        if pixels is None:
            return False, np.empty((0, 0, 3), np.uint8)
        self._given += 1
        return True, pixels

    def release(self) -> None:
        """End the child. May be called twice."""
        self._child.close()


class ScaledStreamSource:
    """One connection to a stream. Implements `agent.sources.contract.Source`."""

    captured_at_from: CaptureClock = "arrival"
    period_s: float | None = None

    def __init__(self, settings: CameraSettings, demand: Demand) -> None:
        self._settings = settings
        self._demand = demand
        self._needed: Needed = WHOLE
        self._child: PictureChild | None = None
        self._first: cv2.typing.MatLike | None = None

    def open(self) -> None:
        """Connect and wait for the first new picture.

        Raises:
            SourceUnavailable: Nobody answered, what answered gives no video, or there is no ffmpeg that runs.
        """
        settings = self._settings
        self._needed = self._demand.needed() or WHOLE
        program = require_ffmpeg()
        child = self._child = PictureChild(
            stream_command(program, version(program), settings, self._needed, matrix=_MATRIX)
        )
        began_s = time.monotonic()
        child.start()
        try:
            self._first = child.picture(settings.open_timeout_s + _CATCH_UP_S)
        except Overdue:
            self._first = None
        if self._first is None:
            fault = why_not_open(settings.url, time.monotonic() - began_s, settings.open_timeout_s)
            raise _with_words(fault, child)

    def read(self, index: int) -> Frame:
        """The next frame, as soon as it is decoded.

        Raises:
            SourceUnavailable: The server closed the connection or stalled.
        """
        if (self._demand.needed() or WHOLE).exceeds(self._needed):
            self.close()
            self.open()
        pixels, self._first = self._first, None
        if pixels is None:
            pixels = self._next()
        return arrived(pixels, index)

    def _next(self) -> cv2.typing.MatLike:
        child = self._child
        if child is None:
            raise hung_up(self._settings)
        try:
            pixels = child.picture(self._settings.read_timeout_s)
        except Overdue as error:
            raise _with_words(stalled(self._settings), child) from error
        if pixels is None:
            raise _with_words(hung_up(self._settings), child)
        return pixels

    def close(self) -> None:
        """End the child. May be called twice."""
        if self._child is not None:
            self._child.close()
            self._child = None


def _with_words(fault: SourceUnavailable, child: PictureChild) -> SourceUnavailable:
    """The fault, with what ffmpeg said about it."""
    words = child.last_words
    return SourceUnavailable(str(fault), hint=f"{fault.hint}; ffmpeg says: {words}") if words else fault
