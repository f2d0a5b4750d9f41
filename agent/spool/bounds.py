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


def give_up(records: Sequence[Record], *, free_bytes: int, order: GivesUp, reason: str, least: int = 1) -> GivenUp:
    """Choose messages until enough is free, and announce them.

    Args:
        records: A stretch of one lane by rising id, gaps included; each may go.
        free_bytes: What is to become free at least.
        order: What goes first.
        reason: Said in the gaps.
        least: Messages that go at least, so that this need not be done for each.

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
    return _announced(records, victims, reason)


def _in_order(records: Sequence[Record], order: GivesUp) -> Iterator[Record]:
    messages: Iterable[Record]
    if order == "newest":
        messages = reversed(records)
    elif order == "decision":
        messages = chain.from_iterable([r for r in records if r.decision in rank] for rank in RANKS)
    else:
        messages = records
    return (record for record in messages if not record.is_gap)


def _announced(records: Sequence[Record], victims: dict[int, Record], reason: str) -> GivenUp:
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
        if before is not None and before.reason == gap.reason and before.last + 1 == gap.first:
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
    taken = []
    for old in sorted((other for other in neighbours if other.is_gap), key=lambda other: other.id):
        for place, gap in enumerate(outcome.gaps):
            is_same = (gap.pipeline, gap.session, gap.reason) == (old.pipeline, old.session, old.reason)
            if not is_same or old.id in outcome.removed or old.id == gap.id:
                continue
            if old.last + 1 == gap.first:
                outcome.gaps[place] = _gap(gap, gap.reason or "", first=old.first)
                outcome.removed.append(old.id)
            elif gap.last + 1 == old.first:
                outcome.gaps[place] = _gap(old, old.reason or "", first=gap.first)
                outcome.removed.append(gap.id)
            else:
                continue
            taken.append(old)
            break
    outcome.gaps.sort(key=lambda gap: gap.id)
    return taken


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
