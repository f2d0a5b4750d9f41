"""Messages and lanes of the spool for tests: small, whole, and told apart by their numbers."""

from __future__ import annotations

from collections import Counter

from agent.spool.lane import Lane
from agent.spool.record import Record
from agent.spool.room import Room
from agent.spool.store import LaneState


def event(
    number: int, pipeline: str = "p", *, record_id: int = 0, decision=None, session: str = "s", payload: bytes = b"{}"
) -> Record:
    """An event as the ledger gives it to the spool."""
    return Record(record_id, "event", pipeline, session, number, number, decision, payload)


def gap(first: int, last: int, pipeline: str = "p", *, record_id: int = 0, reason: str = "spool_full") -> Record:
    """The announcement that events are missing."""
    return Record(record_id, "event", pipeline, "s", first, last, None, b"", reason)


def said(record: Record) -> object:
    """The number of an event, or what a gap announces."""
    return (record.first, record.last, record.reason) if record.is_gap else record.first


class LaneOnDisk:
    """A lane whose disk takes whatever it is given, and remembers it; `lane` is the real thing."""

    def __init__(self, capacity: int = 100, *, durable: bool = True) -> None:
        self.dropped: Counter[str] = Counter()
        self.lane = Lane("event", capacity, "oldest", self.dropped)
        self.rows: dict[int, Record] = {}
        self.cursor = 0
        if durable:
            self.lane.attach(LaneState())

    def accept(self, *numbers: int, pipeline: str = "p", ready: bool = True) -> list[Record]:
        return [self.lane.accept(event(number, pipeline), ready=ready) for number in numbers]

    def write(self) -> None:
        """As the spool's writer does."""
        room = Room(self.lane.still_unconfirmed(self.lane.begin_group()))
        state = self.lane.state(0.0, room)
        self.rows |= {record.id: record for record in room.put}
        self.lane.end_group(room)
        self._recorded(state)

    def record(self) -> None:
        """As whoever delivers does."""
        self._recorded(self.lane.state(0.0))

    def _recorded(self, state: LaneState) -> None:
        self.cursor = state.cursor
        self.lane.recorded(state, purged=False)
        assert state.count == len(self.waiting())

    def load(self) -> None:
        """As whoever delivers does."""
        plan = self.lane.plan_load()
        if plan is not None:
            rows = [self.rows[number] for number in sorted(self.rows) if number >= plan.from_id]
            self.lane.adopt(plan, rows[: plan.limit])

    def take(self, most: int = 100, *, window: int = 20) -> list[Record]:
        """What may be sent now."""
        taken = []
        while len(taken) < most and (record := self.lane.take(window)) is not None:
            taken.append(record)
        return taken

    def waiting(self) -> list[int]:
        """Ids that a new start would find on the disk."""
        return sorted(number for number in self.rows if number > self.cursor)


__all__ = ["LaneOnDisk", "event", "gap", "said"]
