"""Which messages go when there is too much, and how their absence is announced. Pure.

Called by the lane for what is in memory, and by the spool for what is on the disk.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from agent.spool.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from agent.spool.settings import GivesUp

RANKS: tuple[tuple[str | None, ...], ...] = ((None, "accept"), ("unsure",), ("reject",))
"""Decisions in the order in which they go, least needed first."""


@dataclass(slots=True)
class GivenUp:
    """What becomes of a stretch of a lane.

    Attributes:
        messages: How many messages are lost; gaps are not counted.
        removed: Ids that are no longer there.
        gaps: What stands in their place, by rising id; each id is that of the last message the gap stands for.
    """

    messages: int = 0
    removed: list[int] = field(default_factory=list)
    gaps: list[Record] = field(default_factory=list)


def give_up(
    records: Sequence[Record],
    *,
    free_bytes: int,
    order: GivesUp,
    reason: str,
    least: int = 1,
    is_whole: bool = True,
) -> GivenUp:
    """Choose messages until enough is free, and announce them.

    Args:
        records: A stretch of one lane by rising id, gaps included; each may go.
        free_bytes: What is to become free at least.
        order: What goes first.
        reason: Said in the gaps.
        least: Messages that go at least, so that this need not be done for each.
        is_whole: The stretch is without holes; where it has some, only numbers tell what is next to each other.

    Returns:
        What goes. Gaps that are next to each other and have the same reason become one; so what was given up in one piece is announced
        in one piece, before whatever of its pipeline follows.
    """
    victims: dict[int, Record] = {}
    freed = 0
    for record in _in_order(records, order):
        if freed >= free_bytes and len(victims) >= least:
            break
        victims[record.id] = record
        freed += record.size_bytes
    if not victims:
        return GivenUp()
    return _announced(records, victims, reason, is_whole=is_whole)


def touch(before: Record, gap: Record) -> bool:
    """Whether two gaps of a pipeline, between which none of its messages stands, say the same as one that reaches over both.

    Events are numbered without a hole. In the backlog numbers are missing anyway, those of events and of what was sent in time: there a
    gap tells between which numbers late predictions were given up. Else each would be a row for ever, and bounds could not be kept.
    """
    return before.last < gap.first if gap.lane == "backlog" else before.last + 1 == gap.first


def _in_order(records: Sequence[Record], order: GivesUp) -> Iterator[Record]:
    messages: Iterable[Record]
    if order == "newest":
        messages = reversed(records)
    elif order == "decision":
        messages = chain.from_iterable([r for r in records if r.decision in rank] for rank in RANKS)
    else:
        messages = records
    return (record for record in messages if not record.is_gap)


def _announced(records: Sequence[Record], victims: dict[int, Record], reason: str, *, is_whole: bool) -> GivenUp:
    out = GivenUp(messages=len(victims))
    open_gaps: dict[tuple[str, str], Record] = {}
    touched: dict[int, Record] = {}
    for record in records:
        key = (record.pipeline, record.session)
        if record.id in victims:
            gap = _gap(record, reason)
            touched[gap.id] = gap
        elif record.is_gap:
            gap = record
        else:
            open_gaps.pop(key, None)
            continue
        before = open_gaps.get(key)
        is_next = before is not None and (before.last + 1 == gap.first or (is_whole and touch(before, gap)))
        if before is not None and before.reason == gap.reason and is_next:
            merged = _gap(gap, gap.reason or reason, first=before.first)
            out.removed.append(before.id)
            touched.pop(before.id, None)
            touched[merged.id] = gap = merged
        open_gaps[key] = gap
    out.gaps = [touched[gap_id] for gap_id in sorted(touched)]
    kept = touched.keys()
    out.removed = [*(gone for gone in out.removed if gone not in kept), *(v for v in victims if v not in kept)]
    out.removed = sorted(set(out.removed))
    return out


def join(outcome: GivenUp, neighbours: Iterable[Record]) -> list[Record]:
    """Let the gaps of an outcome take in those that were there before and touch them.

    Args:
        outcome: Changed in place.
        neighbours: What stands right before and behind the gaps, of the same pipelines.

    Returns:
        The old gaps that are no longer needed, or are replaced.
    """
    replaced = {*outcome.removed, *(gap.id for gap in outcome.gaps)}
    old = {other.id: other for other in neighbours if other.is_gap and other.id not in replaced}
    last: dict[tuple[str, str, str | None], Record] = {}
    joined: dict[int, Record] = {}
    for gap in sorted([*outcome.gaps, *old.values()], key=lambda gap: gap.id):
        key = (gap.pipeline, gap.session, gap.reason)
        before = last.get(key)
        if before is not None and touch(before, gap):
            joined.pop(before.id, None)
            outcome.removed.append(before.id)
            last[key] = joined[gap.id] = _gap(gap, gap.reason or "", first=before.first)
        else:
            last[key] = gap
            if gap.id not in old:
                joined[gap.id] = gap
    outcome.gaps = [joined[number] for number in sorted(joined)]
    return [gap for number, gap in old.items() if number in joined or number in outcome.removed]


def _gap(record: Record, reason: str, *, first: int | None = None) -> Record:
    return Record(
        id=record.id,
        lane=record.lane,
        pipeline=record.pipeline,
        session=record.session,
        first=record.first if first is None else first,
        last=record.last,
        decision=None,
        payload=b"",
        reason=reason,
        at_s=record.at_s,
        is_late=True,
    )
