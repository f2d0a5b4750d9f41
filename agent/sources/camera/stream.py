"""RTSP and HTTP (MJPEG) streams, through the FFmpeg that OpenCV brings."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import TYPE_CHECKING

import cv2

from agent.sources.camera.address import scheme_of
from agent.sources.camera.diagnosis import hung_up, stalled, why_not_open
from agent.sources.camera.rtsp_options import RTSP_OPTIONS
from agent.sources.opencv import arrived, frame_size, silence

if TYPE_CHECKING:
    from agent.core.frames import Frame
    from agent.core.messages import CaptureClock
    from agent.sources.camera.settings import CameraSettings

_LONGEST_CATCH_UP_S = 1.0
_STALLED = 0.95
"""Share of the read timeout from which on a read has run into it."""
_WAITED_FOR = 0.5
"""Share of the time between two pictures from which on a picture was waited for."""


class StreamSource:
    """One connection to a stream. Timeouts hold only when they are passed at open."""

    captured_at_from: CaptureClock = "arrival"
    period_s: float | None = None
    frame_size: tuple[int, int]
    """Width and height of the stream's own pictures, as it tells them. Valid after `open`."""

    def __init__(self, settings: CameraSettings) -> None:
        self._settings = settings
        self.frame_size = (0, 0)
        self._capture = cv2.VideoCapture()
        self._caught_up = False
        self._stalled = False

    def open(self) -> None:
        """Connect and find the video.

        Raises:
            SourceUnavailable: Nobody answered, or what answered gives no video.
        """
        silence()
        settings = self._settings
        parameters = [
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
            round(settings.open_timeout_s * 1000),
            cv2.CAP_PROP_READ_TIMEOUT_MSEC,
            round(settings.read_timeout_s * 1000),
            cv2.CAP_PROP_N_THREADS,
            settings.decode_threads,
        ]
        is_rtsp = scheme_of(settings.url) in ("rtsp", "rtsps")
        with RTSP_OPTIONS.set_for(settings.transport) if is_rtsp else nullcontext():
            began_s = time.monotonic()
            self._capture = cv2.VideoCapture(settings.url, cv2.CAP_FFMPEG, parameters)
        if not self._capture.isOpened():
            raise why_not_open(settings.url, time.monotonic() - began_s, settings.open_timeout_s)
        self.frame_size = frame_size(self._capture)

    def read(self, index: int) -> Frame:
        """The next frame, as soon as it is decoded.

        Raises:
            SourceUnavailable: The server closed the connection or stalled.
        """
        if self._grab() if self._caught_up else self._grab_newest():
            good, pixels = self._capture.retrieve()
            if good:
                return arrived(pixels, index)
        raise stalled(self._settings) if self._stalled else hung_up(self._settings)

    def _grab(self) -> bool:
        """Wait for the next picture.

        At its timeout FFmpeg gives the pictures that the decoder still held. They are as old as the stall is long, so they
        are none.
        """
        began_s = time.monotonic()
        good = self._capture.grab()
        self._stalled = time.monotonic() - began_s >= _STALLED * self._settings.read_timeout_s
        return good and not self._stalled

    def _grab_newest(self) -> bool:
        """Pass over the pictures that FFmpeg gathered while it opened: given now, they would be dated half a second late.

        They come at once, without a wait. The first that took its time is new.
        """
        self._caught_up = True
        until_s = time.monotonic() + _LONGEST_CATCH_UP_S
        shown_ms = 0.0
        while True:
            began_s = time.monotonic()
            if not self._grab():
                return False
            now_s = time.monotonic()
            before_ms, shown_ms = shown_ms, self._capture.get(cv2.CAP_PROP_POS_MSEC)
            step_s = (shown_ms - before_ms) / 1000
            if now_s >= until_s or (step_s > 0 and now_s - began_s >= _WAITED_FOR * step_s):
                return True

    def close(self) -> None:
        """Hang up. May be called twice."""
        self._capture.release()
