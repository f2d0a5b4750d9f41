"""A child process that works with a real spool, and says on its standard output what it was told: `python spool_driver.py STATE [COUNT]`.

`a N` is written after `flush` has come back without a fault: event N is accepted. `c N` is written before the spool hears that the broker
has event N; at the end `f N`, how often a fault of the disk was told, and `r N`, how often that it was over. One line a write, straight to the pipe, so that whoever reads knows what was said when the process died.
"""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from agent.spool.record import Record
from agent.spool.settings import SpoolSettings
from agent.spool.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable

SESSIONS = 3
"""How often the spool is opened."""
SMALL_BYTES = 64 << 10
"""So small that events are forced out."""


def event(number: int, size_bytes: int = 700) -> Record:
    """The event with a number; all of its payload says which, so that a torn one is noticed."""
    text = f"{number:08d} "
    payload = json.dumps({"seq": text * max(1, (size_bytes - 10) // 9)}).encode()
    return Record(0, "event", "press", "session", number, number, "reject", payload)


def is_whole(record: Record) -> bool:
    """Whether a message is what was accepted."""
    return record.is_gap or set(json.loads(record.payload)["seq"].split()) == {f"{record.first:08d}"}


def say(letter: str, number: int) -> None:
    """Straight to the pipe."""
    os.write(1, f"{letter} {number}\n".encode())


def open_spool(folder: Path, on_fault: Callable[[str, str | None], None] = lambda *_: None) -> Spool:
    """A small one, whose thread does nothing on its own, so that each run does the same."""
    settings = SpoolSettings(max_bytes=SMALL_BYTES, flush_ms=60_000, gives_up="oldest")
    return Spool(settings, folder, capacity=50, on_fault=on_fault)


def send(spool: Spool, most: int) -> int:
    """Have the broker take some events; how many it took."""
    sent = 0
    while sent < most:
        spool.load()
        with spool.changed:
            record = spool.events.take(20)
            if record is not None:
                for number in range(record.first, record.last + 1):
                    say("c", number)
                spool.events.confirm(record)
        if record is None:
            break
        sent += 1
    return sent


def work(folder: Path, count: int) -> None:
    """Accept `count` events in a few sessions, with the broker there and away."""
    dice = random.Random(7)
    number = accepted = 0
    told: list[str | None] = []
    for session in range(SESSIONS):
        spool = open_spool(folder, lambda _cause, sentence: told.append(sentence))
        spool.open()
        accepted = number  # what the session before could not write is gone with it
        while number < count * (session + 1) // SESSIONS:
            with spool.changed:
                if dice.random() < 0.3:
                    spool.events.disconnect()
                else:
                    spool.events.connect()
                for _ in range(dice.randint(1, 12)):
                    spool.accept(spool.events, event(number, dice.choice((40, 700, 700, 5000))))
                    number += 1
            if dice.random() < 0.3:
                send(spool, dice.randint(1, 5))
            spool.flush()
            if spool.fault is None:
                while accepted < number:
                    say("a", accepted)
                    accepted += 1
            if dice.random() < 0.5 and send(spool, dice.randint(1, 15)):
                spool.record_confirmations()
        spool.close()
    say("f", sum(sentence is not None for sentence in told))
    say("r", sum(sentence is None for sentence in told))


if __name__ == "__main__":
    work(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 300)
