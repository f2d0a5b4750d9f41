"""Room on the disk that no message may take: without it, what was confirmed could not be put down, and the disk would stay full.

SQLite changes and removes by writing pages to its log, and empties the log by writing them to the database, which may have to grow for it. A
spool that had filled its disk by itself could do neither, although the broker had long taken everything; a restart sent all of it once
more. Called by the store, under its lock.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agent.spool.budget import cost_bytes
from agent.spool.soundness import log_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

    from agent.spool.record import LaneName

_MOST_BYTES = 1 << 20
_PART = 8
"""Of a small disk an eighth."""
_PAGE_BYTES = 4096
_ROWS_A_STEP = 16


@dataclass(frozen=True, slots=True)
class Usage:
    """How the disk stands, in bytes.

    Attributes:
        free: What is free on it.
        total: All of it.
        log: SQLite's log.
        unused: Pages of the database that hold nothing.
    """

    free: int
    total: int
    log: int
    unused: int = 0

    def is_enough(self, payload_bytes: int) -> bool:
        """Whether so much may be written or removed, and the log emptied into the database after it, with the reserve left."""
        cost = cost_bytes(payload_bytes)
        return self.free >= cost // 2 and self.free + self.unused >= self.log + cost + self._reserve

    @property
    def is_log_large(self) -> bool:
        """Whether the log takes so much of the reserve that it should be emptied, although that takes a few fsyncs."""
        return self.log > self._reserve // 4

    @property
    def _reserve(self) -> int:
        return min(_MOST_BYTES, self.total // _PART)


class Reserve:
    """One thread at a time, outside of a transaction. Every method may raise `sqlite3.Error` and `OSError`."""

    def __init__(self, path: Path, db: sqlite3.Connection, lanes: Sequence[LaneName]) -> None:
        """Store.

        Args:
            path: Of the spool's file.
            db: Open on it.
            lanes: Tables of messages.
        """
        self._folder, self._log = path.parent, log_of(path)
        self._db = db
        self._lanes = lanes

    def is_left(self, payload_bytes: int) -> bool:
        """See `Usage.is_enough`."""
        usage = self._usage()
        if usage.is_enough(payload_bytes):
            return True
        (pages,) = self._db.execute("PRAGMA freelist_count").fetchone()
        return replace(usage, unused=pages * _PAGE_BYTES).is_enough(payload_bytes)

    def _usage(self) -> Usage:
        disk = os.statvfs(self._folder)
        log = self._log.stat().st_size if self._log.exists() else 0
        return Usage(disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize, log)

    def restore(self, *, is_urgent: bool) -> None:
        """Empty the log, and remove what is confirmed in steps that need little room; unless urgent, only where the log is large."""
        if not is_urgent and not self._usage().is_log_large:
            return
        self._empty_log()
        for lane in self._lanes:
            confirmed = (
                f"SELECT id FROM {lane} WHERE id <= (SELECT cursor FROM lane WHERE name = ?) ORDER BY id LIMIT ?"  # noqa: S608
            )
            step = f"DELETE FROM {lane} WHERE id IN ({confirmed})"  # noqa: S608 - names of ours
            while self._db.execute(step, (lane, _ROWS_A_STEP)).rowcount:
                self._empty_log()

    def _empty_log(self) -> None:
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
