"""What the agent does from time to time. The one door to APScheduler."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

if TYPE_CHECKING:
    from collections.abc import Callable


class Jobs:
    """Runs functions at intervals in a small pool of threads.

    APScheduler's default misfire window of one second silently skips jobs on a loaded machine, so nothing is ever skipped
    here: late runs are made up for by one (`coalesce`), and a job never runs beside itself.
    """

    def __init__(self) -> None:
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(2)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone="UTC",
        )

    def every(self, seconds: float, name: str, job: Callable[[], None], *, jitter_s: float | None = None) -> None:
        """Call `job` every `seconds`; `jitter_s` spreads what talks to others."""
        self._scheduler.add_job(job, "interval", seconds=seconds, id=name, jitter=jitter_s)

    def after(self, seconds: float, name: str, job: Callable[[], None]) -> None:
        """Call `job` once, `seconds` from now."""
        when = datetime.now(timezone.utc) + timedelta(seconds=seconds)
        self._scheduler.add_job(job, "date", run_date=when, id=name)

    def start(self) -> None:
        """Begin; the first run of each job comes after its interval."""
        self._scheduler.start()

    def close(self) -> None:
        """End without waiting for a run at hand. May be called twice."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
