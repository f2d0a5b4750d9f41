"""A damaged file is moved aside, and what can still be read of it is saved."""

from __future__ import annotations

import contextlib
import json
import shutil
from typing import TYPE_CHECKING

from agent.spool.faults import SpoolCorrupt, SpoolUnwritable, named
from agent.spool.store import LANES, Store, new_file

if TYPE_CHECKING:
    from pathlib import Path

    from agent.spool.record import LaneName, Record

_MOST = 10_000
"""Messages of a lane that are taken over; the rest stays in the file that was moved aside."""
_CHUNK = 100
_TRIES = 1000
"""Ids that cannot be read one after the other; then the end is reached, or nothing more will be found in reasonable time."""
_HICCUPS = 5
"""So often a row that the disk does not give is asked for; one that is damaged, once."""
_BESIDE = ("-wal", "-shm")
_PAGE_BYTES = 4096
_PAGE_COUNT = slice(28, 32)
"""SQLite, "Database File Format", 1.3: where it is zero, the size of the file says how many pages there are."""

Saved = dict["LaneName", "dict[int, Record]"]
"""By lane and id."""


def aside(path: Path) -> Path:
    """Where a damaged file goes; one is kept."""
    return path.with_name(f"{path.name}.damaged")


def move_aside(path: Path) -> None:
    """Move the file and its log, if they are there.

    Raises:
        OSError: They cannot be moved.
    """
    target = aside(path)
    for suffix in ("", *_BESIDE):
        old, new = path.with_name(path.name + suffix), target.with_name(target.name + suffix)
        if new.is_dir() and not new.is_symlink():
            shutil.rmtree(new)
        new.unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            old.replace(new)


def save_from_file(path: Path) -> Saved:
    """What can be read of a file that was moved aside; nothing if it is beyond help."""
    try:
        store = _opened(aside(path))
    except (SpoolCorrupt, SpoolUnwritable, OSError):
        return {lane: {} for lane in LANES}
    try:
        return save_from(store)
    finally:
        store.close()


def _opened(path: Path) -> Store:
    with contextlib.suppress(SpoolCorrupt):
        if path.exists() and path.stat().st_size:
            return Store(path)
    _mend_begin(path)
    return Store(path)


def _mend_begin(path: Path) -> None:
    """Give the file its first page again, and the tables' first pages if even those are missing: they are the same in each file."""
    fresh = new_file(path.with_name(f"{path.name}.new"))
    begin = bytearray(fresh.read_bytes())
    fresh.unlink()
    begin[_PAGE_COUNT] = bytes(4)
    with path.open("r+b" if path.exists() else "w+b") as file:
        file.write(begin[:_PAGE_BYTES])
        there = file.seek(0, 2)
        if there < len(begin):
            whole = there // _PAGE_BYTES * _PAGE_BYTES
            file.seek(whole)
            file.write(begin[whole:])


def save_from(store: Store) -> Saved:
    """All that waits and can be read, by rising id; what is damaged is passed over."""
    saved: Saved = {lane: {} for lane in LANES}
    for lane in LANES:
        next_id, limit, failed, hiccups = _cursor(store, lane) + 1, _CHUNK, 0, 0
        while len(saved[lane]) < _MOST and failed < _TRIES:
            try:
                rows = store.read(lane, next_id, limit)
            except (SpoolCorrupt, SpoolUnwritable) as fault:
                hiccups = hiccups + 1 if isinstance(fault, SpoolUnwritable) else _HICCUPS
                if limit == 1 and hiccups >= _HICCUPS:
                    next_id, failed, hiccups = next_id + 1, failed + 1, 0
                limit = 1
                continue
            hiccups = 0
            if not rows:
                break
            saved[lane] |= {row.id: row for row in rows if _is_whole(row)}
            next_id, failed = rows[-1].id + 1, 0
            limit = _CHUNK if next_id % _CHUNK == 0 else limit
    return saved


def _cursor(store: Store, lane: LaneName) -> int:
    """Up to which id all is confirmed, as far as is known: behind it a message may be sent once more, but none is left out."""
    try:
        with named(store.path):
            return store.state(lane).cursor
    except (SpoolCorrupt, SpoolUnwritable):
        return store.states[lane].cursor


def _is_whole(record: Record) -> bool:
    """What a damaged page gives may be anything; it is not sent."""
    try:
        return record.is_gap or isinstance(json.loads(record.payload), dict)
    except ValueError:
        return False
