"""What the pipelines of one source need of its frames: answers a source that decodes on demand."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from agent.sources.demand import largest

if TYPE_CHECKING:
    from agent.pipeline.runner import PipelineRunner
    from agent.sources.demand import Needed

log = logging.getLogger("lineside.sources")

_LOOK_S = 0.02


class PipelineDemand:
    """Implements `agent.sources.demand.Demand`. Filled by the composition before the source starts, then the capture thread's."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._pipelines: list[PipelineRunner] = []
        self._told: set[str] = set()

    def add(self, pipeline: PipelineRunner) -> None:
        """A pipeline that reads the source."""
        self._pipelines.append(pipeline)

    def wait(self, timeout_s: float) -> bool:
        """Wait until every pipeline has loaded its model or failed to; False if one is still at it."""
        until_s = time.monotonic() + timeout_s
        while any(pipeline.is_loading for pipeline in self._pipelines):
            if time.monotonic() >= until_s:
                return False
            time.sleep(_LOOK_S)
        return True

    def needed(self) -> Needed | None:
        """See `agent.sources.demand.Demand`."""
        return largest(pipeline.needed for pipeline in self._pipelines)

    def tell(self, sentence: str) -> None:
        """See `agent.sources.demand.Demand`."""
        if sentence not in self._told:
            self._told.add(sentence)
            log.info("source %s: %s", self._source, sentence, extra={"source": self._source})
