"""What cameras and folders share of OpenCV: its own talk is silenced, and a picture becomes a frame."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, cast

import cv2

from agent.core.frames import Frame

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_OPENCV_SILENT = 0
_FFMPEG_QUIET = "-8"


def silence() -> None:
    """Keep OpenCV and FFmpeg from writing to stderr on each failed try: the runner says it once, in our words.

    Whoever looks for a fault sets OPENCV_LOG_LEVEL or OPENCV_FFMPEG_LOGLEVEL, which then hold.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", _FFMPEG_QUIET)
    if "OPENCV_LOG_LEVEL" not in os.environ:
        # OpenCV 4 has it on top, OpenCV 5 in a module of its own
        set_level = getattr(cv2, "setLogLevel", None) or cv2.utils.logging.setLogLevel
        set_level(_OPENCV_SILENT)


def frame_size(capture: cv2.VideoCapture) -> tuple[int, int]:
    """Width and height of the frames of an open capture, as they are told; zeros where they are not."""
    return int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))


def arrived(pixels: cv2.typing.MatLike, index: int, *, file: str | None = None, age_ns: int = 0) -> Frame:
    """The frame that has just been decoded.

    Args:
        pixels: uint8, [height, width, 3] BGR or [height, width] gray; not copied, and nobody else may write to it.
        index: Number of the frame in its source.
        file: Name of the picture, for folders.
        age_ns: How long ago the driver took the picture, by the monotonic clock; 0 where it does not say.
    """
    return Frame(
        pixels=cast("npt.NDArray[np.uint8]", pixels),
        index=index,
        captured_ns=time.time_ns() - age_ns,
        handed_over_ns=time.perf_counter_ns(),
        age_ns=age_ns,
        file=file,
    )
