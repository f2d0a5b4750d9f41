"""What the agent does from time to time, by the monotonic clock: a jump of the wall clock neither delays a job nor hastens it."""

from __future__ import annotations

import logging
import random
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("lineside.jobs")


class Jobs:
    """Runs functions at intervals, each in a thread of its own.

    So a job never runs beside itself, and one that hangs holds up no other. Nothing is skipped on a loaded machine: runs that came
    due during a long one are made up for by one. A job that raises is logged, once for the same fault, and goes on. `every`, `after`, `start` and `close`
    belong to the composition.
    """

    def __init__(self) -> None:
        self._threads: list[threading.Thread] = []
        self._started = False
        self._closed = threading.Event()

    def every(self, seconds: float, name: str, job: Callable[[], None], *, jitter_s: float = 0.0) -> None:
        """Call `job` every `seconds`; `jitter_s` spreads what talks to others. Before `start`."""
        self._add(name, lambda: self._repeat(seconds, name, job, jitter_s))

    def after(self, seconds: float, name: str, job: Callable[[], None]) -> None:
        """Call `job` once, `seconds` from the start. Before `start`."""
        self._add(name, lambda: self._once(seconds, name, job))

    def start(self) -> None:
        """Begin, unless they have begun; the first run of each job comes after its interval."""
        if self._started:
            return
        self._started = True
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End without waiting for a run at hand. May be called twice."""
        self._closed.set()

    def _add(self, name: str, work: Callable[[], object]) -> None:
        self._threads.append(threading.Thread(target=work, name=f"job-{name}", daemon=True))

    def _once(self, after_s: float, name: str, job: Callable[[], None]) -> None:
        if not self._closed.wait(after_s):
            _run(name, job)

    def _repeat(self, every_s: float, name: str, job: Callable[[], None], jitter_s: float) -> None:
        due_s, fault = time.monotonic(), ""
        while True:
            now_s = time.monotonic()
            due_s = next_due_s(due_s, every_s, now_s)
            # Python waits by the monotonic clock too (futex(2) without FUTEX_CLOCK_REALTIME), seen with 3.10 to 3.13 on glibc 2.36.
            if self._closed.wait(max(0.0, due_s - now_s + random.uniform(-jitter_s, jitter_s))):  # noqa: S311 - a spread, no secret
                return
            fault = _run(name, job, fault)


def next_due_s(due_s: float, every_s: float, now_s: float) -> float:
    """When a job is due that was due at `due_s`: an interval later, or now if that is over. Monotonic times."""
    return max(due_s + every_s, now_s)


def _run(name: str, job: Callable[[], None], before: str = "") -> str:
    """What went wrong, empty if nothing did; logged unless it is the same as `before`."""
    try:
        job()
    except Exception as error:  # the boundary of a job: whatever it raises, it is called again at its time
        fault = f"{type(error).__name__}: {error}"
        if fault != before:
            log.exception("job %s failed; it is run again at its time", name, extra={"job": name})
        return fault
    return ""
