"""One source as the agent sees it: hands frames to the pipelines, watches its capture thread, and says how it is.

Retry, backoff, staleness, the replacement of a thread that hangs, and what is told and logged live here and in the worker; a
source only reports. The composition makes one runner per source, calls `check` twice a second, and has `agent.supervisor` look after
calls that hang.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from agent.core.boundary import Handover
from agent.core.errors import SourceUnavailable
from agent.core.mailbox import Mailbox
from agent.sources.policy import RunnerPolicy
from agent.sources.status import SourceStatus, StatusBoard
from agent.sources.worker import Reports, Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.core.errors import LinesideError
    from agent.core.frames import Frame
    from agent.core.messages import CaptureClock
    from agent.core.supervision import Plan
    from agent.sources.contract import FrameUnreadable, Source
    from agent.sources.worker import LostState

__all__ = ["RunnerPolicy", "SourceRunner", "SourceStatus"]

log = logging.getLogger("lineside.sources")

T = TypeVar("T")

_LIVE_CAPACITY = 1
_FINITE_CAPACITY = 2
_OFFER_S = 0.25
"""How long a frame is offered to a full mailbox before the runner looks whether it should stop."""
_NAMED_UNREADABLE = 1000
"""Unreadable frames that are logged by name; the rest is only counted."""


class SourceRunner:
    """Owns one source. `subscribe`, `start`, `stop`, `join` and `check` belong to the composition; any thread reads the rest.

    Implements `agent.core.supervision.Supervised`.

    Attributes:
        name: Name of the table in the configuration.
        kind: Of part, for the supervisor.
        live: Whether the newest frame wins; else every frame is taken.
        frames: Frames handed over since the start.
        unreadable: Frames that were passed over because they could not be decoded.
        abandoned: Capture threads that hung for good and were replaced.
        handover: Where its frames divide for all pipelines at once.
    """

    kind: Literal["source"] = "source"

    def __init__(
        self,
        name: str,
        *,
        make: Callable[[], Source],
        policy: RunnerPolicy,
        on_status: Callable[[SourceRunner], None] = lambda _: None,
    ) -> None:
        """Store; nothing runs yet.

        Args:
            name: Name of the table in the configuration.
            make: Gives a new source that is not open yet.
            policy: Limits.
            on_status: Called once after each change of `status`, in order, by the thread that made it; must be quick.
        """
        self.name = name
        self.live = policy.live
        self.frames = 0
        self.unreadable = 0
        self.abandoned = 0
        self.handover = Handover()
        self._make = make
        self._policy = policy
        self._board = StatusBoard(name, lambda: on_status(self))
        self._readers: list[tuple[Mailbox[Any], Callable[[Frame], Any]]] = []
        self._stop = threading.Event()
        self._watch = threading.Lock()
        self._worker: Worker | None = None
        self._lost: list[Worker] = []
        self._last_frame_s = 0.0
        self._named: set[str] = set()

    @property
    def status(self) -> SourceStatus:
        """How the source is now."""
        return self._board.status

    @property
    def fault(self) -> LinesideError | None:
        """Why it gives no frames, or None."""
        return self._board.fault

    @property
    def ended(self) -> bool:
        """Whether it gives no more frames and is not tried again."""
        return self._board.ended

    def subscribe(self, reader: str, admit: Callable[[Frame], T | None]) -> Mailbox[T]:
        """A mailbox that gets what `admit` makes of every frame, for the pipeline `reader`. Before `start` only.

        Of a live source it holds the newest frame; of a file or folder it makes the source wait. It is closed after the last
        frame; who closes it gets no more, and the source ends when nobody is left.

        Args:
            reader: Name of the pipeline.
            admit: Called in the capture thread, for one frame after the other; None lets the frame go. Must not raise.
        """
        box = Mailbox[T](_LIVE_CAPACITY, "drop_oldest") if self.live else Mailbox[T](_FINITE_CAPACITY, "wait")
        log.debug("pipeline %s reads source %s", reader, self.name)
        self._readers.append((box, admit))
        return box

    def start(self) -> None:
        """Begin to capture, in a thread of its own."""
        self._board.change(SourceStatus("connecting"))
        self._start_worker()

    def stop(self) -> None:
        """Give no more frames and close the mailboxes. Returns at once; the status stays as it was."""
        self._stop.set()
        self._close_boxes()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end of the capture thread; False if it did not come in time. Abandoned threads do not count."""
        worker = self._worker
        return worker is None or worker.join(timeout_s)

    def check(self, now_s: float) -> None:
        """Look from outside whether new frames come. To be called regularly, from any thread.

        Args:
            now_s: Monotonic time.
        """
        with self._watch:
            if self._stop.is_set() or self.ended:
                return
            if self.live and self.status.state == "ok" and now_s - self._last_frame_s > self._policy.stale_after_s:
                reason = f"no new frame for {self._policy.stale_after_s:g} s"
                self._board.change(SourceStatus("stale", self.status.captured_at_from, reason), only_from="ok")

    @property
    def abandoned_alive(self) -> int:
        """Abandoned capture threads that have not ended."""
        self._lost = [worker for worker in self._lost if worker.alive]
        return len(self._lost)

    def stalled_s(self, now_s: float) -> float | None:
        """How long a call has held the thread for too long; see `agent.core.supervision.Supervised`."""
        worker = self._worker
        return None if worker is None or self._stop.is_set() or self.ended else worker.stuck_s(now_s)

    def abandon(self, now_s: float, plan: Plan) -> bool:
        """Give up the thread that hangs; see `agent.core.supervision.Supervised`."""
        with self._watch:
            worker = self._worker
            call = None if worker is None else worker.give_up_if_stuck(now_s)
            if worker is None or call is None:
                return False
            self.abandoned += 1
            self._lost.append(worker)
            self._worker = None
        fault = SourceUnavailable(
            f"{call}() did not return for {self._policy.hang_after_s:g} s; its thread was abandoned",
            hint="check the device and its driver, or the network",
        )
        self._set_lost(fault, "failed" if call == "open" or plan.failed else "no_signal", plan.delay_s)
        return True

    def restart(self) -> None:
        """Connect again, in a fresh thread; see `agent.core.supervision.Supervised`."""
        if not self._stop.is_set():
            self._start_worker()

    def _start_worker(self) -> None:
        self._worker = Worker(
            self.name,
            make=self._make,
            policy=self._policy,
            stop=self._stop,
            reports=Reports(
                wanted=self._wanted,
                next_index=lambda: self.frames,
                frame=self._hand_over,
                unreadable=self._pass_over,
                lost=self._set_lost,
                ended=self._end,
            ),
        )
        self._worker.start()

    def _wanted(self) -> bool:
        return not all(box.closed for box, _ in self._readers)

    def _hand_over(self, frame: Frame, captured_at_from: CaptureClock) -> None:
        self._last_frame_s = time.monotonic()
        self.frames += 1
        status = self._board.status
        if status.state != "ok" or status.captured_at_from != captured_at_from:
            self._board.change(SourceStatus("ok", captured_at_from))
        self.handover.begins(frame.index)
        for box, admit in self._readers:
            admitted = None if box.closed else admit(frame)
            if admitted is not None:
                while not (box.put(admitted, _OFFER_S) or box.closed or self._stop.is_set()):
                    continue
        self.handover.ended()

    def _pass_over(self, unreadable: FrameUnreadable) -> None:
        self.unreadable += 1
        text = str(unreadable)
        if text not in self._named and len(self._named) < _NAMED_UNREADABLE:
            self._named.add(text)
            log.warning("source %s passed over %s", self.name, text, extra={"source": self.name})

    def _set_lost(self, fault: LinesideError, state: LostState, retry_in_s: float) -> None:
        self._board.change(SourceStatus(state, self.status.captured_at_from, str(fault), retry_in_s), fault)

    def _end(self, fault: LinesideError | None) -> None:
        """Said first, so that the last word is there before the pipelines end."""
        came_from = self.status.captured_at_from
        status = SourceStatus("ended", came_from) if fault is None else SourceStatus("failed", came_from, str(fault))
        self._board.change(status, fault, ended=True)
        self._close_boxes()

    def _close_boxes(self) -> None:
        for box, _ in self._readers:
            box.close()
