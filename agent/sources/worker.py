"""One capture thread: makes a source, opens it, reads it, and makes another one when that failed.

It can be given up from outside while a call of the source does not return. When that call returns after all, the thread
closes its source and ends; nothing of it is handed over.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

from agent.core.backoff import Backoff
from agent.core.errors import LinesideError, SourceUnavailable
from agent.sources.contract import EndOfStream, FrameUnreadable
from agent.sources.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.core.frames import Frame
    from agent.core.messages import CaptureClock
    from agent.sources.contract import Source
    from agent.sources.policy import RunnerPolicy

log = logging.getLogger("lineside.sources")

T = TypeVar("T")
Call = Literal["open", "read", "close"]
LostState = Literal["failed", "no_signal"]


class _GivenUp(Exception):
    """A call returned after the thread had been given up."""


@dataclass(frozen=True, slots=True)
class Reports:
    """What a worker tells its runner, always in the worker's own thread and never after it was given up.

    Attributes:
        wanted: Whether anybody still takes frames.
        next_index: Number of the frame that is read next.
        frame: A frame came; returns when everybody took it or dropped it.
        unreadable: A frame was passed over.
        lost: The source could not be opened (`failed`), or the connection was lost (`no_signal`); with the seconds until the
            next try.
        ended: The worker ends: there are no more frames (None), nobody takes them, or there never will be any.
    """

    wanted: Callable[[], bool]
    next_index: Callable[[], int]
    frame: Callable[[Frame, CaptureClock], None]
    unreadable: Callable[[FrameUnreadable], None]
    lost: Callable[[LinesideError, LostState, float], None]
    ended: Callable[[LinesideError | None], None]


class Worker:
    """Owns one capture thread. `start`, `stuck_s`, `give_up_if_stuck` and `join` are called by others, the rest is its own."""

    def __init__(
        self,
        name: str,
        *,
        make: Callable[[], Source],
        policy: RunnerPolicy,
        stop: threading.Event,
        reports: Reports,
    ) -> None:
        self._name = name
        self._make = make
        self._policy = policy
        self._stop = stop
        self._reports = reports
        self._turn = threading.Lock()
        self._call: Call = "open"
        self._call_since_s: float | None = None
        self._given_up = False
        self._opened = False
        self._crash: str | None = None
        self._thread = threading.Thread(target=self._run, name=f"source-{name}", daemon=True)

    def start(self) -> None:
        """Begin to capture."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread still runs."""
        return self._thread.is_alive()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end of the thread; False if it did not come in time."""
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def stuck_s(self, now_s: float) -> float | None:
        """How long a call has held the thread, if that is too long.

        Args:
            now_s: Monotonic time.
        """
        since_s = self._call_since_s
        stuck_s = 0.0 if self._given_up or since_s is None else now_s - since_s
        return stuck_s if stuck_s > self._policy.hang_after_s else None

    def give_up_if_stuck(self, now_s: float) -> Call | None:
        """The call that has held the thread for too long, or None. After that, the worker tells nothing any more.

        Args:
            now_s: Monotonic time.
        """
        with self._turn:
            if self.stuck_s(now_s) is None:
                return None
            self._given_up = True
            return self._call

    def _guarded(self, call: Call, work: Callable[[], T]) -> T:
        """Do what may hang. Raises _GivenUp, whatever came of it, if the thread was given up meanwhile."""
        self._call, self._call_since_s = call, time.monotonic()
        try:
            return work()
        finally:
            with self._turn:
                self._call_since_s = None
                if self._given_up:
                    raise _GivenUp

    def _run(self) -> None:
        backoff = Backoff(self._policy.backoff_first_s, self._policy.backoff_max_s)
        try:
            fault = self._until_the_end(backoff)
        except _GivenUp:
            return
        if not self._stop.is_set():
            self._reports.ended(fault)

    def _until_the_end(self, backoff: Backoff) -> LinesideError | None:
        """Connect again and again; None when there are no more frames or nobody wants them, else why there never will be."""
        while self._wanted():
            fault = self._connection(backoff)
            if fault is None or not fault.retryable or self._stop.is_set():
                return fault
            delay_s = backoff.next_s()
            self._reports.lost(fault, "no_signal" if self._opened else "failed", delay_s)
            self._stop.wait(delay_s)
        return None

    def _wanted(self) -> bool:
        return not self._stop.is_set() and self._reports.wanted()

    def _connection(self, backoff: Backoff) -> LinesideError | None:
        """From open to close; why it came to an end, or None when there are no more frames or nobody wants them."""
        self._opened = False
        source: Source | None = None
        try:
            source = self._make()
            self._guarded("open", source.open)
            self._opened = True
            self._frames(source, backoff)
        except EndOfStream:
            return None
        except LinesideError as error:
            return error
        except _GivenUp:
            raise
        except Exception as error:  # noqa: BLE001 - the boundary of a plug-in: it may raise anything, the line goes on
            return self._crashed(error)
        finally:
            if source is not None:
                self._close(source)
        return None

    def _frames(self, source: Source, backoff: Backoff) -> None:
        """Read until the source raises or nobody wants more."""

        def read() -> Frame:
            return source.read(self._reports.next_index())

        pace = None if source.period_s is None else Pace(source.period_s)
        while self._wanted():
            if pace is not None and self._stop.wait(pace.wait_s(time.monotonic())):
                return
            try:
                frame = self._guarded("read", read)
            except FrameUnreadable as unreadable:
                self._reports.unreadable(unreadable)
                continue
            backoff.reset()
            self._reports.frame(frame, source.captured_at_from)
            del frame  # some megabytes, and the next one may be long in coming

    def _close(self, source: Source) -> None:
        """Closing may hang as well, and what it raises must not hide why it is closed."""
        try:
            self._guarded("close", source.close)
        except _GivenUp:
            raise
        except Exception:  # the boundary of a plug-in
            log.exception("source %s did not close", self._name, extra={"source": self._name})

    def _crashed(self, error: Exception) -> SourceUnavailable:
        """What is no error of ours is tried again like a lost connection; the traceback is logged when it is a new one."""
        text = f"{type(error).__name__}: {error}"
        if text != self._crash:
            self._crash = text
            log.error("source %s crashed", self._name, exc_info=error, extra={"source": self._name})
        return SourceUnavailable(text, hint="report it with the log lines above")
