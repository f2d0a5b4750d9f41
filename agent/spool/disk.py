"""The spool's file as it comes and goes: opened, lost for a while, tried again, or damaged and replaced.

A disk that is full, read-only or failing costs durability and nothing else. A damaged file is moved aside, what can be read of it is
saved, and a new one begun. Called by the spool, which holds its lock for the disk around every call.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from agent.core.backoff import Backoff
from agent.spool.faults import SpoolCorrupt, SpoolUnwritable, named
from agent.spool.quarantine import Quarantine
from agent.spool.salvage import aside, move_aside, save_from, save_from_file
from agent.spool.soundness import look
from agent.spool.store import Store

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from agent.spool.lane import Lane

log = logging.getLogger("lineside.spool")

_RETRY_FIRST_S, _RETRY_MAX_S = 1.0, 30.0


class RunningClock:
    """Seconds for which agents have worked on a file: monotonic, over restarts too, whatever the wall clock does."""

    def __init__(self) -> None:
        self.base_s = 0.0
        self._since_s = time.monotonic()

    def s(self) -> float:
        """Now."""
        return self.base_s + time.monotonic() - self._since_s


class Disk:
    """Under the spool's lock for the disk; the attributes may be read by any thread.

    Attributes:
        store: The open file; None while there is none.
        quarantine: What the broker does not take; None without a file.
        fault: Why it takes nothing now, or None.
        damaged: How often a damaged file was moved aside.
        retry_at_s: Monotonic time before which it is not tried again.
        clock: Of the file.
    """

    def __init__(
        self,
        path: Path,
        lanes: Sequence[Lane],
        changed: threading.Condition,
        *,
        quarantined: int,
        on_fault: Callable[[str, str | None], None],
    ) -> None:
        """Store.

        Args:
            path: Of the file.
            lanes: What is kept in it.
            changed: Their lock.
            quarantined: Messages in quarantine at most.
            on_fault: See `Spool`.
        """
        self.store: Store | None = None
        self.quarantine: Quarantine | None = None
        self.fault: SpoolUnwritable | None = None
        self.damaged = 0
        self.retry_at_s = 0.0
        self.clock = RunningClock()
        self._path = path
        self._lanes = lanes
        self._changed = changed
        self._quarantined = quarantined
        self._on_fault = on_fault
        self._retry = Backoff(_RETRY_FIRST_S, _RETRY_MAX_S)

    @property
    def is_due(self) -> bool:
        """Whether it works, or may be tried again."""
        return self.fault is None or time.monotonic() >= self.retry_at_s

    def open(self) -> bool:
        """Open the file, or make it; False if the disk does not let us."""
        try:
            with named(self._path):
                look(self._path)
            self._attach(Store(self._path))
        except SpoolCorrupt as fault:
            return self._replace(fault)
        except SpoolUnwritable as fault:
            self.fail(fault)
            return False
        return True

    def close(self) -> None:
        """Close the file. May be called twice."""
        if self.store is not None:
            self.store.close()
            self.store = None

    def works(self) -> None:
        """Something was written."""
        if self.fault is None:
            return
        self.fault = None
        self.retry_at_s = 0.0
        self._retry.reset()
        with self._changed:
            for lane in self._lanes:
                lane.is_durable = True
        log.info("the spool is written again")
        self._on_fault("spool", None)

    def fail(self, fault: SpoolCorrupt | SpoolUnwritable) -> None:
        """It takes nothing now: messages stay in memory, and it is tried again later. A damaged file is replaced."""
        if isinstance(fault, SpoolCorrupt):
            self._replace(fault)
            return
        with self._changed:
            for lane in self._lanes:
                lane.is_durable = False
                lane.reason = "disk_full" if "full" in str(fault) else "disk_error"
        self.retry_at_s = time.monotonic() + self._retry.next_s()
        if self.fault is None:
            sentence = f"events are not durable: {fault}"
            log.error("%s", sentence, extra={"code": fault.code, "hint": fault.hint})
            self._on_fault("spool", sentence)
        self.fault = fault

    def _attach(self, store: Store) -> None:
        clock = self.clock
        with self._changed:
            base_s = max(clock.base_s, *(state.clock_s for state in store.states.values()))
            for lane in self._lanes:
                lane.attach(store.states[lane.name], clock_s=base_s - clock.base_s)
            clock.base_s = base_s
        self.store = store
        self.quarantine = Quarantine(store, self._quarantined)
        waiting = sum(state.count for state in store.states.values())
        if waiting:
            log.info("the spool holds %d messages of earlier sessions", waiting)
        self.works()

    def _replace(self, damage: SpoolCorrupt) -> bool:
        """Move a damaged file aside, save what can be read of it, and begin a new one; whether that worked."""
        in_hand = {} if self.store is None else save_from(self.store)
        self.close()
        self.quarantine = None
        self.damaged += 1
        try:
            move_aside(self._path)
        except OSError as error:
            self.fail(SpoolUnwritable(f"{damage}, and it cannot be moved aside: {error.strerror}", hint=damage.hint))
            return False
        saved = {lane: rows | in_hand.get(lane, {}) for lane, rows in save_from_file(self._path).items()}
        with self._changed:
            lost = sum(lane.detach(saved[lane.name].values()) for lane in self._lanes)
            kept = sum(map(len, self._lanes))
        sentence = f"{damage}; it was moved to {aside(self._path).name}, {kept} messages were saved, {lost or 'none known'} lost"
        log.error("%s", sentence, extra={"code": damage.code, "hint": "lineside doctor; is the disk failing? dmesg"})
        self._on_fault("spool/damaged", sentence)
        try:
            self._attach(Store(self._path))
        except (SpoolCorrupt, SpoolUnwritable) as fault:
            self.fail(fault if isinstance(fault, SpoolUnwritable) else SpoolUnwritable(str(fault), hint=fault.hint))
            return False
        return True
