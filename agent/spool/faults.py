"""What may be wrong with the spool's file: a full or read-only disk passes, a damaged file never does."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, ClassVar

from agent.core.errors import BadData, BadWire

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_DAMAGED = ("malformed", "not a database", "no such table", "no such column", "has no column")
"""Words of SQLite for a file that will not get better (SQLite, "Result and Error Codes": CORRUPT, NOTADB)."""


class SpoolUnwritable(BadWire):
    """The disk is full, read-only, or fails; events stay in memory until it is well again."""

    code: ClassVar[str] = "spool-unwritable"


class SpoolCorrupt(BadData):
    """The file is damaged; it is moved aside and a new one begun."""

    code: ClassVar[str] = "spool-corrupt"


@contextlib.contextmanager
def named(path: Path) -> Iterator[None]:
    """Faults of SQLite and of the disk, in our words.

    Raises:
        SpoolCorrupt: The file is damaged.
        SpoolUnwritable: It cannot be used now.
    """
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        text = str(error)
        is_damaged = isinstance(error, sqlite3.DatabaseError) and any(word in text for word in _DAMAGED)
        if is_damaged:
            raise SpoolCorrupt(
                f"{path} is damaged: {text}", hint="it is moved aside, and a new one is begun"
            ) from error
        raise SpoolUnwritable(
            f"{path} cannot be written: {text}", hint="is the disk full, read-only or failing? df -h, dmesg"
        ) from error
