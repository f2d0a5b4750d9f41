"""What a spool holds, read from a copy, as somebody would who finds the device after a power cut."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.evidence import Key


@dataclass(frozen=True)
class Rows:
    """The event lane of a spool.

    Attributes:
        owed: Events that the broker has not confirmed.
        announced: Events in whose place a gap is owed.
    """

    owed: frozenset[Key] = frozenset()
    announced: frozenset[Key] = frozenset()


def read_rows(state_dir: Path) -> Rows:
    """The rows of a spool that nobody has open; the original is not touched. Where there is no file yet, there are none.

    Raises:
        AssertionError: SQLite finds it damaged.
    """
    if not (state_dir / "spool.db").exists():
        return Rows()
    with tempfile.TemporaryDirectory(prefix="lineside-test-spool-") as folder:
        for name in ("spool.db", "spool.db-wal"):
            if (state_dir / name).exists():
                shutil.copy(state_dir / name, folder)
        with closing(sqlite3.connect(Path(folder) / "spool.db")) as base:
            if not base.execute("SELECT 1 FROM sqlite_master WHERE name = 'event'").fetchone():
                return Rows()  # killed before its tables were made
            said = base.execute("PRAGMA integrity_check").fetchone()[0]
            assert said == "ok", f"the spool is damaged: {said}"
            found = base.execute("SELECT cursor FROM lane WHERE name = 'event'").fetchone()
            rows = base.execute(
                "SELECT session, pipeline, first, last, reason FROM event WHERE id > ?", (found[0] if found else -1,)
            ).fetchall()
    owed, announced = set(), set()
    for session, pipeline, first, last, reason in rows:
        (owed if reason is None else announced).update((session, pipeline, number) for number in range(first, last + 1))
    return Rows(frozenset(owed), frozenset(announced))
