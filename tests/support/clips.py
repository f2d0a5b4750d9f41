"""Videos, GIFs and pictures that the tests make themselves; frame k is uniformly gray with a value that tells k."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import cv2
import numpy as np
from deadlines import LONG_S

if TYPE_CHECKING:
    from pathlib import Path

WIDTH, HEIGHT = 96, 64
STEP = 8


def gray_of(number: int) -> int:
    """Brightness of frame `number`; neighbours differ by more than compression changes."""
    return 16 + STEP * (number % 28)


def number_of(pixels: np.ndarray) -> int:
    """Which of the first 28 frames this picture is."""
    return round((float(pixels.mean()) - 16) / STEP)


def picture(number: int) -> np.ndarray:
    """Frame `number`, uint8 [HEIGHT, WIDTH, 3]."""
    return np.full((HEIGHT, WIDTH, 3), gray_of(number), np.uint8)


def write_video(path: Path, count: int, fps: float = 25.0) -> Path:
    """An MP4 (MPEG-4 part 2) of `count` frames, written by OpenCV."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), fps, (WIDTH, HEIGHT))
    for number in range(count):
        writer.write(picture(number))
    writer.release()
    return path


def write_with_ffmpeg(path: Path, count: int, *options: str, fps: float = 25.0) -> Path:
    """A video of `count` frames in the format that `path` ends with, such as `.gif` or `.mkv`, by the ffmpeg command."""
    raw = b"".join(picture(number).tobytes() for number in range(count))
    source = ["-f", "rawvideo", "-pix_fmt", "bgr24", "-s", f"{WIDTH}x{HEIGHT}", "-r", str(fps), "-i", "-"]
    subprocess.run(["ffmpeg", "-v", "error", "-y", *source, *options, str(path)], input=raw, timeout=LONG_S, check=True)
    return path


def write_pictures(folder: Path, count: int, extension: str = "png") -> Path:
    """A folder of `count` pictures, part-000 and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        assert cv2.imwrite(str(folder / f"part-{number:03d}.{extension}"), picture(number))
    return folder
