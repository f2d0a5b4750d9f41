"""What was asked and what became of it, as JSON lines in the state directory. One thread, the desk's.

A command that is obeyed stands there before it is, and again when it is done, each on the disk before anything else happens: one that
takes the agent with it is a `begun` without an end. A refused one is written without waiting for the disk.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NAME = "commands.jsonl"
PREDECESSOR = "commands.1.jsonl"
_SHOWN = 200


class Audit:
    """Appends; a file that has reached its size becomes the predecessor, and the one before goes."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """Store.

        Args:
            folder: The state directory.
            max_bytes: Of one file.
        """
        self._path = folder / NAME
        self._predecessor = folder / PREDECESSOR
        self._max_bytes = max_bytes

    def write(self, record: Mapping[str, object], *, durable: bool) -> None:
        """Append one line.

        Args:
            record: What JSON can say.
            durable: Wait until it is on the disk.

        Raises:
            OSError: It could not be written.
        """
        line = json.dumps(record, allow_nan=False).encode("ascii") + b"\n"
        fd = self._open(len(line))
        try:
            size = os.fstat(fd).st_size
            if size and os.pread(fd, 1, size - 1) != b"\n":  # the power went while the last line was written
                line = b"\n" + line
            if os.write(fd, line) != len(line):
                raise OSError(0, "only a part of the line was written", str(self._path))
            if durable:
                os.fsync(fd)
                if size == 0:
                    _sync_folder(self._path.parent)
        finally:
            os.close(fd)

    def _open(self, more: int) -> int:
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        size = os.fstat(fd).st_size
        if size == 0 or size + more <= self._max_bytes:
            return fd
        os.close(fd)
        self._path.replace(self._predecessor)
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def _sync_folder(folder: Path) -> None:
    """So that a new file is still there after a loss of power."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def excerpt(payload: bytes) -> str:
    """The beginning of what a stranger sent, in printable ASCII."""
    shown = payload[:_SHOWN].decode("ascii", "backslashreplace")
    printable = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in shown)
    return printable if len(payload) <= _SHOWN else f"{printable}... ({len(payload)} bytes)"
