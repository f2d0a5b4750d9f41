"""The spool: two lanes in memory, one file on the disk, and the thread that writes groups to it.

`changed` is the one lock between who makes messages, who sends them and who writes them; nobody holds it while the disk works.
What becomes of a file that cannot be used is `disk`'s.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.core.errors import BadData
from agent.spool.budget import WriteBudget
from agent.spool.disk import Disk
from agent.spool.faults import SpoolCorrupt, SpoolUnwritable
from agent.spool.lane import Lane, size_of
from agent.spool.room import TOO_OLD, Room, make_room, outdated
from agent.spool.settings import SpoolSettings
from agent.spool.store import NAME, Change

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from agent.spool.disk import RunningClock
    from agent.spool.lane import LoadPlan
    from agent.spool.quarantine import Quarantine
    from agent.spool.record import Record
    from agent.spool.settings import GivesUp
    from agent.spool.store import Store

_EARLY_BYTES = 4 << 20
"""A group that is so large is written before its time."""
_LOOK_S, _LOOKS_AN_AGE, _LOOK_LEAST_S = 10.0, 10, 0.1
"""How often ages are looked at: at least so often in the time after which something is too old."""
_MANY = 500
"""With so many that were too old at one look, the next one follows at once."""
_RECORD_S = 1.0
"""So long a confirmation may wait for its record when nothing else is written."""
_READ_TRIES, _READ_AGAIN_S = 5, 0.02
"""A row that cannot be read after so many tries lies on a bad sector."""
_PURGE_COUNT = 512
"""Confirmed rows that are removed from the file together."""
_CLOSE_S = 5.0
_SLACK = 100
"""At a bound so small a part of it is freed beyond what is needed, so that this is not done for each group."""


class Spool:
    """`open`, `start` and `close`: the composition. `flush` and `load`: any thread, without the lock. The lanes: under `changed`.

    Attributes:
        changed: The lock, and what waits for room.
        events: The lane of events.
        backlog: The lane of late predictions, or None where they are not kept.
        dropped: Messages given up, by reason; under `changed`.
    """

    def __init__(
        self,
        settings: SpoolSettings | None = None,
        folder: Path | None = None,
        *,
        capacity: int = 10_000,
        on_fault: Callable[[str, str | None], None] = lambda _cause, _sentence: None,
    ) -> None:
        """Store.

        Args:
            settings: `[spool]`.
            folder: The state directory; None keeps everything in memory, for whoever measures or tests.
            capacity: Messages of a lane that are kept in memory where the disk takes none.
            on_fault: Called with a cause and a sentence when something is wrong with the disk, and with the cause and None when it
                no longer is; any thread.
        """
        self.settings = settings or SpoolSettings()
        self.changed = threading.Condition()
        self.dropped: Counter[str] = Counter()
        self.events = Lane("event", capacity, self.settings.gives_up, self.dropped, max_bytes=self.settings.max_bytes)
        self.backlog = (
            Lane("backlog", capacity, self.settings.backlog_gives_up, self.dropped)
            if self.settings.backlog == "keep"
            else None
        )
        self._is_grouped = self.settings.flush_ms > 0 or folder is None
        self._disk = (
            None
            if folder is None
            else Disk(
                folder / NAME,
                self.lanes,
                self.changed,
                quarantined=self.settings.quarantine_messages,
                on_fault=on_fault,
            )
        )
        self._io = threading.Lock()
        """Held while messages move between memory and the disk, in either direction."""
        self._budget = WriteBudget(self.settings.write_budget_bytes_h, time.monotonic())
        self._unwritten_since_s = 0.0
        self._all_bounds = {
            "event": _Bounds(self.settings.max_bytes, self.settings.max_age_s, self.settings.gives_up),
            "backlog": _Bounds(
                self.settings.backlog_max_bytes, self.settings.backlog_max_age_s, self.settings.backlog_gives_up
            ),
        }
        least_age_s = min(self._all_bounds[lane.name].max_age_s for lane in self.lanes)
        self._look_s = min(_LOOK_S, max(_LOOK_LEAST_S, least_age_s / _LOOKS_AN_AGE))
        self._work = threading.Event()
        self._hurry = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)

    @property
    def lanes(self) -> list[Lane]:
        """Those that are in use."""
        return [self.events] if self.backlog is None else [self.events, self.backlog]

    @property
    def size_bytes(self) -> int:
        """What waits on the disk, in bytes that count against the bounds."""
        return sum(lane.disk_bytes for lane in self.lanes)

    @property
    def quarantine(self) -> Quarantine | None:
        """What the broker does not take; None without a file."""
        return None if self._disk is None else self._disk.quarantine

    @property
    def fault(self) -> SpoolUnwritable | None:
        """Why the disk takes nothing now, or None."""
        return None if self._disk is None else self._disk.fault

    @property
    def damaged(self) -> int:
        """How often a damaged file was moved aside."""
        return 0 if self._disk is None else self._disk.damaged

    def open(self) -> None:
        """Open the file and find what earlier sessions left. A disk that does not work is told, and tried again."""
        if self._disk is None:
            return
        for lane in self.lanes:
            lane.reason = "disk_error"
        with self._io:
            self._disk.open()

    def start(self) -> None:
        """Begin to write."""
        if self._disk is not None:
            self._thread.start()

    def close(self) -> None:
        """Write what waits, end the thread and close the file. May be called twice."""
        self._closing = True
        self._work.set()
        self._hurry.set()
        if self._thread.ident is not None:
            self._thread.join(_CLOSE_S)
        self.flush()
        if self._disk is not None:
            self._disk.close()

    # -- who makes messages ---------------------------------------------------------------------------------------------

    def accept(self, lane: Lane, record: Record) -> None:
        """Take a message; under `changed`. With `flush_ms = 0` an event waits for `commit`."""
        now_s = time.monotonic()
        if self._disk is not None:
            record.at_s = self._disk.clock.s()
        was_idle = not lane.has_unwritten
        lane.accept(record, ready=self._is_grouped or not self.is_written_first)
        if was_idle:
            self._unwritten_since_s = now_s
            self._work.set()
        elif lane.unwritten_bytes >= _EARLY_BYTES and not self._hurry.is_set():
            self._hurry.set()

    @property
    def is_written_first(self) -> bool:
        """Whether an event is on the disk before anything else happens with it."""
        return not self._is_grouped and self._disk is not None and self._disk.store is not None

    def commit(self, record: Record) -> None:
        """Without the lock, after `accept`: with `flush_ms = 0` come back when the message is on the disk, or the disk fails."""
        if self._disk is not None and self.is_written_first and self._disk.is_due:
            self.flush()
        with self.changed:
            self.events.admit(record)

    # -- who sends them -------------------------------------------------------------------------------------------------

    def load(self) -> None:
        """Make ready what is next on the disk. Without the lock."""
        for lane in self.lanes:
            with self.changed:
                if lane.plan_load() is None:
                    continue
            with self._io:
                self._load(lane)

    def _load(self, lane: Lane) -> None:
        with self.changed:
            plan = lane.plan_load()
        if plan is None:
            return
        try:
            rows = self._read(lane, plan)
        except (SpoolCorrupt, SpoolUnwritable) as fault:  # what cannot be read will not be sent from there
            self._fail(SpoolCorrupt(str(fault), hint=fault.hint))
            return
        with self.changed:
            lane.adopt(plan, rows)

    def _fail(self, fault: SpoolCorrupt | SpoolUnwritable) -> None:
        if self._disk is not None:
            self._disk.fail(fault)
            self._work.set()

    @property
    def _store(self) -> Store | None:
        return None if self._disk is None else self._disk.store

    def _read(self, lane: Lane, plan: LoadPlan, tries: int = _READ_TRIES) -> list[Record]:
        """Read by a plan; a failing disk is asked again, as a hiccup is no reason to leave the file."""
        try:
            return self._store.read(lane.name, plan.from_id, plan.limit) if self._store else []
        except SpoolUnwritable:
            if tries <= 1:
                raise
        time.sleep(_READ_AGAIN_S)
        return self._read(lane, plan, tries - 1)

    def record_confirmations(self) -> bool:
        """Put down what was confirmed, unless the disk is busy; False if it was. Without the lock.

        While the disk fails, the writer tries it again in its own time, and nobody waits.
        """
        disk = self._disk
        if disk is None or not disk.is_due:
            return True
        for lane in self.lanes:
            with self.changed:
                if not lane.must_record:
                    continue
            if not self._io.acquire(blocking=False):
                return False
            try:
                if disk.store is None:
                    return False
                with self.changed:
                    change = Change(lane.name, lane.state(disk.clock.s()), purge=self._purges(lane))
                if not disk.store.try_commit(change):
                    return False
                with self.changed:
                    lane.recorded(change.state, purged=change.purge)
            except (SpoolCorrupt, SpoolUnwritable) as fault:
                self._fail(fault)
                return False
            finally:
                self._io.release()
        return True

    def _purges(self, lane: Lane) -> bool:
        return lane.purgeable >= _PURGE_COUNT or (lane.purgeable > 0 and not lane.disk_count)

    def set_apart(self, record: Record, why: str, since: str) -> bool:
        """Keep a message that the broker does not take in quarantine; False if there is no file for it."""
        if self.quarantine is None:
            return False
        try:
            self.dropped["quarantine_full"] += self.quarantine.add(record, why, since)
        except (SpoolCorrupt, SpoolUnwritable):
            return False
        return True

    def put_back(self, records: Sequence[Record]) -> None:
        """Send messages of the quarantine after all, behind what waits; comes back when they are in their lanes on the disk.

        Raises:
            BadData: One is of a lane that is not in use; then none is sent.
        """
        lanes = {lane.name: lane for lane in self.lanes}
        if any(record.lane not in lanes for record in records):
            raise BadData(
                "late predictions are not kept now", hint='set spool.backlog = "keep", or lineside spool drop'
            )
        with self.changed:
            for record in records:
                self.accept(lanes[record.lane], record)
        self.flush()
        with self.changed:
            for record in records:
                lanes[record.lane].admit(record)
            self.changed.notify_all()

    def ages_s(self) -> dict[str, float]:
        """How long the oldest message of each lane has waited on the disk, in seconds of running time."""
        ages_s: dict[str, float] = {}
        disk = self._disk
        for lane in self.lanes if disk is not None else ():
            with self.changed:
                next_id = lane.cursor + 1
            rows = disk.store.read(lane.name, next_id, 1) if disk is not None and disk.store else []
            if disk is not None and rows:
                ages_s[lane.name] = round(disk.clock.s() - rows[0].at_s, 1)
        return ages_s

    # -- the writer -----------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._closing:
            self._work.wait(self._look_s)
            self._work.clear()
            if self._closing:
                return
            self._hold_back()
            self.flush()

    def _hold_back(self) -> None:
        """Wait until the group is due: after `flush_ms`, or later where the write budget says so; never after a retry is due."""
        flush_s = self.settings.flush_ms / 1e3
        while not self._closing:
            now_s = time.monotonic()
            retry_at_s = 0.0 if self._disk is None else self._disk.retry_at_s
            with self.changed:
                has_unwritten = any(lane.has_unwritten for lane in self.lanes)
                must_record = any(lane.must_record for lane in self.lanes)
                payload_bytes = sum(lane.unwritten_bytes for lane in self.lanes)
                since_s = self._unwritten_since_s
            if not has_unwritten:
                wait_s = max(now_s + _RECORD_S if must_record else now_s, retry_at_s) - now_s
                if wait_s <= 0 or not self._work.wait(wait_s):
                    return
                self._work.clear()
                continue
            if payload_bytes >= _EARLY_BYTES and now_s >= retry_at_s:
                break
            wait_s = max(since_s + flush_s, retry_at_s) - now_s
            if wait_s <= 0:
                wait_s = self._budget.wait_s(payload_bytes, now_s - since_s, now_s)
            if wait_s <= 0:
                break
            self._hurry.wait(wait_s)
            self._hurry.clear()
        self._hurry.clear()

    def flush(self) -> None:
        """Write what waits for the disk. Without the lock; comes back when it is on the disk, or when the disk failed."""
        disk = self._disk
        if disk is None:
            return
        with self._io:
            if disk.store is None and not disk.open():
                self._work.set()
                return
            try:
                self._write_groups(disk)
            except (SpoolCorrupt, SpoolUnwritable) as fault:
                with self.changed:
                    for lane in self.lanes:
                        lane.end_group(None)
                self._fail(fault)

    def _write_groups(self, disk: Disk) -> None:
        store = disk.store
        if store is None:
            return
        work = [(lane, *self._prepare(lane, store, disk.clock)) for lane in self.lanes]
        changes = [change for _, _, change in work if change is not None]
        if changes:
            durable = disk.fault is not None or any(change.put for change in changes if change.lane == "event")
            store.commit(changes, durable=durable)
            disk.works()
        now_s = time.monotonic()
        with self.changed:
            for lane, room, change in work:
                lane.end_group(room)
                if change is not None:
                    lane.recorded(change.state, purged=change.purge)
                    self._budget.spend(size_of(change.put), now_s)
            self.changed.notify_all()

    def _prepare(self, lane: Lane, store: Store, clock: RunningClock) -> tuple[Room, Change | None]:
        """What is to be written of a lane, with room made for it, and the change of the file, None if it needs none."""
        bounds = self._all_bounds[lane.name]
        with self.changed:
            group = lane.begin_group()
            candidates = lane.candidates(group)
            from_id = lane.free_from_id
            excess_bytes = lane.disk_bytes + size_of(group) - bounds.max_bytes
        if excess_bytes > 0:
            excess_bytes += bounds.max_bytes // _SLACK
        room = make_room(
            store, lane.name, group, candidates, from_id=from_id, excess_bytes=excess_bytes, order=bounds.order
        )
        now_s = time.monotonic()
        if from_id is not None and now_s >= bounds.look_at_s:
            room = outdated(store, lane.name, room, from_id=from_id, before_s=clock.s() - bounds.max_age_s)
            if room.lost[TOO_OLD] < _MANY:
                bounds.look_at_s = now_s + self._look_s
            else:
                self._work.set()  # there may be more
        with self.changed:
            room.put = lane.still_unconfirmed(room.put)
            purge = self._purges(lane)
            # A disk that failed is tried although there is nothing to write: else it would be said to fail until there is.
            if not (room.put or room.removed or lane.must_record or purge or self.fault):
                return room, None
            state = lane.state(clock.s(), room)
        return room, Change(lane.name, state, room.put, room.removed, purge=purge)


@dataclass(slots=True)
class _Bounds:
    """Of one lane, and when ages are looked at next."""

    max_bytes: int
    max_age_s: float
    order: GivesUp
    look_at_s: float = 0.0
