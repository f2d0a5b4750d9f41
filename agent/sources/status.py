"""What a source says of itself: one status at a time, told and logged once per change, in order."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.core.errors import LinesideError
    from agent.core.messages import CaptureClock, SourceStateName

log = logging.getLogger("lineside.sources")

_LEVELS: dict[SourceStateName, int] = {"failed": logging.ERROR, "no_signal": logging.WARNING, "stale": logging.WARNING}


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """How a source is.

    Attributes:
        state: One of the states of design, section 4.3.
        captured_at_from: Where capture times come from.
        reason: Why, for the states that need one.
        retry_in_s: When it is tried again, in seconds from the moment this was said; None where it is not.
    """

    state: SourceStateName = "connecting"
    captured_at_from: CaptureClock = "arrival"
    reason: str | None = None
    retry_in_s: float | None = None

    def says_the_same_as(self, other: SourceStatus) -> bool:
        """Whether a person learns nothing new: all but `retry_in_s`, which differs with each try, is equal."""
        return (self.state, self.captured_at_from, self.reason) == (other.state, other.captured_at_from, other.reason)


class StatusBoard:
    """Holds the status of one source. Any thread changes and reads.

    Readers never wait. Changes wait for each other, and for `tell`, so that each is told before the next one holds; `tell`
    must therefore be quick.
    """

    def __init__(self, source: str, tell: Callable[[], None]) -> None:
        self._source = source
        self._tell = tell
        self._turn = threading.Lock()
        self._told: SourceStatus | None = None
        self.status = SourceStatus()
        self.fault: LinesideError | None = None
        self.ended = False

    def change(
        self,
        status: SourceStatus,
        fault: LinesideError | None = None,
        *,
        ended: bool = False,
        only_from: SourceStateName | None = None,
    ) -> None:
        """Set the status; tell and log it if it says something new.

        Args:
            status: What holds from now on.
            fault: The error behind it, if any.
            ended: Whether the source gives no more frames and is not tried again; nothing changes after that.
            only_from: Change nothing unless this is the present state.
        """
        with self._turn:
            if self.ended or (only_from is not None and self.status.state != only_from):
                return
            self.fault, self.status, self.ended = fault, status, ended
            if self._told is None or not self._told.says_the_same_as(status):
                self._told = status
                self._log(status, fault)
                self._tell()

    def _log(self, status: SourceStatus, fault: LinesideError | None) -> None:
        text = status.state if status.reason is None else f"{status.state}: {status.reason}"
        fields = {"source": self._source, "state": status.state}
        if status.retry_in_s is not None:
            fields["retry_in_s"] = f"{status.retry_in_s:.1f}"
        if fault is not None:
            fields |= {"code": fault.code, "hint": fault.hint}
        log.log(_LEVELS.get(status.state, logging.INFO), "source %s: %s", self._source, text, extra=fields)
