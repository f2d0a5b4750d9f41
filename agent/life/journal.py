"""The journal of versions that are on their way or not confirmed yet, so that a start knows what the one before has tried.

One small file, replaced as a whole. A model without a record has nothing on its way, and what it runs is confirmed. What is active is for
the store to say (`cloud_sync.store`); where a kill came between the two, the store is right.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from agent.core.times import now_text
from agent.life.tally import DECIDED, TRIED
from cloud_sync.atomic import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from agent.core.life import Word

log = logging.getLogger("lineside.life")

NAME = "life.json"
SCHEMA = "lineside.life/1"
MOST_LINES = 100
"""Of what has happened."""
State = Literal["verified", "shadow", "canary", "active"]
_STATES = ("verified", "shadow", "canary", "active")
_STAY = ("better", "worse", "wrong", "others", "others unusable")
_WORDS = ("", "hold", "confirm", "return")


@dataclass(slots=True)
class Record:
    """A version that is on its way, or active and not confirmed.

    Attributes:
        version: Of the model.
        digest: Of its manifest, in hexadecimal.
        state: Where it is.
        reason: Why, in words.
        gates: Those that hold for it.
        spent_s: Seconds in the state while the agent ran.
        runs: Of the agent in a row that began or went on with it and did not end cleanly, the present one included.
        word: What an operator has said, until it is done.
        counts: What was seen of it; see `agent.life.tally`.
        reference: Decisions of the model that it is compared with, by count.
    """

    version: str
    digest: str
    state: State
    reason: str
    gates: dict[str, float] = field(default_factory=dict)
    spent_s: float = 0.0
    runs: int = 1
    word: Word = ""
    counts: dict[str, int] = field(default_factory=dict)
    reference: dict[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            "version": self.version,
            "digest": self.digest,
            "state": self.state,
            "reason": self.reason,
            "gates": self.gates,
            "spent_s": round(self.spent_s, 1),
            "runs": self.runs,
            "word": self.word,
            "counts": self.counts,
            "reference": self.reference,
        }


class Journal:
    """One thread at a time.

    Attributes:
        records: By the registry's name of the model.
        lines: What has happened, the newest last: {at, model, version, state, reason}.
        fault: Why it cannot be written; None if it can.
    """

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / NAME
        self.records: dict[str, Record] = {}
        self.lines: list[dict[str, str]] = []
        self.fault: str | None = None

    def read(self) -> None:
        """Take in what an earlier start has written. One that cannot be read counts as none: the store says what is active."""
        try:
            data = json.loads(self._path.read_bytes())
            self.records = _records(data)
            self.lines = [{str(k): str(v) for k, v in line.items()} for line in data["lines"]][-MOST_LINES:]
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            self.records, self.lines = {}, []
            hint = {"hint": "what is on its way begins anew; what is active stays"}
            log.error("%s cannot be read: %s %s", self._path, type(error).__name__, error, extra=hint)  # noqa: TRY400 - its cause is in the line

    def note(self, model: str, version: str, state: str, reason: str) -> None:
        """Write down what has become of a version; `write` brings it to the disk."""
        line = {"at": now_text(), "model": model, "version": version, "state": state, "reason": reason}
        self.lines = [*self.lines, line][-MOST_LINES:]

    def write(self) -> bool:
        """Bring it to the disk; False, and logged once, if that fails."""
        models = {name: record.as_dict() for name, record in sorted(self.records.items())}
        body = {"schema": SCHEMA, "models": models, "lines": self.lines}
        try:
            write_atomically(self._path, json.dumps(body, indent=1, ensure_ascii=False).encode() + b"\n")
        except OSError as error:
            if self.fault is None:
                hint = {"hint": "is the disk full? lineside doctor"}
                log.error("%s cannot be written: %s", self._path, error, extra=hint)  # noqa: TRY400 - its cause is in the line
            self.fault = error.strerror or str(error)
            return False
        self.fault = None
        return True


def in_state(record: Record, state: State, reason: str) -> Record:
    """The record of the same version in another state: its own frames begin anew.

    What others did, what feedback said and what it has decided is kept.
    """
    kept = Counter({name: count for name, count in record.counts.items() if name in _STAY or name.startswith(TRIED)})
    for name, count in record.counts.items():
        if name.startswith(DECIDED):
            kept[f"{TRIED}{name.removeprefix(DECIDED)}"] += count
    return replace(record, state=state, reason=reason, spent_s=0.0, runs=1, word="", counts=dict(kept))


def _records(data: dict[str, Any]) -> dict[str, Record]:
    """See `_record`."""
    if data["schema"] != SCHEMA:
        raise ValueError(f"schema {data['schema']!r}")
    return {str(name): _record(row) for name, row in data["models"].items()}


def _record(row: dict[str, Any]) -> Record:
    """A record after JSON.

    Raises:
        ValueError: It is none.
        KeyError: Likewise.
        TypeError: Likewise.
    """
    if row["state"] not in _STATES or row["word"] not in _WORDS:
        raise ValueError(f"state {row['state']!r}, word {row['word']!r}")
    return Record(
        str(row["version"]),
        str(row["digest"]),
        row["state"],
        str(row["reason"]),
        {str(name): float(value) for name, value in row["gates"].items()},
        float(row["spent_s"]),
        int(row["runs"]),
        row["word"],
        {str(name): int(count) for name, count in row["counts"].items()},
        {str(name): int(count) for name, count in row["reference"].items()},
    )
