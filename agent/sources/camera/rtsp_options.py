"""Options that FFmpeg's RTSP reader takes, and OpenCV passes on in one variable of the whole process only.

OpenCV reads OPENCV_FFMPEG_CAPTURE_OPTIONS as the first act of opening. Opens that want the same options go side by side; one
that wants others waits for them, but not for long: an open may hang for good, and must not hold up another camera.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

VARIABLE = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
LONGEST_TURN_S = 1.0
"""After so long the variable was read in any case."""


class RtspOptions:
    """Takes turns on the variable. Any thread; one object a process."""

    def __init__(self, longest_turn_s: float = LONGEST_TURN_S) -> None:
        self._longest_turn_s = longest_turn_s
        self._changed = threading.Condition()
        self._set: str | None = None
        self._openings = 0
        self._operators = os.environ.get(VARIABLE)

    @contextmanager
    def set_for(self, transport: str) -> Iterator[None]:
        """Within the block, an rtsp:// address is opened over `transport` (`tcp` or `udp`).

        What the operator has set in the variable stays, and wins. Afterwards the variable is as it was.
        """
        # fpsprobesize: without it, opening waits until a second and a half of pictures have told the frame rate
        wanted = "|".join(filter(None, (f"rtsp_transport;{transport}|fpsprobesize;0", self._operators)))
        with self._changed:
            self._changed.wait_for(lambda: self._openings == 0 or self._set == wanted, self._longest_turn_s)
            os.environ[VARIABLE] = self._set = wanted
            self._openings += 1
        try:
            yield
        finally:
            with self._changed:
                self._openings -= 1
                if self._openings == 0:
                    self._restore()
                self._changed.notify_all()

    def _restore(self) -> None:
        if self._operators is None:
            os.environ.pop(VARIABLE, None)
        else:
            os.environ[VARIABLE] = self._operators


RTSP_OPTIONS = RtspOptions()
