"""The agent as a service of systemd: ready, how it is, alive, stopping. Called by the main loop of `agent.app`, never by a timer.

That the main loop itself comes round is half of what the watchdog is there to see.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from agent.core.watchdog import PipelineView, sentence, troubles, withheld_by

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.mqtt.publisher import Publisher
    from agent.pipeline.runner import PipelineRunner
    from agent.sources.runner import SourceRunner
    from agent.telemetry.systemd import Notifier

log = logging.getLogger("lineside.service")

_STATUS_EVERY_S = 10.0
_RATE_OVER_S = 10.0
_LAST_WORDS_S = 10.0
"""Beyond the grace: what a stop takes until the process has gone."""


class Service:
    """One thread: that of the main loop."""

    def __init__(
        self,
        notifier: Notifier,
        pipelines: Mapping[str, PipelineRunner],
        sources: Mapping[str, SourceRunner],
        publisher: Publisher,
    ) -> None:
        """Store.

        Args:
            notifier: To systemd.
            pipelines: By name.
            sources: By name.
            publisher: Whose connection and queue are spoken of.
        """
        self._notifier = notifier
        self._pipelines = pipelines
        self._sources = sources
        self._publisher = publisher
        self._fed_s = float("-inf")
        self._said_s = float("-inf")
        self._said: object = None
        self._withheld: str | None = None

    def ready(self, now_s: float) -> None:
        """The agent is born and its sources have been started.

        Args:
            now_s: Monotonic time.
        """
        self._notifier.tell(READY=1)
        self.tick(now_s)

    def tick(self, now_s: float) -> None:
        """Say how it is, on change and every 10 s; and that it is alive, at half of the watchdog's time, if it is.

        Args:
            now_s: Monotonic time.
        """
        if not self._notifier.is_heard:
            return
        views = [self._view(pipeline, now_s) for pipeline in self._pipelines.values()]
        self._feed(views, now_s)
        link = self._publisher.link.state
        news = (troubles(views), link)
        if news == self._said and now_s - self._said_s < _STATUS_EVERY_S:
            return
        rate_hz = sum(pipeline.figures.over(_RATE_OVER_S, now_s)[0] for pipeline in self._pipelines.values())
        if self._notifier.tell(STATUS=sentence(views, rate_hz, link, self._publisher.queued)):
            self._said, self._said_s = news, now_s

    def stopping(self, grace_s: float) -> None:
        """The agent delivers what waits, for at most `grace_s`, and ends; the main loop comes round no more."""
        time_usec = round((grace_s + _LAST_WORDS_S) * 1e6)
        self._notifier.tell(
            STOPPING=1,
            STATUS=f"stopping; delivers what waits for at most {grace_s:g} s",
            EXTEND_TIMEOUT_USEC=time_usec,
            **({"WATCHDOG_USEC": time_usec, "WATCHDOG": 1} if self._notifier.watchdog_s else {}),
        )

    def _feed(self, views: list[PipelineView], now_s: float) -> None:
        if self._notifier.watchdog_s is None:
            return
        by = withheld_by(views)
        if by != self._withheld:
            self._withheld = by
            if by is not None:
                log.error(
                    "the watchdog is not fed: pipeline %s hangs and was not restarted", by, extra={"pipeline": by}
                )
        if by is None and now_s - self._fed_s >= self._notifier.watchdog_s / 2 and self._notifier.tell(WATCHDOG=1):
            self._fed_s = now_s

    def _view(self, pipeline: PipelineRunner, now_s: float) -> PipelineView:
        source = pipeline.settings.source
        return PipelineView(
            name=pipeline.name,
            state=pipeline.state,
            holds=frozenset(pipeline.intake.holds),
            source=source,
            source_state=self._sources[source].status.state,
            stalled=pipeline.stalled_s(now_s) is not None,
        )
