"""Writing what a committed change has queued. Doing it twice is the same as doing it once."""

from __future__ import annotations

import contextlib
import os
import time
from glob import escape
from typing import TYPE_CHECKING

from cloud_sync.atomic import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta
    from pathlib import Path


def write_all(public: Path, files: Iterable[tuple[str, bytes]]) -> None:
    """Write files one after the other, each durable before the next one begins.

    Raises:
        OSError: One could not be written; those before it are, those after it are not.
    """
    for path, content in files:
        target = public / path
        make_folder(target.parent)
        write_atomically(target, content)


def remove_leftovers(public: Path, files: Iterable[tuple[str, bytes]]) -> None:
    """What `write_atomically` leaves behind when it is killed."""
    for path, _ in files:
        target = public / path
        for temporary in target.parent.glob(f".{escape(target.name)}.*.partial"):
            temporary.unlink(missing_ok=True)


def remove_abandoned(folder: Path, public: Path, after: timedelta) -> None:
    """Parts of files that nobody has written to for so long. By the clock of the file system, which has stamped them."""
    places = [
        folder / "uploads",
        *(public / place for place in ("blobs/sha256", "deltas/sha256", "metadata", "assignments")),
    ]
    for place in places:
        for path in place.glob("*.partial"):
            with contextlib.suppress(FileNotFoundError):  # somebody has finished it
                if time.time() - path.stat().st_mtime > after.total_seconds():
                    path.unlink()


def make_folder(folder: Path) -> None:
    """Make a folder and those above it; each is still there after a loss of power."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Names in it are durable after this."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
