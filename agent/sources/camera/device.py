"""V4L2 cameras: USB, CSI and capture cards under /dev."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import cv2

from agent.core.errors import SourceUnavailable
from agent.sources.camera.address import device_path
from agent.sources.opencv import arrived, silence

if TYPE_CHECKING:
    from agent.core.frames import Frame
    from agent.core.messages import CaptureClock
    from agent.sources.camera.settings import CameraSettings

_PLAUSIBLE_NS = 1_000_000_000


class DeviceSource:
    """One V4L2 device, for as long as it is plugged in."""

    period_s: float | None = None

    def __init__(self, settings: CameraSettings) -> None:
        self._settings = settings
        self._path = device_path(settings.url)
        self._capture = cv2.VideoCapture()
        self.captured_at_from: CaptureClock = "arrival"

    def open(self) -> None:
        """Open the device and ask the driver for what the settings wish.

        Raises:
            SourceUnavailable: It is not plugged in, must not be used, is in use, or is no camera.
        """
        silence()
        if not Path(self._path).exists():
            raise SourceUnavailable(
                f"{self._path} is not there", hint=f"plug it in; cameras that are there: {_present_devices()}"
            )
        if not os.access(self._path, os.R_OK | os.W_OK):
            raise SourceUnavailable(f"{self._path} must not be used", hint="add the agent's user to the group video")
        self._capture = cv2.VideoCapture(self._path, cv2.CAP_V4L2)
        if not self._capture.isOpened():
            raise SourceUnavailable(
                f"{self._path} is in use, or is no camera",
                hint=f"who has it: fuser {self._path}; what it can: v4l2-ctl -d {self._path} --all",
            )
        self._ask(self._capture)

    def _ask(self, capture: cv2.VideoCapture) -> None:
        """Hints: a driver takes the nearest it can. The pixel format comes first, it decides on sizes and rates."""
        wishes = self._settings
        if wishes.fourcc is not None:
            capture.set(cv2.CAP_PROP_FOURCC, int.from_bytes(wishes.fourcc.encode(), "little"))
        if wishes.width is not None:
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, wishes.width)
        if wishes.height is not None:
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, wishes.height)
        if wishes.fps is not None:
            capture.set(cv2.CAP_PROP_FPS, wishes.fps)

    def read(self, index: int) -> Frame:
        """The next frame, with the driver's time where it gives one.

        Raises:
            SourceUnavailable: The device was unplugged or stopped.
        """
        good, pixels = self._capture.read()
        if not good:
            raise SourceUnavailable(f"{self._path} gives no more frames", hint="is it still plugged in?")
        age_ns = driver_age_ns(self._capture.get(cv2.CAP_PROP_POS_MSEC), time.monotonic_ns())
        self.captured_at_from = "arrival" if age_ns is None else "driver"
        return arrived(pixels, index, age_ns=age_ns or 0)

    def close(self) -> None:
        """Let the device go. May be called twice."""
        self._capture.release()


def driver_age_ns(buffer_ms: float, monotonic_ns: int) -> int | None:
    """How long ago the driver filled a buffer. The wall clock has no part in it, so that its jumps make no verdict late.

    Most drivers stamp buffers with the monotonic clock (V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC); some give zero or a clock of
    their own. What does not lie within the last second is not believed.

    Args:
        buffer_ms: The buffer's time in milliseconds.
        monotonic_ns: The monotonic clock now.

    Returns:
        Nanoseconds, or None.
    """
    age_ns = monotonic_ns - round(buffer_ms * 1e6)
    return age_ns if 0 <= age_ns < _PLAUSIBLE_NS else None


def _present_devices(folder: Path = Path("/dev")) -> str:
    """The V4L2 devices that are there, by number, as words for a hint."""
    numbers = sorted(int(path.name[5:]) for path in folder.glob("video*") if path.name[5:].isdecimal())
    return ", ".join(f"{folder}/video{number}" for number in numbers) or "none"
