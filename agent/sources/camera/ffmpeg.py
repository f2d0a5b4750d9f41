"""The ffmpeg program of this machine: where it is, and how old."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import lru_cache

from agent.core.errors import SourceUnavailable

_VERSION = re.compile(r"ffmpeg version n?(\d+)\.(\d+)")
_NEWEST = (1000, 0)
"""Builds from FFmpeg's repository have no number."""
_ASKED_FOR_S = 10.0


def ffmpeg_path() -> str | None:
    """The program on the PATH, or None."""
    return shutil.which("ffmpeg")


def require_ffmpeg() -> str:
    """The program on the PATH.

    Raises:
        SourceUnavailable: There is none; it may be installed while the agent runs.
    """
    path = ffmpeg_path()
    if path is None:
        raise SourceUnavailable(
            'decode = "scaled" needs the ffmpeg program, which is not on the PATH',
            hint='install ffmpeg, or set decode = "full"',
        )
    return path


def version_of(said: str) -> tuple[int, int]:
    """Major and minor number in what `ffmpeg -version` says; a build without a number counts as the newest."""
    match = _VERSION.match(said)
    return (int(match[1]), int(match[2])) if match else _NEWEST


@lru_cache(maxsize=4)
def version(path: str) -> tuple[int, int]:
    """Major and minor number of a program; it is run once.

    Raises:
        SourceUnavailable: It does not run.
    """
    try:
        done = subprocess.run(
            [path, "-version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=_ASKED_FOR_S, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise SourceUnavailable(f"{path} does not run: {error}", hint="reinstall ffmpeg") from error
    return version_of(done.stdout.decode(errors="replace"))
