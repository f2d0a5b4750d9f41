"""Writing what a committed change has queued. Doing it twice is the same as doing it once."""

from __future__ import annotations

import os
from glob import escape
from typing import TYPE_CHECKING

from cloud_sync.atomic import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable
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


def make_folder(folder: Path) -> None:
    """Make a folder and those above it; each is still there after a loss of power."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    descriptor = os.open(folder.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
