"""A damaged file is moved aside, and what can still be read of it is saved."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from agent.spool.faults import SpoolCorrupt, SpoolUnwritable
from agent.spool.store import LANES, Store

if TYPE_CHECKING:
    from pathlib import Path

    from agent.spool.record import LaneName, Record

_MOST = 10_000
"""Messages of a lane that are taken over; the rest stays in the file that was moved aside."""
_CHUNK = 100
_BESIDE = ("-wal", "-shm")


def aside(path: Path) -> Path:
    """Where a damaged file goes; one is kept."""
    return path.with_name(f"{path.name}.damaged")


def move_aside(path: Path) -> dict[LaneName, list[Record]]:
    """Move the file, and read what can be read of it.

    Raises:
        OSError: It cannot be moved.
    """
    target = aside(path)
    for suffix in _BESIDE:
        target.with_name(target.name + suffix).unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).replace(target.with_name(target.name + suffix))
    path.replace(target)
    saved: dict[LaneName, list[Record]] = {lane: [] for lane in LANES}
    try:
        store = Store(target)
    except (SpoolCorrupt, SpoolUnwritable):
        return saved
    for lane in LANES:
        _read_all(store, lane, saved[lane])
    store.close()
    return saved


def _read_all(store: Store, lane: LaneName, into: list[Record]) -> None:
    """All that waits, by rising id, until the damage is met."""
    next_id = store.states[lane].cursor + 1
    with contextlib.suppress(SpoolCorrupt, SpoolUnwritable):
        while len(into) < _MOST and (rows := store.read(lane, next_id, _CHUNK)):
            into += rows
            next_id = rows[-1].id + 1
