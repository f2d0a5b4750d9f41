"""Damage that SQLite passes over without a word, found by looking at the files before it opens them.

It takes an empty file for a new database and removes the log beside it, and leaves out a log whose header it does not know. Called by the
spool before it opens its file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.spool.faults import SpoolCorrupt

if TYPE_CHECKING:
    from pathlib import Path

_HINT = "it is moved aside, and a new one is begun"
_LOG_MAGIC = (0x377F0682, 0x377F0683)
"""SQLite, "WAL File Format": the first four bytes, by the byte order of its checksums."""
_LOG_HEADER_BYTES = 32


def log_of(path: Path) -> Path:
    """Where SQLite keeps what was committed last."""
    return path.with_name(f"{path.name}-wal")


def look(path: Path) -> None:
    """Look at the spool's files; nothing is changed.

    Raises:
        SpoolCorrupt: They are not as an agent leaves them, even one that was killed or lost its power.
        OSError: They cannot be looked at.
    """
    log = log_of(path)
    log_head = _head(log, _LOG_HEADER_BYTES)
    if path.is_dir():
        raise SpoolCorrupt(f"{path} is damaged: it is a folder", hint=_HINT)
    if path.exists() and not path.stat().st_size:
        raise SpoolCorrupt(f"{path} is damaged: it is empty", hint=_HINT)
    if log_head and not path.exists():
        raise SpoolCorrupt(f"{path} is damaged: it is gone, and its log is there", hint=_HINT)
    if any(log_head) and int.from_bytes(log_head[:4], "big") not in _LOG_MAGIC:
        raise SpoolCorrupt(f"{path} is damaged: its log {log.name} is none", hint=_HINT)


def _head(path: Path, size: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(size)
    except FileNotFoundError:
        return b""
