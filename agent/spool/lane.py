"""One lane of the spool as it is in memory: what is on its way, what comes next, what is not on the disk yet. No I/O, no clock, no thread.

The spool holds its lock around every call. Messages leave in the order of their ids. While all that waits fits into memory, they
go from hand to hand; else the lane resumes at an id, from which on it is loaded from the disk. A message that the broker confirms
before its group is written is never written.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING

from agent.spool.absent import Absent
from agent.spool.bounds import give_up
from agent.spool.record import OVERHEAD_BYTES, LaneName, Record
from agent.spool.store import LaneState

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Iterator, Sequence

    from agent.spool.room import Room
    from agent.spool.settings import GivesUp

WINDOW = 256
"""Messages that are held ready to be sent."""
_LOW = 64
"""With fewer ready, more are loaded."""
_MEMORY_BYTES = 32 << 20
"""Messages that wait for the disk in memory, at most; a healthy disk takes them long before."""


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """What to read from the disk.

    Attributes:
        from_id: The first id.
        limit: How many messages at most.
        written_upto: Highest id on the disk when the plan was made.
    """

    from_id: int
    limit: int
    written_upto: int


class Lane:
    """See the module. All of it: under the spool's lock.

    Attributes:
        name: `event` or `backlog`.
        is_durable: There is a disk that takes messages; else they are bounded in memory by `capacity`.
        is_connected: The broker is there.
        reason: Why memory is the bound while the lane is not durable; stands in the gaps.
        purgeable: Rows on the disk that are confirmed and may be removed.
    """

    def __init__(
        self, name: LaneName, capacity: int, order: GivesUp, dropped: Counter[str], *, max_bytes: float = math.inf
    ) -> None:
        """Store.

        Args:
            name: `event` or `backlog`.
            capacity: Messages that are held in memory without a disk, and from which on who can wait should.
            order: What goes first at a bound.
            dropped: Where messages that are given up are counted, by reason.
            max_bytes: Beyond that messages are given up; from half of it on who can wait should.
        """
        self.name = name
        self.is_durable = False
        self.is_connected = False
        self.reason = "queue_full"
        self._capacity = capacity
        self._max_bytes = max_bytes
        self._order = order
        self._dropped = dropped
        self._next_id = 1
        self._admitted_upto = 0
        """What has a higher id is not to be sent yet."""
        self._unsent: deque[Record] = deque()
        self._on_their_way: dict[int, Record] = {}
        self._unwritten: dict[int, Record] = {}
        self._unwritten_bytes = 0
        self._writing: dict[int, Record] = {}
        self._writing_bytes = 0
        self._done_while_writing: set[int] = set()
        self._written_upto = 0
        self._disk_count = 0
        self._disk_bytes = 0
        self._ahead: dict[int, int] = {}
        """Rows that are confirmed although the disk does not say so yet: id to size."""
        self.purgeable = 0
        self._resume_id: int | None = None
        self._absent = Absent()
        self._refusals: dict[int, int] = {}
        """Of what is tried again, as it may be loaded anew in between."""
        self._was_gap = False
        """What was taken last."""

    # -- who makes messages -------------------------------------------------------------------------------------------

    def accept(self, record: Record, *, ready: bool = True) -> Record:
        """Take a message at the end of the lane; its id is set here.

        Args:
            record: The message.
            ready: It may be sent from now on; else it may when it is on the disk, or when `admit` says so.
        """
        number = record.id = self._next_id
        self._next_id = number + 1
        if not self.is_connected:
            record.is_late = True
        self._unwritten[number] = record
        self._unwritten_bytes += len(record.payload) + OVERHEAD_BYTES
        if ready and self._admitted_upto == number - 1:
            self._admitted_upto = number
            self._make_ready(record)
        elif ready:
            self.admit(record)
        if self._unwritten_bytes > _MEMORY_BYTES or (len(self._unwritten) > self._capacity and not self.is_durable):
            self._bound_memory()
        return record

    def admit(self, record: Record) -> None:
        """It may be sent, and so may all before it."""
        ready = [other for other in self._in_memory() if self._admitted_upto < other.id <= record.id]
        self._admitted_upto = max(self._admitted_upto, record.id)
        for other in ready:
            self._make_ready(other)

    def _make_ready(self, record: Record) -> None:
        if self._resume_id is None and self.is_connected and len(self._unsent) < WINDOW:
            self._unsent.append(record)
        else:
            record.is_late = True
            self._resume_at(record.id)

    def has_room(self) -> bool:
        """Whether fewer messages wait than are to be held without need."""
        size_bytes = self._disk_bytes + self._writing_bytes + self._unwritten_bytes
        return len(self) < self._capacity and size_bytes < self._max_bytes / 2

    def __len__(self) -> int:
        """Messages and gaps that are not confirmed."""
        waiting = self._disk_count + len(self._unwritten) + len(self._writing) - len(self._done_while_writing)
        return waiting + self._absent.owed

    # -- who sends them -----------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """The broker is there."""
        self.is_connected = True

    def disconnect(self) -> None:
        """The broker is gone: what was on its way, and what was ready, waits again, and is late."""
        self.is_connected = False
        waiting = [*self._on_their_way.values(), *self._unsent]
        for record in chain(self._writing.values(), self._unwritten.values()):
            record.is_late = True
        self._resume_at(min((record.id for record in waiting if record.id > 0), default=None))
        self._on_their_way.clear()
        self._unsent.clear()

    def take(self, window: int) -> Record | None:
        """The next message, or None. It is on its way until `confirm`, `quarantined`, `give_back` or `disconnect`.

        Args:
            window: So many messages that are on the disk may be sent before it is recorded that they were confirmed; a killed agent
                sends no more than those twice.
        """
        head = self._unsent[0] if self._unsent else None
        gap = None if head is None and self._resume_id is not None else self._absent.due(head, self._on_their_way)
        if gap is not None:
            self._on_their_way[gap.id] = gap
            return gap
        if head is None:
            return None
        if head.id <= self._written_upto or head.id in self._writing:
            limbo = len(self._ahead) + len(self._done_while_writing) + len(self._on_their_way)
            # Held back only where that helps: a disk that does not work, or one message that is tried again, must not stop the rest.
            if limbo >= window and self.is_durable and (self._on_their_way or self._writing or self.must_record):
                return None
        self._on_their_way[head.id] = head
        self._was_gap = head.is_gap
        return self._unsent.popleft()

    @property
    def must_record(self) -> bool:
        """Whether messages that are on the disk were confirmed since that was last recorded."""
        return bool(self._ahead) and min(self._ahead) <= self.cursor

    def confirm(self, record: Record) -> None:
        """The broker has it."""
        self._forget(record)

    def quarantined(self, record: Record, reason: str) -> None:
        """It is kept elsewhere, or is a gap that was refused; a gap stands in its place, before whatever follows in its pipeline."""
        self._forget(record)
        self._absent.add(record, reason, self._on_their_way)

    def give_back(self, record: Record) -> None:
        """It was not taken: it is next again, or it is a gap that waits for what follows."""
        if self._on_their_way.pop(record.id, None) is None:
            return
        if record.id < 0:
            self._absent.merge(record.pipeline, self._on_their_way)
            return
        self._refusals[record.id] = record.refusals
        if self._resume_id is None or record.id < self._resume_id:
            self._unsent = deque(sorted([record, *self._unsent], key=lambda waiting: waiting.id))

    def _forget(self, record: Record) -> None:
        self._on_their_way.pop(record.id, None)
        self._refusals.pop(record.id, None)
        if record.id < 0:
            self._absent.confirm(record)
        elif record.id in self._unwritten:
            del self._unwritten[record.id]
            self._unwritten_bytes -= record.size_bytes
        elif record.id in self._writing:
            self._done_while_writing.add(record.id)
        else:
            self._disk_count -= 1
            self._disk_bytes -= record.size_bytes
            self._ahead[record.id] = record.size_bytes
            self.purgeable += 1

    # -- who loads them from the disk ---------------------------------------------------------------------------------

    def plan_load(self) -> LoadPlan | None:
        """What to read next, or None if enough is ready."""
        if self._resume_id is None or not self.is_connected or len(self._unsent) >= _LOW:
            return None
        return LoadPlan(self._resume_id, WINDOW, self._written_upto)

    def adopt(self, plan: LoadPlan, rows: Sequence[Record]) -> None:
        """Make ready what was read by a plan, and what follows in memory."""
        if self._resume_id != plan.from_id:
            return  # the connection was lost meanwhile, or something was given up
        in_hand = {*self._on_their_way, *(record.id for record in self._unsent), *self._ahead}
        for row in rows:
            row.refusals = self._refusals.get(row.id, 0)
        self._unsent.extend(row for row in rows if row.id not in in_hand)
        if self._unsent and self._unsent[0].id > plan.from_id:
            self._unsent = deque(sorted(self._unsent, key=lambda waiting: waiting.id))
        last_id = rows[-1].id if rows else plan.from_id - 1
        self._resume_id = last_id + 1
        if len(rows) >= plan.limit or self._written_upto != plan.written_upto:
            return
        follow = [
            record
            for record in self._in_memory()
            if last_id < record.id <= self._admitted_upto and record.id not in in_hand
        ]
        self._unsent.extend(islice(follow, plan.limit))
        self._resume_id = follow[plan.limit].id if len(follow) > plan.limit else None

    def _in_memory(self) -> Iterator[Record]:
        """What is not known to be on the disk, by rising id."""
        return chain(self._pending_writes(), self._unwritten.values())

    def _pending_writes(self) -> list[Record]:
        return [record for number, record in self._writing.items() if number not in self._done_while_writing]

    # -- who writes them to the disk ----------------------------------------------------------------------------------

    @property
    def unwritten_bytes(self) -> int:
        """What waits for the disk."""
        return self._unwritten_bytes

    @property
    def has_unwritten(self) -> bool:
        """Whether a message waits for the disk."""
        return bool(self._unwritten)

    @property
    def disk_bytes(self) -> int:
        """What lies on the disk, is not confirmed, and counts against the bound."""
        return self._disk_bytes

    @property
    def disk_count(self) -> int:
        """Messages and gaps on the disk that are not confirmed."""
        return self._disk_count

    @property
    def free_from_id(self) -> int | None:
        """From this id on nothing is in the hands of whoever sends, nor confirmed; None if everything is."""
        if self._resume_id is None:
            return None
        in_hand = chain(self._ahead, self._on_their_way, (record.id for record in self._unsent))
        return max(self._resume_id, max(in_hand, default=0) + 1)

    @property
    def cursor(self) -> int:
        """Everything up to this id is confirmed or given up."""
        lowest = [number for number in self._on_their_way if number > 0]
        lowest += islice(self._unwritten, 1)
        lowest += [record.id for record in self._pending_writes()[:1]]
        lowest += [self._unsent[0].id] if self._unsent else []
        lowest += [self._resume_id] if self._resume_id is not None else []
        return min(lowest, default=self._next_id) - 1

    def begin_group(self) -> list[Record]:
        """All that waits for the disk, in order; until `end_group`."""
        self._writing, self._writing_bytes = self._unwritten, self._unwritten_bytes
        self._unwritten, self._unwritten_bytes = {}, 0
        self._done_while_writing = set()
        return list(self._writing.values())

    def still_unconfirmed(self, records: Iterable[Record]) -> list[Record]:
        """Those of a group that the broker has not confirmed meanwhile: the others need not be written."""
        done = self._done_while_writing
        return [record for record in records if record.id not in done] if done else list(records)

    def state(self, clock_s: float, room: Room | None = None) -> LaneState:
        """What the disk should say after a change; to be told to `recorded` or `end_group` when it does.

        Args:
            clock_s: The spool's clock.
            room: What the change writes and removes.
        """
        cursor = self.cursor
        sizes = [size for number, size in self._ahead.items() if number > cursor]
        count, size_bytes = self._disk_count + len(sizes), self._disk_bytes + sum(sizes)
        if room is not None:
            added = [record for record in room.put if record.id > cursor]
            count += len(added) - room.removed_count
            size_bytes += size_of(added) - room.removed_bytes
        return LaneState(cursor, self._next_id - 1, count, size_bytes, clock_s)

    def end_group(self, room: Room | None) -> None:
        """The group is on the disk as `room` says; or, where that is None, it could not be written and waits again."""
        if room is None:
            kept = {record.id: record for record in self._pending_writes()}
            self._unwritten = kept | self._unwritten
            self._unwritten_bytes += size_of(kept.values())
        else:
            done = [record for record in room.put if record.id in self._done_while_writing]
            self._ahead |= {record.id: record.size_bytes for record in done}
            self.purgeable += len(done)
            self._disk_count += len(room.put) - len(done) - room.removed_count
            self._disk_bytes += size_of(room.put) - size_of(done) - room.removed_bytes
            if room.put:
                self._written_upto = max(self._written_upto, room.put[-1].id)
            self._dropped.update(room.lost)
            self._admit_written(room)
        self._writing, self._writing_bytes, self._done_while_writing = {}, 0, set()
        self._bound_memory()

    def _admit_written(self, room: Room) -> None:
        """What was to be on the disk first may be sent now, in the form that it has there."""
        last_id = max(self._writing, default=0)
        if last_id <= self._admitted_upto:
            return
        ready = [record for record in room.put if record.id > self._admitted_upto]
        self._admitted_upto = last_id
        for record in ready:
            self._make_ready(record)

    def recorded(self, state: LaneState, *, purged: bool) -> None:
        """The disk says so now."""
        self._ahead = {number: size for number, size in self._ahead.items() if number > state.cursor}
        self._refusals = {number: count for number, count in self._refusals.items() if number > state.cursor}
        if purged:
            self.purgeable = len(self._ahead)

    # -- what is too much ---------------------------------------------------------------------------------------------

    def candidates(self, group: Sequence[Record]) -> list[Record]:
        """What of a group may be given up: all that nobody is sending."""
        sending = {record.id for record in self._unsent} | self._on_their_way.keys()
        return [record for record in group if record.id not in sending]

    def _bound_memory(self) -> None:
        """Without a disk, memory is the bound."""
        is_full = len(self._unwritten) > self._capacity and not self.is_durable
        if not is_full and self._unwritten_bytes <= _MEMORY_BYTES:
            return
        reason = "memory_full" if self.is_durable else self.reason
        if self._unsent:  # whatever is not on its way may go; it is made ready again in its new form
            self._resume_at(self._unsent[0].id)
            self._unsent.clear()
        records = [record for record in self._unwritten.values() if record.id not in self._on_their_way]
        if self._was_gap and records and not records[0].is_gap:
            del records[0]  # behind each gap goes a message, however fast new ones push in
        least = max(len(self._unwritten) - self._capacity, self._capacity // 100, 1) if is_full else 1
        excess = max(0, self._unwritten_bytes - _MEMORY_BYTES + _MEMORY_BYTES // 10 if not is_full else 0)
        outcome = give_up(records, free_bytes=excess, order=self._order, reason=reason, least=least)
        gone = set(outcome.removed)
        gaps = {gap.id: gap for gap in outcome.gaps}
        self._unwritten = {
            number: gaps.get(number, record) for number, record in self._unwritten.items() if number not in gone
        }
        self._unwritten_bytes = size_of(self._unwritten.values())
        if outcome.messages:
            self._dropped[reason] += outcome.messages
        if self._resume_id is not None and self._resume_id in gone:
            self._resume_id = next((number for number in self._unwritten if number > self._resume_id), None)

    def _resume_at(self, number: int | None) -> None:
        if number is not None:
            self._resume_id = number if self._resume_id is None else min(number, self._resume_id)

    # -- the disk comes and goes --------------------------------------------------------------------------------------

    def attach(self, state: LaneState, *, clock_s: float = 0.0) -> None:
        """The disk is there, with what earlier sessions left; what is in memory comes behind it.

        Args:
            state: What the file says.
            clock_s: How far the spool's clock goes forward, as it goes on from what the file says.
        """
        shift = state.last_id
        if self._unsent:
            self._resume_at(self._unsent[0].id)
        for record in {*self._unwritten.values(), *self._unsent, *self._on_their_way.values(), *self._absent}:
            record.id += shift if record.id > 0 else -shift
            record.at_s += clock_s
        self._unsent.clear()
        self._refusals.clear()
        self._unwritten = {record.id: record for record in self._unwritten.values()}
        self._on_their_way = {record.id: record for record in self._on_their_way.values()}
        self._next_id += shift
        self._admitted_upto += shift
        if self._resume_id is not None:
            self._resume_id += shift
        self._disk_count, self._disk_bytes = state.count, state.size_bytes
        self._written_upto = state.last_id
        self._ahead = {}
        if state.count:
            self._resume_at(state.cursor + 1)
        self.is_durable = True

    def detach(self, saved: Iterable[Record] = ()) -> int:
        """The disk was lost with what was on it; what is also in memory, or could be saved, is to be written again.

        Returns:
            Messages that are lost.
        """
        sending = {record.id: record for record in chain(self._on_their_way.values(), self._unsent) if record.id > 0}
        memory = {record.id: record for record in self._in_memory()}
        kept = {record.id: record for record in saved if record.id not in self._ahead} | sending | memory
        lost = max(0, self._disk_count - (len(kept) - len(memory)))
        self._unwritten = dict(sorted(kept.items()))
        self._unwritten_bytes = size_of(kept.values())
        self._writing, self._writing_bytes, self._done_while_writing = {}, 0, set()
        self._next_id = max([self._next_id, *(number + 1 for number in kept)])
        self._admitted_upto = self._next_id - 1
        self._disk_count = self._disk_bytes = self._written_upto = self.purgeable = 0
        self._ahead = {}
        self._unsent.clear()  # made ready again from memory, behind what could be saved and in order with it
        self._resume_id = next((number for number in self._unwritten if number not in self._on_their_way), None)
        if lost:
            self._dropped["spool_corrupt"] += lost
        self.is_durable = False
        return lost


def size_of(records: Iterable[Record]) -> int:
    """What messages count against the bound, in bytes."""
    sizes = [len(record.payload) for record in records]
    return sum(sizes) + OVERHEAD_BYTES * len(sizes)
