"""What the sync remembers: floors that never fall, what it did, reports that nobody has taken yet. The one door to sqlite3 here.

`journal.db` in the sync's folder, SQLite with WAL and `synchronous=FULL`: what a method wrote is on the disk when it returns. One process at
a time, which `cloud_sync.device.turn` sees to. A file that is damaged is put aside and begun anew: floors are lost then, never the way on.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from cloud_sync.assignment import CounterFloor
from cloud_sync.atomic import sync_folder
from cloud_sync.device.times import read_time, written

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from typing_extensions import Self

NAME = "journal.db"
FOLDER = "sync"
"""Of a state directory: what is the sync's own."""
VERSION = 1
_SCHEMA = (
    # What was accepted of a subject under a key; `content` is the envelope of the last one.
    """CREATE TABLE floor (
    subject TEXT NOT NULL, keyid TEXT NOT NULL, counter INTEGER NOT NULL, sha256 TEXT NOT NULL, content BLOB NOT NULL,
    number INTEGER NOT NULL, PRIMARY KEY (subject, keyid)) WITHOUT ROWID""",
    "CREATE TABLE step (id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, what TEXT NOT NULL, detail TEXT NOT NULL)",
    "CREATE TABLE bad_patch (id INTEGER PRIMARY KEY AUTOINCREMENT, sha256 TEXT NOT NULL UNIQUE)",
    "CREATE TABLE report (number INTEGER PRIMARY KEY, content BLOB NOT NULL)",
    "CREATE TABLE told (id INTEGER PRIMARY KEY AUTOINCREMENT, sha256 TEXT NOT NULL UNIQUE)",
    "CREATE TABLE value (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    f"PRAGMA user_version = {VERSION}",
)
_SETTINGS = ("journal_mode = WAL", "synchronous = FULL", "journal_size_limit = 1048576", "temp_store = MEMORY")
_VFS = "unix-excl"
"""As in the spool: a log whose index is mapped from a full disk ends a process by SIGBUS."""
_BUSY_S = 5.0
MOST_STEPS = 1000
MOST_BAD_PATCHES = 1000
MOST_TOLD = 1000
MOST_REPORTS = 100
MOST_FLOORS = 200
"""Of all subjects together; the oldest are forgotten first."""


class Journal:
    """One connection, one thread. `with Journal.open(folder) as journal:`. Every method may raise sqlite3.Error."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.was_damaged = False

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The journal of a folder; made where there is none, begun anew where it is damaged.

        Raises:
            OSError: It cannot be written.
            sqlite3.Error: Likewise, or it is of a later version.
        """
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / NAME
        was_damaged = path.exists() and not _is_sound(path)
        if was_damaged:
            _put_aside(path)
        if not path.exists():
            _make(path)
        journal = cls(_connected(path))
        journal.was_damaged = was_damaged
        return journal

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """May be called twice."""
        self._db.close()

    # -- floors -------------------------------------------------------------------------------------------------------------------

    def floors(self, subject: str) -> list[CounterFloor]:
        """What was accepted of a subject, one a key."""
        rows = self._db.execute("SELECT keyid, counter, sha256 FROM floor WHERE subject = ?", (subject,))
        return [CounterFloor(*row) for row in rows]

    def last_accepted(self, subject: str) -> bytes | None:
        """The assignment that was accepted last, as it came; to be judged again before it is followed."""
        row = self._db.execute(
            "SELECT content FROM floor WHERE subject = ? ORDER BY number DESC LIMIT 1", (subject,)
        ).fetchone()
        return bytes(row[0]) if row else None

    def raise_floor(self, subject: str, floor: CounterFloor, content: bytes) -> None:
        """Remember what was accepted. Repeating it writes nothing."""
        known = self._db.execute(
            "SELECT counter, sha256 FROM floor WHERE subject = ? AND keyid = ?", (subject, floor.keyid)
        ).fetchone()
        if known == (floor.counter, floor.sha256):
            return
        with self._transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO floor VALUES (?, ?, ?, ?, ?, (SELECT ifnull(max(number), 0) + 1 FROM floor))",
                (subject, floor.keyid, floor.counter, floor.sha256, content),
            )
            self._db.execute(
                "DELETE FROM floor WHERE number <= (SELECT max(number) FROM floor) - ?",
                (MOST_FLOORS,),
            )

    def clock_floor(self, timestamp_keys: str) -> datetime | None:
        """The latest verified time that was seen while the registry's timestamp was signed by these keys.

        One that was seen under other keys counts for nothing: who had stolen them may have set it to where everything has expired.
        """
        known = json.loads(self.value("clock_floor") or "null")
        if known is None or known["keys"] != timestamp_keys:
            return None
        return read_time(known["at"])

    def raise_clock_floor(self, at: datetime, timestamp_keys: str) -> None:
        """It never falls while the keys stay."""
        known = self.clock_floor(timestamp_keys)
        if known is None or at > known:
            self.set_value("clock_floor", json.dumps({"at": written(at), "keys": timestamp_keys}))

    # -- what was done ------------------------------------------------------------------------------------------------------------

    def note(self, what: str, **detail: object) -> None:
        """A step that was done, for whoever asks why. The last `MOST_STEPS` stay."""
        at = written(datetime.now(timezone.utc))
        with self._transaction():
            self._db.execute("INSERT INTO step (at, what, detail) VALUES (?, ?, ?)", (at, what, json.dumps(detail)))
            self._db.execute("DELETE FROM step WHERE id <= (SELECT max(id) FROM step) - ?", (MOST_STEPS,))

    def steps(self) -> list[dict[str, Any]]:
        """What was noted, the first one first."""
        rows = self._db.execute("SELECT at, what, detail FROM step ORDER BY id")
        return [{"at": at, "what": what, **json.loads(detail)} for at, what, detail in rows]

    def is_bad_patch(self, sha256: str) -> bool:
        """Whether a patch did not make what it should."""
        return self._db.execute("SELECT 1 FROM bad_patch WHERE sha256 = ?", (sha256,)).fetchone() is not None

    def note_bad_patch(self, sha256: str) -> None:
        """So that nobody pays for it twice."""
        with self._transaction():
            self._db.execute("INSERT OR IGNORE INTO bad_patch (sha256) VALUES (?)", (sha256,))
            self._db.execute(
                "DELETE FROM bad_patch WHERE id <= (SELECT max(id) FROM bad_patch) - ?", (MOST_BAD_PATCHES,)
            )

    # -- reports ------------------------------------------------------------------------------------------------------------------

    def add_report(self, number: int, content: bytes, told: list[str], values: Mapping[str, str]) -> None:
        """Keep a report until it is taken, at most `MOST_REPORTS` of them.

        Args:
            number: Its number; the next one is higher.
            content: As it is sent.
            told: sha256 of the events in it, which are not told again.
            values: What else to remember, in the same breath.
        """
        with self._transaction():
            self._db.execute("INSERT INTO report VALUES (?, ?)", (number, content))
            self._db.execute(
                "DELETE FROM report WHERE number NOT IN (SELECT number FROM report ORDER BY number DESC LIMIT ?)",
                (MOST_REPORTS,),
            )
            self._db.executemany("INSERT OR IGNORE INTO told (sha256) VALUES (?)", ((sha256,) for sha256 in told))
            self._db.execute("DELETE FROM told WHERE id <= (SELECT max(id) FROM told) - ?", (MOST_TOLD,))
            self._set("report_number", str(number))
            for name, value in values.items():
                self._set(name, value)

    def reports(self) -> list[tuple[int, bytes]]:
        """Those that nobody has taken, by number."""
        return [(n, bytes(content)) for n, content in self._db.execute("SELECT * FROM report ORDER BY number")]

    def drop_report(self, number: int) -> None:
        """It was taken, or never will be."""
        with self._transaction():
            self._db.execute("DELETE FROM report WHERE number = ?", (number,))

    def was_told(self, sha256: str) -> bool:
        """Whether an event is in a report already."""
        return self._db.execute("SELECT 1 FROM told WHERE sha256 = ?", (sha256,)).fetchone() is not None

    # -- single values ------------------------------------------------------------------------------------------------------------

    def value(self, name: str) -> str | None:
        """What was remembered under a name."""
        row = self._db.execute("SELECT value FROM value WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_value(self, name: str, value: str) -> None:
        """Remember it. Repeating it writes nothing."""
        if self.value(name) != value:
            with self._transaction():
                self._set(name, value)

    def _set(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO value VALUES (?, ?)", (name, value))

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):  # the fault that brought us here is the one to tell
                self._db.execute("ROLLBACK")
            raise


def last_outcome(folder: Path) -> dict[str, Any] | None:
    """What the last sync ended with, for whoever asks while no agent runs; None where that cannot be had now."""
    path = folder / NAME
    if not path.exists():
        return None
    try:
        with contextlib.closing(_connected(path)) as db:
            row = db.execute("SELECT value FROM value WHERE name = 'outcome'").fetchone()
            return dict(json.loads(row[0])) if row else None
    except (sqlite3.Error, ValueError, TypeError):
        return None


def _connected(path: Path) -> sqlite3.Connection:
    address = f"{path.absolute().as_uri()}?vfs={_VFS}"
    db = sqlite3.connect(address, uri=True, timeout=_BUSY_S, isolation_level=None)
    try:
        for setting in _SETTINGS:
            db.execute(f"PRAGMA {setting}")
    except BaseException:
        db.close()
        raise
    return db


def _is_sound(path: Path) -> bool:
    """Whether the file can be read as a journal of ours.

    Raises:
        sqlite3.Error: It is of a later version, or cannot be used now.
    """
    try:
        with contextlib.closing(_connected(path)) as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            (check,) = db.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError:
        raise  # locked or full: nothing that a new file would make better
    except sqlite3.DatabaseError:
        return False
    if version > VERSION:
        raise sqlite3.NotSupportedError(f"{path} is of version {version}, this program knows {VERSION}")
    return bool(version == VERSION and check == "ok")


def _put_aside(path: Path) -> None:
    """For whoever wants to look at it; the one before is given up."""
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.replace(path.with_name(f"{path.name}.damaged"))


def _make(path: Path) -> None:
    """With its tables, and only then under its name: an empty file there is a damaged one."""
    draft = path.with_name(f"{path.name}.new")
    for rest in (draft.name, f"{draft.name}-wal", f"{draft.name}-journal", f"{path.name}-wal"):
        path.with_name(rest).unlink(missing_ok=True)
    with contextlib.closing(_connected(draft)) as db:
        db.execute("BEGIN IMMEDIATE")
        for statement in _SCHEMA:
            db.execute(statement)
        db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    draft.replace(path)
    sync_folder(path.parent)
