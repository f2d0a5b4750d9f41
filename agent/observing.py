"""Who looks at the pipelines' predictions beside the line: drift and capture, made as the configuration says and put together."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from agent.capture.capture import Capture
from agent.capture.observer import Line
from agent.drift.desk import DriftDesk
from agent.models.reference import reference_of_model

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    import numpy.typing as npt

    from agent.config.settings import AgentSettings
    from agent.core.decisions import DecisionRule
    from agent.core.reference import Reference
    from agent.pipeline.runner import PipelineRunner
    from agent.reporter import Reporter
    from cloud_sync.store import ModelStore


class Lookers:
    """Drift and capture of all pipelines. `start` and `close` belong to the composition.

    Attributes:
        drift: Knows which pipelines drift.
        capture: Keeps samples.
    """

    def __init__(
        self,
        settings: AgentSettings,
        pipelines: Mapping[str, PipelineRunner],
        reporter: Reporter,
        *,
        session: str,
        store: ModelStore | None,
        jpeg: Callable[[npt.NDArray[np.uint8]], bytes],
    ) -> None:
        """Make both and have the pipelines tell them; no thread runs yet.

        Args:
            settings: The whole configuration.
            pipelines: By name.
            reporter: Is told of drift, and of a disk that takes no samples.
            session: Of this start of the agent.
            store: Holds the models that came from a registry.
            jpeg: Encodes pixels.
        """
        self._settings, self._reporter, self._store = settings, reporter, store
        tables = settings.pipelines
        self.capture = Capture(
            settings.samples,
            {
                name: Line(table.capture, table.seen, partial(_rule, pipelines[name]))
                for name, table in tables.items()
                if table.capture is not None
            },
            settings.device.state_dir,
            jpeg,
            partial(reporter.disk, "samples"),
        )
        self.drift = DriftDesk(
            {name: (table.drift, table.seen) for name, table in tables.items() if table.drift.statistics},
            device=settings.device.id,
            session=session,
            active=self._active_digest,
            find=self._reference,
            tell=reporter.drift,
            on_strange=self.capture.strange,
        )
        for observers in (self.drift.observers, self.capture.observers):
            for name, observer in observers.items():
                pipelines[name].observers.add(observer)

    def start(self) -> None:
        """Begin to look."""
        self.drift.start()
        self.capture.start()

    def close(self) -> None:
        """End. May be called twice."""
        self.drift.close()
        self.capture.close()

    def samples(self) -> dict[str, Any]:
        """For `lineside status`: what is kept, and what was not; empty where nothing is to be kept."""
        return self.capture.counts() if self.capture.observers else {}

    def _active_digest(self, pipeline: str) -> str | None:
        """Of the model that is said to be active there."""
        state = self._reporter.models().get(self._settings.pipelines[pipeline].model)
        return None if state is None or state.active is None else state.active.digest

    def _reference(self, pipeline: str, digest: str) -> Reference | None:
        return reference_of_model(self._settings.models[self._settings.pipelines[pipeline].model], digest, self._store)


def _rule(pipeline: PipelineRunner) -> DecisionRule | None:
    """What decides now; asked by the thread that has just judged a frame by it."""
    return pipeline.tuning.over(pipeline.tuning.configured)
