"""Room for a group on the disk: what goes at the bounds of bytes and age. Reads the file, changes nothing; the spool commits what it says."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.spool.bounds import RANKS, GivenUp, give_up, join

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agent.spool.record import LaneName, Record
    from agent.spool.settings import GivesUp
    from agent.spool.store import Store

_CHUNK = 1000
SPOOL_FULL, TOO_OLD = "spool_full", "too_old"
"""Reasons in gaps and counters."""


@dataclass(slots=True)
class Room:
    """What one commit writes and removes in a lane.

    Attributes:
        put: Messages and gaps; what is there already under the same id is replaced.
        removed: Ids of rows that go.
        removed_count: How many rows that waited go or are replaced.
        removed_bytes: What they counted against the bound.
        lost: Messages given up, by reason.
    """

    put: list[Record]
    removed: list[int] = field(default_factory=list)
    removed_count: int = 0
    removed_bytes: int = 0
    lost: Counter[str] = field(default_factory=Counter)


def make_room(
    store: Store,
    lane: LaneName,
    group: Sequence[Record],
    candidates: Sequence[Record],
    *,
    from_id: int | None,
    excess_bytes: int,
    order: GivesUp,
) -> Room:
    """Choose what goes so that a group fits.

    Args:
        store: The file.
        lane: Of the group.
        group: What is to be written.
        candidates: Those of the group that may go.
        from_id: Rows from this id on may go; None: none, as somebody has them in hand.
        excess_bytes: What the lane has too much with the group, in bytes.
        order: What goes first.
    """
    if excess_bytes <= 0:
        return Room(list(group))
    rows: list[Record] = []
    if from_id is not None and order != "newest":
        ranks: tuple[tuple[str | None, ...], ...] = RANKS if order == "decision" else ((),)
        for rank in ranks:
            rows += _enough(store, lane, from_id, excess_bytes - _size(rows), rank)
            if _size(rows) >= excess_bytes:
                break
        rows.sort(key=lambda row: row.id)
    outcome = give_up(
        [*rows, *candidates],
        free_bytes=excess_bytes,
        order=order,
        reason=SPOOL_FULL,
        is_whole=order != "decision",
    )
    if order != "oldest":
        beside = [other for gap in outcome.gaps for other in store.neighbours(gap)]
        rows += join(outcome, [other for other in beside if from_id is not None and other.id >= from_id])
    return _room(group, rows, outcome, SPOOL_FULL)


def outdated(store: Store, lane: LaneName, room: Room, *, from_id: int, before_s: float) -> Room:
    """The same room without rows that are too old.

    Args:
        store: The file.
        lane: Which.
        room: What else is to be written.
        from_id: Rows from this id on may go.
        before_s: On the spool's clock: what was made before goes.
    """
    taken = {*room.removed, *(record.id for record in room.put)}
    rows = [row for row in store.read(lane, from_id, _CHUNK) if row.id not in taken]
    old = [row for row in rows if row.is_gap or row.at_s < before_s]
    if not any(not row.is_gap for row in old):
        return room
    last_id = max(row.id for row in old if not row.is_gap)
    rows = [row for row in rows if row.id <= last_id]
    outcome = give_up(rows, free_bytes=_size(rows), order="oldest", reason=TOO_OLD, least=len(rows))
    more = _room([], rows, outcome, TOO_OLD)
    return Room(
        [*room.put, *more.put],
        [*room.removed, *more.removed],
        room.removed_count + more.removed_count,
        room.removed_bytes + more.removed_bytes,
        room.lost + more.lost,
    )


def _enough(store: Store, lane: LaneName, from_id: int, need_bytes: int, rank: tuple[str | None, ...]) -> list[Record]:
    rows: list[Record] = []
    while _size(row for row in rows if not row.is_gap) < need_bytes:
        more = store.read(lane, rows[-1].id + 1 if rows else from_id, _CHUNK, decisions=rank)
        rows += more
        if len(more) < _CHUNK:
            break
    return rows


def _room(group: Sequence[Record], rows: Sequence[Record], outcome: GivenUp, reason: str) -> Room:
    gone = set(outcome.removed)
    on_disk = {row.id: row for row in rows}
    put = {record.id: record for record in group if record.id not in gone} | {gap.id: gap for gap in outcome.gaps}
    touched = [row for number, row in on_disk.items() if number in gone or number in put]
    return Room(
        put=[put[number] for number in sorted(put)],
        removed=[number for number in outcome.removed if number in on_disk],
        removed_count=len(touched),
        removed_bytes=_size(touched),
        lost=Counter({reason: outcome.messages} if outcome.messages else {}),
    )


def _size(records: Iterable[Record]) -> int:
    return sum(record.size_bytes for record in records)
