"""What a spool owes after something happened to its process or its disk, compared with what the process had said."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from spool_driver import is_whole, open_spool

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from agent.spool.record import Record
    from agent.spool.spool import Spool


@dataclass(frozen=True)
class Said:
    """What a driver was told.

    Attributes:
        accepted: Numbers of events that the spool had taken for good.
        confirmed: Numbers of events that the broker may have.
        faults: How often it was told that the disk is not well; 0 if it did not come to its end.
        recoveries: How often that it is well again.
    """

    accepted: frozenset[int]
    confirmed: frozenset[int]
    faults: int
    recoveries: int

    @classmethod
    def of(cls, text: bytes) -> Said:
        """From its standard output, of which the last line may be cut short."""
        lines = [line.split() for line in text.decode().split("\n")[:-1]]
        accepted, confirmed, faults, recoveries = (
            frozenset(int(number) for letter, number in lines if letter == which) for which in "acfr"
        )
        return cls(accepted, confirmed, max(faults, default=0), max(recoveries, default=0))


@dataclass
class Found:
    """What a spool hands out when it is opened.

    Attributes:
        records: Everything, in its order.
        damaged: How often a damaged file was moved aside.
        told: What was said of the disk.
    """

    records: list[Record] = field(default_factory=list)
    damaged: int = 0
    told: list[str] = field(default_factory=list)

    @property
    def covered(self) -> set[int]:
        """Numbers of events that are there, or announced by a gap."""
        return {number for record in self.records for number in range(record.first, record.last + 1)}


def drain(spool: Spool) -> list[Record]:
    """Everything that a spool owes, confirmed one by one."""
    taken = []
    with spool.changed:
        spool.events.connect()
    while True:
        spool.load()
        with spool.changed:
            record = spool.events.take(sys.maxsize)
            if record is None:
                return taken
            spool.events.confirm(record)
        taken.append(record)


def open_and_drain(folder: Path) -> Found:
    """Start on what is there, as the agent does."""
    found = Found()
    spool = open_spool(folder, lambda cause, sentence: found.told.append(f"{cause}: {sentence}"))
    spool.open()
    try:
        assert spool.fault is None, spool.fault
        found.records = drain(spool)
    finally:
        spool.close()
    found.damaged = spool.damaged
    return found


def lost(said: Said, found: Found) -> set[int]:
    """Accepted, not confirmed, and neither there nor announced."""
    return set(said.accepted - said.confirmed - found.covered)


def disorder(records: Iterable[Record]) -> list[str]:
    """What is torn, or not behind the one before it."""
    wrong, last = [], -1
    for record in records:
        if not is_whole(record):
            wrong.append(f"{record.first} is torn")
        if record.first <= last:
            wrong.append(f"{record.first} comes behind {last}")
        last = max(last, record.last)
    return wrong
