"""H.264 clips made by ffmpeg from one photograph, kept from run to run."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from benchmarks.harness import processes

CACHE = Path(__file__).parent.parent / ".cache"
_MAKE_S = 300.0


class Size(NamedTuple):
    """Pixels."""

    width: int
    height: int


P480 = Size(640, 480)
P1080 = Size(1920, 1080)
SMALL = Size(320, 240)


def moving(photo: Path, size: Size, *, seconds: float = 20, rate: float = 30) -> Path:
    """A pan over the photograph with a little noise, a key frame each second. 600 frames by default."""
    wide, high = int(size.width * 1.2) // 2 * 2, int(size.height * 1.2) // 2 * 2
    pan = (
        f"scale={wide}:{high},crop={size.width}:{size.height}"
        f":x='(iw-ow)*t/{seconds:g}':y='(ih-oh)*t/{seconds:g}',noise=alls=4:allf=t"
    )
    return _make(f"moving-{size.width}x{size.height}-{seconds:g}s-{rate:g}fps", photo, pan, seconds, rate)


def still(photo: Path, size: Size, *, seconds: float = 20, rate: float = 30) -> Path:
    """The photograph, motionless and without noise."""
    return _make(
        f"still-{size.width}x{size.height}-{seconds:g}s-{rate:g}fps",
        photo,
        f"scale={size.width}:{size.height}",
        seconds,
        rate,
    )


def _make(name: str, photo: Path, filters: str, seconds: float, rate: float) -> Path:
    clip = CACHE / f"{name}.mp4"
    if clip.exists():
        return clip
    CACHE.mkdir(exist_ok=True)
    unfinished = CACHE / f"{name}.part.mp4"
    encoding = ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-g", str(max(1, round(rate)))]
    command: list[str | Path] = [
        "ffmpeg",
        "-v",
        "error",
        "-y",
        "-loop",
        "1",
        "-framerate",
        f"{rate:g}",
        "-i",
        photo,
        "-t",
        f"{seconds:g}",
    ]
    processes.run([*command, "-vf", filters, *encoding, unfinished], _MAKE_S, what="ffmpeg")
    return unfinished.replace(clip)
