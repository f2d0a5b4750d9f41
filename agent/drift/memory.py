"""What a start knows of the alarms before it (`drift.json` in the state directory), so that a restart neither clears nor forgets one.

The topic is retained: subscribers have the alarm before them while the agent is away. One small file, replaced as a whole, and only when something
in it changes, which on a line that is as it was it never does. Figures and half-gathered windows are not kept: they begin anew.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cloud_sync.atomic import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

log = logging.getLogger("lineside.drift")

NAME: Final = "drift.json"
SCHEMA: Final = "lineside.drift-memory/1"
_MAX_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Alarm:
    """A statistic that drifts, or is on its way to it or back.

    Attributes:
        drifting: Whether the alarm is raised.
        since: When it came to be as it is.
        streak: Windows in succession that speak against that.
    """

    drifting: bool
    since: str
    streak: int


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is kept of a line.

    Attributes:
        model: Digest of the one that was watched.
        since: When the line began to drift; None where it does not.
        was_quiet: See `agent.drift.line.Line`.
        alarms: By the name of the statistic; those that there is nothing to say of are left out.
    """

    model: str
    since: str | None = None
    was_quiet: bool = False
    alarms: dict[str, Alarm] = field(default_factory=dict)


class Memory:
    """One thread."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / NAME
        self._written = b""
        self._failed = False

    def read(self) -> dict[str, Remembered]:
        """What was kept, by pipeline; nothing where there is no file, or one that cannot be read, which is logged."""
        try:
            with self._path.open("rb") as file:
                self._written = file.read(_MAX_BYTES)
            return _lines(json.loads(self._written))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            hint = {"hint": "alarms begin anew; lines that drift are told after two windows"}
            log.error("%s cannot be read: %s %s", self._path, type(error).__name__, error, extra=hint)  # noqa: TRY400 - its cause is in the line
            return {}

    def write(self, lines: Mapping[str, Remembered]) -> None:
        """Bring it to the disk if it says something else than before; that this fails is logged once."""
        body = {"schema": SCHEMA, "pipelines": {name: asdict(line) for name, line in sorted(lines.items())}}
        content = json.dumps(body, ensure_ascii=False).encode() + b"\n"
        if content == self._written:
            return
        try:
            write_atomically(self._path, content)
        except OSError as error:
            if not self._failed:
                hint = {"hint": "a restart forgets alarms; is the disk full? lineside doctor"}
                log.error("%s cannot be written: %s", self._path, error, extra=hint)  # noqa: TRY400 - its cause is in the line
            self._failed = True
            return
        self._written, self._failed = content, False


def _lines(data: dict[str, Any]) -> dict[str, Remembered]:
    """The file after JSON.

    Raises:
        ValueError: It is none of ours, or of another version.
        LookupError: Likewise.
        TypeError: Likewise.
        AttributeError: Likewise.
    """
    if data["schema"] != SCHEMA:
        raise ValueError(f"schema {data['schema']!r}")
    return {str(name): _remembered(row) for name, row in data["pipelines"].items()}


def _remembered(row: dict[str, Any]) -> Remembered:
    since = row["since"]
    alarms = {
        str(name): Alarm(bool(one["drifting"]), str(one["since"]), int(one["streak"]))
        for name, one in row["alarms"].items()
    }
    return Remembered(str(row["model"]), None if since is None else str(since), bool(row["was_quiet"]), alarms)
