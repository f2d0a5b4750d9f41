"""The spool's file: one SQLite database in the state directory. The one door to sqlite3; knows nothing of brokers and threads' reasons.

Two tables of messages, `event` and `backlog`, one of `quarantine`, and one row a lane: up to which id all is confirmed (`cursor`), and
how much waits. Accepted messages are committed with an fsync (`synchronous=FULL`). That a message was confirmed is committed
without one: after a power cut it may be sent once more, and a killed agent loses nothing of it.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from dataclasses import dataclass, field
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from agent.spool.faults import SpoolCorrupt, SpoolUnwritable, named
from agent.spool.record import LaneName, Record
from agent.spool.reserve import Reserve

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

VERSION = 1
NAME = "spool.db"
LANES: tuple[LaneName, ...] = ("event", "backlog")
_MESSAGE_COLUMNS = "id, at_s, pipeline, session, first, last, decision, reason, payload"
_MESSAGE = """(
    id INTEGER PRIMARY KEY, at_s REAL NOT NULL, pipeline TEXT NOT NULL, session TEXT NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL, decision TEXT, reason TEXT, payload BLOB NOT NULL)"""
_ROW = attrgetter(*_MESSAGE_COLUMNS.split(", "))
_PLACES = "(?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ROWS_A_STATEMENT = (100, 10, 1)
"""Python lets go of the GIL for each statement, and may wait 5 ms to have it again: with one row each, a busy pipeline starved the
writer (200 rows/s). 900 values are what every SQLite takes (SQLITE_MAX_VARIABLE_NUMBER)."""
_SCHEMA = (
    f"CREATE TABLE event {_MESSAGE}",
    f"CREATE TABLE backlog {_MESSAGE}",
    """CREATE TABLE quarantine (
    id INTEGER PRIMARY KEY, since TEXT NOT NULL, lane TEXT NOT NULL, pipeline TEXT NOT NULL, session TEXT NOT NULL,
    first INTEGER NOT NULL, decision TEXT, tries INTEGER NOT NULL, why TEXT NOT NULL, payload BLOB NOT NULL)""",
    """CREATE TABLE lane (
    name TEXT PRIMARY KEY, cursor INTEGER NOT NULL, last_id INTEGER NOT NULL, count INTEGER NOT NULL,
    bytes INTEGER NOT NULL, clock_s REAL NOT NULL) WITHOUT ROWID""",
    "INSERT INTO lane VALUES ('event', 0, 0, 0, 0, 0.0), ('backlog', 0, 0, 0, 0, 0.0)",
    f"PRAGMA user_version = {VERSION}",
)
_SETTINGS = ("journal_mode = WAL", "journal_size_limit = 4194304", "cache_size = -1024", "temp_store = MEMORY")
_VFS = "unix-excl"
"""The index of the log is in memory, not in a `-shm` that is mapped from the disk: when that is full or fails, a look at the map is SIGBUS
(seen on ext4 with blocks of 1 kB, which is what small partitions have). Others must ask the agent, as `lineside spool` does. Not
`locking_mode = EXCLUSIVE`: SQLite 3.40 then lost what was committed around an fsync that had failed, in one of 30 runs of
`tests/faults/test_disk_errors.py`."""
_SHRINK_BYTES = 8 << 20
"""An empty file that is larger is made small at the next start."""
_PURGE_BYTES = 512 << 10
"""What is removed in one go, about."""
_FULL_HINT = "make room on it, or lower spool.max_bytes: df -h"
_BUSY_S = 5.0
"""How long another process, such as `lineside spool`, may hold the file."""


@dataclass(slots=True)
class LaneState:
    """What the file says of a lane.

    Attributes:
        cursor: Everything up to this id is confirmed.
        last_id: Highest id that was ever given.
        count: Messages and gaps beyond the cursor.
        size_bytes: What they count against the bound.
        clock_s: The spool's clock when this was written.
    """

    cursor: int = 0
    last_id: int = 0
    count: int = 0
    size_bytes: int = 0
    clock_s: float = 0.0


@dataclass(slots=True)
class Change:
    """What is committed at once for a lane.

    Attributes:
        lane: Which.
        state: After the change.
        put: Messages and gaps to write; one that is there is replaced.
        removed: Ids to remove.
        purge: Remove also what lies up to the cursor.
    """

    lane: LaneName
    state: LaneState
    put: Sequence[Record] = ()
    removed: Sequence[int] = field(default_factory=list)
    purge: bool = False


class Store:
    """One connection, one lock; any thread. Every method may raise the faults of `agent.spool.faults`."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it.

        Raises:
            SpoolCorrupt: It is no database, or a damaged one.
            SpoolUnwritable: It cannot be opened for writing, or it is of a later version.
        """
        self.path = path
        self._lock = threading.Lock()
        with named(path):
            if not path.exists():
                new_file(path.with_name(f"{path.name}.new")).replace(path)
            self._db = _connected(path)
            try:
                self._set_up()
                # SQLite does so too, and does not say when it fails.
                _sync_folder(path.parent)
            except BaseException:
                self._db.close()
                raise
            self._file = _identity(path)
        self._reserve = Reserve(path, self._db, LANES)

    def _set_up(self) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise SpoolUnwritable(
                f"{self.path} is of version {version}, this agent knows {VERSION}",
                hint="start the newer agent, or move the file aside: what it holds would not be sent",
            )
        with self._transaction(durable=True):
            pass  # whether it can be written at all
        self.states = {lane: self.state(lane) for lane in LANES}
        (held,) = self._db.execute("SELECT count(*) FROM quarantine").fetchone()
        is_empty = not held and not any(state.count for state in self.states.values())
        if is_empty and self.path.stat().st_size > _SHRINK_BYTES:
            for lane in LANES:
                self._db.execute(f"DELETE FROM {lane}")  # noqa: S608 - a name of ours
            self._db.execute("VACUUM")

    def state(self, lane: LaneName) -> LaneState:
        """What the file says of a lane now; `states` is what it said when it was opened."""
        row = self._db.execute(
            "SELECT cursor, last_id, count, bytes, clock_s FROM lane WHERE name = ?", (lane,)
        ).fetchone()
        if row is None:
            raise SpoolCorrupt(f"{self.path} has no lane {lane}")
        return LaneState(*row)

    def commit(self, changes: Sequence[Change], *, durable: bool) -> None:
        """Write changes of lanes, all or none.

        Args:
            changes: One a lane at most.
            durable: Come back only when it is on the disk for good.
        """
        with self._lock, named(self.path):
            if _identity(self.path) != self._file:
                raise SpoolCorrupt(f"{self.path} was removed or replaced", hint="who works in the state directory?")
            self._write(changes, durable=durable)

    def try_commit(self, change: Change) -> bool:
        """Write a change without waiting for the disk; False if somebody else is writing."""
        if not self._lock.acquire(blocking=False):
            return False
        try:
            with named(self.path):
                self._write([change], durable=False)
        finally:
            self._lock.release()
        return True

    def _write(self, changes: Sequence[Change], *, durable: bool) -> None:
        """All changes, with the reserve of the disk left for what has to be put down later."""
        size_bytes = sum(record.size_bytes for change in changes for record in change.put)
        removed_bytes = sum(_PURGE_BYTES for change in changes if change.purge)
        grows = durable or size_bytes > 0
        is_roomy = self._reserve.is_left(size_bytes + removed_bytes)
        if not is_roomy:
            self._restore_reserve(is_urgent=grows)
            if grows and not self._reserve.is_left(size_bytes):
                raise SpoolUnwritable(f"{self.path} cannot be written: the disk is full", hint=_FULL_HINT)
        with self._transaction(durable=durable):
            for change in changes:
                self._apply(change, purge=change.purge and is_roomy)
        if removed_bytes and not is_roomy:
            self._restore_reserve(is_urgent=True)

    def _restore_reserve(self, *, is_urgent: bool) -> None:
        with contextlib.suppress(sqlite3.Error):  # whoever needs it will see that it is not there
            self._reserve.restore(is_urgent=is_urgent)

    def _apply(self, change: Change, *, purge: bool) -> None:
        db, lane, state = self._db, change.lane, change.state
        if change.removed:
            db.executemany(f"DELETE FROM {lane} WHERE id = ?", ((gone,) for gone in change.removed))  # noqa: S608
        for rows in _chunks(change.put):
            values = ", ".join([_PLACES] * len(rows))
            db.execute(
                f"INSERT OR REPLACE INTO {lane} ({_MESSAGE_COLUMNS}) VALUES {values}",  # noqa: S608
                list(chain.from_iterable(map(_ROW, rows))),
            )
        if purge:
            db.execute(f"DELETE FROM {lane} WHERE id <= ?", (state.cursor,))  # noqa: S608
        db.execute(
            "UPDATE lane SET cursor = ?, last_id = ?, count = ?, bytes = ?, clock_s = ? WHERE name = ?",
            (state.cursor, state.last_id, state.count, state.size_bytes, state.clock_s, lane),
        )

    def read(self, lane: LaneName, from_id: int, limit: int, *, decisions: Sequence[str | None] = ()) -> list[Record]:
        """Messages from `from_id` on, by rising id, at most `limit`.

        Args:
            lane: Which.
            from_id: The lowest id.
            limit: How many at most.
            decisions: Only those that decided so, and no gaps; all where there are none.
        """
        where, wanted = "id >= ?", list[Any]([from_id])
        if decisions:
            where += f" AND reason IS NULL AND ifnull(decision, '') IN ({', '.join('?' for _ in decisions)})"
            wanted += [decision or "" for decision in decisions]
        with self._lock, named(self.path):
            rows = self._db.execute(
                f"SELECT {_MESSAGE_COLUMNS} FROM {lane} WHERE {where} ORDER BY id LIMIT ?",  # noqa: S608
                (*wanted, limit),
            ).fetchall()
        return [_record(lane, row) for row in rows]

    def neighbours(self, record: Record) -> list[Record]:
        """The messages or gaps of the same pipeline right before and right behind one."""
        found = []
        with self._lock, named(self.path):
            for beyond, order in (("<", "DESC"), (">", "ASC")):
                row = self._db.execute(
                    f"SELECT {_MESSAGE_COLUMNS} FROM {record.lane} WHERE id {beyond} ? AND pipeline = ?"  # noqa: S608
                    f" ORDER BY id {order} LIMIT 1",
                    (record.id, record.pipeline),
                ).fetchone()
                found += [_record(record.lane, row)] if row else []
        return found

    @contextlib.contextmanager
    def editing(self) -> Iterator[sqlite3.Connection]:
        """The connection, inside a transaction that comes to disk or does not happen; for the quarantine."""
        with self._lock, named(self.path), self._transaction(durable=False):
            yield self._db

    @contextlib.contextmanager
    def _transaction(self, *, durable: bool) -> Iterator[None]:
        self._db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):  # the fault that brought us here is the one to tell
                self._db.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Close the file. May be called twice."""
        with self._lock, contextlib.suppress(sqlite3.Error):
            self._db.close()


def _record(lane: LaneName, row: Sequence[Any]) -> Record:
    number, at_s, pipeline, session, first, last, decision, reason, payload = row
    return Record(number, lane, pipeline, session, first, last, decision, bytes(payload), reason, at_s, is_late=True)


def _chunks(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    """Stretches of a few lengths, so that few statements have to be prepared."""
    begin = 0
    for length in _ROWS_A_STATEMENT:
        while len(records) - begin >= length:
            yield records[begin : begin + length]
            begin += length


def _connected(path: Path) -> sqlite3.Connection:
    address = f"{path.absolute().as_uri()}?vfs={_VFS}"
    db = sqlite3.connect(address, uri=True, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        for setting in _SETTINGS:
            db.execute(f"PRAGMA {setting}")
    except BaseException:
        db.close()
        raise
    return db


def new_file(draft: Path) -> Path:
    """Write a file with empty tables. It gets its name only then: an empty file under that name is a damaged one."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        draft.with_name(f"{draft.name}{suffix}").unlink(missing_ok=True)
    with contextlib.closing(_connected(draft)) as db:
        db.execute("PRAGMA synchronous = FULL")
        db.execute("BEGIN IMMEDIATE")
        for statement in _SCHEMA:
            db.execute(statement)
        db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return draft


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file is there, None for none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _sync_folder(folder: Path) -> None:
    """So that the new file's name is on the disk too."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
