"""Gaps for messages that left their lane for quarantine: in which order they are announced, and which become one. Pure.

Called by the lane. Their ids are those of the messages, negative, as they are on no disk.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from agent.spool.bounds import touch

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from agent.spool.record import Record


class Absent:
    """Those that are not confirmed, by pipeline. Each comes before whatever follows its message."""

    def __init__(self) -> None:
        self._gaps: dict[str, list[Record]] = {}

    def __iter__(self) -> Iterator[Record]:
        return chain.from_iterable(self._gaps.values())

    @property
    def owed(self) -> int:
        """How many are to be announced, whether or not anything follows: all that the broker has not refused."""
        return sum(gap.refusals == 0 for gap in self)

    def add(self, record: Record, reason: str, sending: Container[int]) -> None:
        """A message is gone, or a gap was refused that stood in its lane.

        Args:
            record: It.
            reason: Said in the gap.
            sending: Ids of what is on its way.
        """
        gap = replace(record, id=-record.id, payload=b"", decision=None, reason=reason)
        self._gaps.setdefault(gap.pipeline, []).append(gap)
        self.merge(gap.pipeline, sending)

    def merge(self, pipeline: str, sending: Container[int]) -> None:
        """Let those become one that touch, have the same reason, and are not on their way."""
        merged: list[Record] = []
        for gap in sorted(self._gaps[pipeline], key=lambda gap: -gap.id):
            before = merged[-1] if merged else None
            if (
                before is not None
                and (before.session, before.reason) == (gap.session, gap.reason)
                and touch(before, gap)
                and before.id not in sending
                and gap.id not in sending
            ):
                gap.first, gap.refusals = before.first, max(before.refusals, gap.refusals)
                merged.pop()
            merged.append(gap)
        self._gaps[pipeline] = merged

    def due(self, head: Record | None, sending: Container[int]) -> Record | None:
        """One that comes next.

        Where the broker refused it, or its message, it waits for what follows in its pipeline: nothing is tried for its sake alone.

        Args:
            head: The message that is next, or None if there is none.
            sending: Ids of what is on its way.
        """
        for gap in self:
            if gap.id in sending:
                continue
            if head is None:
                is_due = gap.refusals == 0
            else:
                is_due = -gap.id < head.id and (gap.refusals == 0 or gap.pipeline == head.pipeline)
            if is_due:
                return gap
        return None

    def confirm(self, gap: Record) -> None:
        """It was announced."""
        left = [other for other in self._gaps.pop(gap.pipeline) if other is not gap]
        if left:
            self._gaps[gap.pipeline] = left
