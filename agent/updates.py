"""The update flow put together, where a model comes from a registry: the store, what tries new versions, what fetches them. Nothing elsewhere.

It meets the data flow in two places: the shelf, from which pipelines load, and the pipelines themselves, to which a proven model is offered.
Its parts are imported late: an agent without a registry does without.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from agent import __version__
from agent.life.words import SamplesOnly
from agent.models.shelf import ModelShelf
from agent.models.stored import store_in, told
from agent.models.trial import Prover
from device_profiles import detect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.config.settings import AgentSettings
    from agent.core.comparing import Pair
    from agent.core.feedback import Feedback
    from agent.core.frames import Frame
    from agent.core.messages import ModelVersion
    from agent.life.assembly import Lives
    from agent.life.driver import Life
    from agent.life.events import Event
    from agent.life.words import Words
    from agent.observing import Lookers
    from agent.pipeline.runner import PipelineRunner
    from agent.reporter import Reporter
    from agent.sync.job import SyncJob


class Updates:
    """Versions of models. `wire`, `begin`, `start`, `stop` and `close` belong to the composition, everything else to any thread.

    Attributes:
        store: Holds what came from a registry; None where nothing does.
        shelf: Gives models to pipelines.
        sync: Fetches new versions; None where none may come.
    """

    def __init__(self, settings: AgentSettings, reporter: Reporter) -> None:
        """Store.

        Args:
            settings: The whole configuration.
            reporter: Is told of versions and of syncs.
        """
        self._settings, self._reporter = settings, reporter
        self._prover = Prover(settings.device.state_dir)
        self.store = store_in(settings.device.state_dir) if settings.syncs else None
        self.shelf = ModelShelf(
            settings.models,
            settings.runtime,
            self._prover,
            store=self.store,
            streams=len(settings.pipelines),
            on_version=self._version_told,
            on_finding=reporter.finding,
        )
        self.sync: SyncJob | None = None
        self._lives: Lives | None = None
        self._lookers: Lookers | None = None

    def wire(self, pipelines: Mapping[str, PipelineRunner], lookers: Lookers) -> None:
        """Make what moves versions and what fetches them, where versions come at all; nothing runs yet.

        Args:
            pipelines: By name.
            lookers: Keep frames on which two versions disagreed, and what was said of them.
        """
        self._lookers = lookers
        if self.store is None:
            return
        from agent.life.assembly import Lives  # noqa: PLC0415 - see the module
        from agent.sync.assembly import make_job  # noqa: PLC0415 - see the module

        settings, device = self._settings, self._settings.device
        self._lives = Lives(
            settings.models,
            settings.pipelines,
            pipelines,
            store=self.store,
            shelf=self.shelf,
            state_dir=device.state_dir,
            on_event=self._version_moved,
            on_candidate=self._reporter.candidate,
            on_finding=self._reporter.finding,
            on_disagreed=self._two_disagreed,
            on_feedback=self._heard,
        )
        self.sync = make_job(
            settings.sync,
            settings.runtime,
            settings.models,
            self._lives.life,
            store=self.store,
            shelf=self.shelf,
            prover=self._prover,
            device=device.id,
            profile=detect().profile.name if device.profile == "auto" else device.profile,
            state_dir=device.state_dir,
            agent_version=__version__,
            on_candidate=self._reporter.candidate,
            on_degraded=self._reporter.sync,
        )

    def begin(self) -> None:
        """Before a model is loaded: a version that has taken the process down again and again is rejected."""
        if self._lives is not None:
            self._lives.begin()

    def start(self) -> None:
        """Move versions and fetch new ones."""
        if self._life is not None and self.sync is not None:
            self._life.start()
            self.sync.start()

    def stop(self) -> None:
        """Begin nothing more. Returns at once."""
        if self._life is not None and self.sync is not None:
            self.sync.stop()
            self._life.stop()

    def close(self, *, is_clean: bool) -> None:
        """End, after the pipelines have; see `agent.life.driver.Life.close`."""
        if self._life is not None and self.sync is not None:
            self._life.close(is_clean=is_clean)
            self.sync.close()

    @property
    def _life(self) -> Life | None:
        return None if self._lives is None else self._lives.life

    @property
    def words(self) -> Words | SamplesOnly:
        """Who hears operators."""
        return SamplesOnly(self._heard) if self._life is None else self._life.words

    def pipeline_changed(self) -> None:
        """A pipeline has another state."""
        if self._life is not None:
            self._life.changed()

    def blame(self, pipeline: str, sentence: str | None) -> None:
        """What a pipeline sees has drifted in a way that its model is blamed for, or no longer."""
        if self._life is not None:
            self._life.drifts(pipeline, sentence)

    def trials(self) -> dict[str, dict[str, Any]]:
        """What is on trial, by table under `models`, for `lineside status`."""
        return {} if self._life is None else self._life.status()

    def states(self) -> dict[str, Any]:
        """Of the models that come from a registry, for `lineside sync status`."""
        known = {name: asdict(state) for name, state in self._reporter.models().items()}
        nothing = {"active": None, "candidate": None, "previous": None}
        trials = self.trials()
        return {
            name: {"registry": model.registry, **{key: known.get(name, nothing)[key] for key in nothing}}
            | {"trial": trials.get(name)}
            for name, model in self._settings.models.items()
            if model.registry is not None
        }

    def _version_told(self, name: str, version: ModelVersion) -> None:
        registry, before = self._settings.models[name].registry, None
        if registry is not None and self.store is not None:
            before = self.store.previous(registry)
        previous = None if before is None else told(before, "previous", None)
        self._reporter.model(name, version, None if previous and previous.digest == version.digest else previous)

    def _version_moved(self, event: Event) -> None:
        if self.sync is not None:
            self.sync.tell(event)

    def _two_disagreed(self, pair: Pair, frame: Frame) -> None:
        if self._lookers is not None:
            self._lookers.disagreed(pair, frame)

    def _heard(self, said: Feedback) -> bool:
        return self._lookers is not None and self._lookers.feedback(said)
