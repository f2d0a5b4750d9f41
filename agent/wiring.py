"""Sources and pipelines put together as the configuration says: for the agent, and for whoever measures what it will do.

Makes and connects; starts nothing. What the pipelines share (models, sink, identity) is the caller's.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from agent.pipeline.intake import Intake
from agent.pipeline.motion import MotionGate
from agent.pipeline.runner import Feed, PipelineRunner
from agent.pipeline.shift import Patience
from agent.sources.catalog import make_source
from agent.sources.runner import RunnerPolicy, SourceRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agent.models.contract import Model
    from agent.pipeline.demand import PipelineDemand
    from agent.pipeline.inspector import Identity
    from agent.pipeline.observer import Observer
    from agent.pipeline.settings import PipelineSettings
    from agent.sinks.contract import Sink
    from agent.sources.contract import Source
    from agent.sources.settings import SourceSettings


MODELS_S = 10.0
"""How long a source that decodes on demand waits for its pipelines' models before it takes full frames."""


def wire_source(
    name: str,
    settings: SourceSettings,
    demand: PipelineDemand | None = None,
    on_status: Callable[[SourceRunner], None] = lambda _: None,
) -> SourceRunner:
    """The runner of one source.

    Args:
        name: Name of the table in the configuration.
        settings: That table.
        demand: What the pipelines that read it need of its frames; None for whole frames.
        on_status: See `SourceRunner`.
    """

    def connection() -> Source:
        """A new source; called in its capture thread, each time it connects."""
        if demand is not None and settings.decode != "full":
            demand.wait(MODELS_S)
        return make_source(settings, demand)

    return SourceRunner(name, make=connection, policy=RunnerPolicy.of(settings), on_status=on_status)


def wire_pipelines(
    pipelines: Mapping[str, PipelineSettings],
    sources: Mapping[str, SourceRunner],
    demands: Mapping[str, PipelineDemand],
    *,
    load: Callable[[PipelineSettings], Model],
    sink: Sink,
    identity: Identity,
    on_change: Callable[[PipelineRunner], None] = lambda _: None,
    once: bool = False,
    patience: Patience = Patience(),  # noqa: B008 - it is a constant
    observers: Mapping[str, Sequence[Observer]] = MappingProxyType({}),
) -> dict[str, PipelineRunner]:
    """The runners of pipelines, each subscribed to its source.

    Args:
        pipelines: The tables by name.
        sources: Those that they name; not started yet.
        demands: Of those sources that decode on demand.
        load: Gives a loaded model for a pipeline; called in its thread.
        sink: Takes the predictions of all.
        identity: What stands in every message.
        on_change: See `PipelineRunner`.
        once: See `PipelineRunner`.
        patience: See `PipelineRunner`.
        observers: Of each pipeline that has any, by its name.
    """
    readers = Counter(settings.source for settings in pipelines.values())
    runners = {}
    for name, settings in pipelines.items():
        source = sources[settings.source]
        intake = Intake(
            MotionGate(settings.motion, settings.seen) if settings.motion else None,
            seen=settings.seen,
            max_rate_hz=settings.max_rate_hz,
            waits=not source.live,
        )
        box = source.subscribe(name, intake.admit)
        runners[name] = PipelineRunner(
            name,
            settings,
            Feed(
                box,
                intake,
                finite=not source.live,
                shared=readers[settings.source] > 1,
                handover=source.handover,
            ),
            load=partial(load, settings),
            sink=sink,
            identity=identity,
            on_change=on_change,
            once=once,
            patience=patience,
            observers=observers.get(name, ()),
        )
        if settings.source in demands:
            demands[settings.source].add(runners[name])
    return runners
