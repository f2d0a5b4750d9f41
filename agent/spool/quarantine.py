"""Messages that the broker refuses again and again: kept with the reason, out of the way of the others, until a person decides.

The rows lie in the spool's file. Called by whoever delivers (`add`), and for `lineside spool`, inside the agent or beside none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.spool.record import Record

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from agent.spool.record import LaneName
    from agent.spool.store import Store

_COLUMNS = "id, since, lane, pipeline, session, first, decision, tries, why, payload"
MAX_BYTES = 16 << 20
"""Of all payloads in quarantine."""


@dataclass(frozen=True, slots=True)
class Quarantined:
    """One message in quarantine.

    Attributes:
        id: Its number here.
        since: When it came here, UTC.
        lane: Where it was going.
        pipeline: Where it is from.
        session: Of the agent that made it.
        number: `event_seq`, or `seq` in the backlog.
        decision: What it says of the part.
        tries: How often the broker refused it.
        why: What the broker said.
        payload: As encoded when it was made.
    """

    id: int
    since: str
    lane: LaneName
    pipeline: str
    session: str
    number: int
    decision: str | None
    tries: int
    why: str
    payload: bytes

    def record(self) -> Record:
        """The same as a message that is to be sent after all; late, and at the end of its lane."""
        return Record(
            0,
            self.lane,
            self.pipeline,
            self.session,
            self.number,
            self.number,
            self.decision,
            self.payload,
            is_late=True,
        )


class Quarantine:
    """The table. Any thread; every method may raise the faults of `agent.spool.faults`.

    Attributes:
        count: Messages in it.
    """

    def __init__(self, store: Store, most: int) -> None:
        """Store.

        Args:
            store: The spool's file.
            most: Messages that are kept; beyond that the oldest go.
        """
        self._store = store
        self._most = most
        with store.editing() as db:
            self.count = _count(db)

    def add(self, record: Record, why: str, since: str) -> int:
        """Take a message in.

        Args:
            record: The message.
            why: What the broker said.
            since: The time, UTC.

        Returns:
            How many older ones had to go for good.
        """
        with self._store.editing() as db:
            db.execute(
                "INSERT INTO quarantine (since, lane, pipeline, session, first, decision, tries, why, payload)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    since,
                    record.lane,
                    record.pipeline,
                    record.session,
                    record.first,
                    record.decision,
                    record.refusals,
                    why,
                    record.payload,
                ),
            )
            gone = _bounded(db, self._most)
            self.count = _count(db)
        return gone

    def all(self) -> list[Quarantined]:
        """All, oldest first."""
        with self._store.editing() as db:
            rows = db.execute(f"SELECT {_COLUMNS} FROM quarantine ORDER BY id").fetchall()  # noqa: S608
        return [Quarantined(*row) for row in rows]

    def remove(self, numbers: Sequence[int]) -> int:
        """Forget messages; how many of them there were."""
        with self._store.editing() as db:
            before = _count(db)
            db.executemany("DELETE FROM quarantine WHERE id = ?", ((number,) for number in numbers))
            self.count = _count(db)
        return before - self.count


def _count(db: sqlite3.Connection) -> int:
    (count,) = db.execute("SELECT count(*) FROM quarantine").fetchone()
    return int(count)


def _bounded(db: sqlite3.Connection, most: int) -> int:
    (count, size) = db.execute("SELECT count(*), ifnull(sum(length(payload)), 0) FROM quarantine").fetchone()
    gone = 0
    while count > most or (size > MAX_BYTES and count > 1):
        number, length = db.execute("SELECT id, length(payload) FROM quarantine ORDER BY id LIMIT 1").fetchone()
        db.execute("DELETE FROM quarantine WHERE id = ?", (number,))
        count, size, gone = count - 1, size - length, gone + 1
    return gone
