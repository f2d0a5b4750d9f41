"""Who looks at the pipelines' predictions beside the line: drift and capture, made as the configuration says and put together.

Both are imported late: the first prediction waits for neither.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from agent.models.reference import reference_of_model

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    import numpy.typing as npt

    from agent.capture.capture import Capture
    from agent.config.settings import AgentSettings
    from agent.core.comparing import Pair
    from agent.core.decisions import DecisionRule
    from agent.core.feedback import Feedback
    from agent.core.frames import Frame
    from agent.core.messages import Prediction
    from agent.core.reference import Reference
    from agent.drift.desk import DriftDesk
    from agent.pipeline.runner import PipelineRunner
    from agent.reporter import Reporter
    from cloud_sync.store import ModelStore


class Lookers:
    """Drift and capture of all pipelines. `start`, `settle` and `close` belong to the composition, everything else to any thread."""

    def __init__(
        self,
        settings: AgentSettings,
        pipelines: Mapping[str, PipelineRunner],
        reporter: Reporter,
        *,
        session: str,
        store: ModelStore | None,
        jpeg: Callable[[npt.NDArray[np.uint8]], bytes],
        on_blame: Callable[[str, str | None], None] = lambda _pipeline, _sentence: None,
    ) -> None:
        """Store.

        Args:
            settings: The whole configuration.
            pipelines: By name.
            reporter: Is told of drift, and of a disk that takes no samples.
            session: Of this start of the agent.
            store: Holds the models that came from a registry.
            jpeg: Encodes pixels.
            on_blame: See `agent.drift.desk.DriftDesk`.
        """
        self._on_blame = on_blame
        self._settings, self._pipelines, self._reporter = settings, pipelines, reporter
        self._session, self._store, self._jpeg = session, store, jpeg
        self._capture: Capture | None = None
        self._drift: DriftDesk | None = None

    def start(self) -> None:
        """Keep samples of the pipelines that ask for it, from the first frame on."""
        tables = {name: table for name, table in self._settings.pipelines.items() if table.capture is not None}
        if not tables:
            return
        from agent.capture.capture import Capture  # noqa: PLC0415 - off until configured
        from agent.capture.observer import Line  # noqa: PLC0415

        lines = {
            name: Line(table.capture, table.seen, partial(_rule, self._pipelines[name]))
            for name, table in tables.items()
            if table.capture is not None
        }
        self._capture = Capture(
            self._settings.samples,
            lines,
            self._settings.device.state_dir,
            self._jpeg,
            partial(self._reporter.disk, "samples"),
        )
        for name, observer in self._capture.observers.items():
            self._pipelines[name].observers.add(observer)
        self._capture.start()

    def settle(self) -> None:
        """Watch for drift, which the first prediction need not wait for."""
        from agent.drift.desk import DriftDesk  # noqa: PLC0415 - see above
        from agent.drift.memory import Memory  # noqa: PLC0415 - see above

        self._drift = DriftDesk(
            {
                name: (table.drift, table.seen)
                for name, table in self._settings.pipelines.items()
                if table.drift.statistics
            },
            device=self._settings.device.id,
            session=self._session,
            active=self._active_digest,
            find=self._reference,
            tell=self._reporter.drift,
            memory=Memory(self._settings.device.state_dir),
            on_strange=self._strange,
            on_blame=self._on_blame,
        )
        for name, observer in self._drift.observers.items():
            self._pipelines[name].observers.add(observer)
        self._drift.start()

    def close(self) -> None:
        """End. May be called twice."""
        if self._drift is not None:
            self._drift.close()
        if self._capture is not None:
            self._capture.close()

    def drifting(self, pipeline: str) -> bool:
        """Whether what this pipeline sees is not what its model was evaluated on, as far as that is known."""
        return self._drift is not None and self._drift.drifting(pipeline)

    def disagreed(self, pair: Pair, frame: Frame) -> None:
        """The active model and its candidate said different things of a frame; it is kept where that is asked for."""
        if self._capture is not None:
            self._capture.disagreed(pair, frame)

    def feedback(self, said: Feedback) -> bool:
        """What a person says of a prediction; whether its picture is there to go with it. See `agent.capture.capture.Capture`."""
        return self._capture is not None and self._capture.feedback(said)

    def samples(self) -> dict[str, Any]:
        """For `lineside status`: what is kept, and what was not; empty where nothing is to be kept."""
        return {} if self._capture is None else self._capture.counts()

    def _strange(self, frame: Frame, prediction: Prediction, values: dict[str, float]) -> None:
        if self._capture is not None:
            self._capture.strange(frame, prediction, values)

    def _active_digest(self, pipeline: str) -> str | None:
        """Of the model that is said to be active there."""
        state = self._reporter.models().get(self._settings.pipelines[pipeline].model)
        return None if state is None or state.active is None else state.active.digest

    def _reference(self, pipeline: str, digest: str) -> Reference | None:
        return reference_of_model(self._settings.models[self._settings.pipelines[pipeline].model], digest, self._store)


def _rule(pipeline: PipelineRunner) -> DecisionRule | None:
    """What decides now; asked by the thread that has just judged a frame by it."""
    return pipeline.tuning.over(pipeline.tuning.configured)
