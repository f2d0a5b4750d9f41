"""What the agent does from time to time. The one door to APScheduler, which is imported at the start of the jobs and not before."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Jobs:
    """Runs functions at intervals in a small pool of threads.

    APScheduler's default misfire window of one second silently skips jobs on a loaded machine, so nothing is ever skipped
    here: late runs are made up for by one (`coalesce`), and a job never runs beside itself.
    """

    def __init__(self) -> None:
        self._wanted: list[Callable[[Any], object]] = []
        self._scheduler: Any = None

    def every(self, seconds: float, name: str, job: Callable[[], None], *, jitter_s: float | None = None) -> None:
        """Call `job` every `seconds`; `jitter_s` spreads what talks to others. Before `start`."""
        self._wanted.append(lambda to: to.add_job(job, "interval", seconds=seconds, id=name, jitter=jitter_s))

    def after(self, seconds: float, name: str, job: Callable[[], None]) -> None:
        """Call `job` once, `seconds` from the start. Before `start`."""

        def add(to: Any) -> None:
            to.add_job(job, "date", run_date=datetime.now(timezone.utc) + timedelta(seconds=seconds), id=name)

        self._wanted.append(add)

    def start(self) -> None:
        """Begin, unless they have begun; the first run of each job comes after its interval."""
        if self._scheduler is not None:
            return
        # 20 ms that the first prediction need not wait for
        from apscheduler.executors.pool import ThreadPoolExecutor  # noqa: PLC0415
        from apscheduler.schedulers.background import BackgroundScheduler  # noqa: PLC0415

        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(2)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone="UTC",
        )
        for add in self._wanted:
            add(self._scheduler)
        self._scheduler.start()

    def close(self) -> None:
        """End without waiting for a run at hand. May be called twice."""
        if self._scheduler is not None and self._scheduler.running:
            self._scheduler.shutdown(wait=False)
