"""The driver put together, for the agent and for a command that runs where no agent does. Called by the composition."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.life.driver import Life
from agent.life.journal import Journal
from agent.life.starting import begin
from agent.models.stored import tables_of, told

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from agent.core.comparing import Pair
    from agent.core.feedback import Feedback
    from agent.core.findings import Finding
    from agent.core.frames import Frame
    from agent.core.messages import ModelVersion
    from agent.life.events import Event
    from agent.models.settings import ModelSettings
    from agent.models.shelf import ModelShelf
    from agent.pipeline.runner import PipelineRunner
    from agent.pipeline.settings import PipelineSettings
    from cloud_sync.store import ModelStore, Version


class Lives:
    """The driver and what it begins with. `begin` comes before any model is loaded, with the state directory locked."""

    def __init__(
        self,
        models: Mapping[str, ModelSettings],
        tables: Mapping[str, PipelineSettings],
        pipelines: Mapping[str, PipelineRunner],
        *,
        store: ModelStore,
        shelf: ModelShelf,
        state_dir: Path,
        on_event: Callable[[Event], None] = lambda _: None,
        on_candidate: Callable[[str, ModelVersion], None] = lambda _name, _version: None,
        on_finding: Callable[[str, Finding], None] = lambda _name, _finding: None,
        on_disagreed: Callable[[Pair, Frame], None] = lambda _pair, _frame: None,
        on_feedback: Callable[[Feedback], bool] = lambda _: False,
        absent: Collection[str] = (),
    ) -> None:
        """Store; see `Life`.

        Args:
            models: The tables under `models`.
            tables: Those under `pipelines`, whether they run or not.
            pipelines: All that run; none where no agent does.
            store: Of this state directory.
            shelf: Gives models to the pipelines.
            state_dir: Holds the journal.
            on_event: See `Life`.
            on_candidate: Likewise.
            on_finding: Likewise.
            on_disagreed: Likewise.
            on_feedback: See `agent.life.words.Words`.
            absent: See `Life`.
        """
        self._store = store
        self._journal = Journal(state_dir)
        self._on_event = on_event
        self._on_candidate = on_candidate
        self._tables = tables_of(models)
        self.life = Life(
            store,
            shelf,
            self._journal,
            tables=self._tables,
            pipelines=pipelines,
            sources=_sources(self._tables, tables),
            spared=_spared(models, tables),
            on_candidate=on_candidate,
            on_event=on_event,
            on_finding=on_finding,
            on_disagreed=on_disagreed,
            absent=absent,
        )
        self.life.words.on_feedback = on_feedback

    def begin(self) -> None:
        """Count this run against what is on trial, give up what has taken too many down, and be there for words on the rest."""
        for event in begin(self._store, self._journal, self._rejected):
            self._on_event(event)
        self.life.resume()

    def _rejected(self, version: Version, why: str) -> None:
        for table in self._tables.get(version.name, ()):
            self._on_candidate(table, told(version, "rejected", why))

    def look(self) -> None:
        """Read the journal and change nothing, where no agent runs."""
        self._journal.read()


def _sources(names: Mapping[str, Sequence[str]], tables: Mapping[str, PipelineSettings]) -> dict[str, set[str]]:
    """That the pipelines of each model read, by its name in the registry."""
    return {
        name: {table.source for table in tables.values() if table.model in models} for name, models in names.items()
    }


def _spared(models: Mapping[str, ModelSettings], tables: Mapping[str, PipelineSettings]) -> set[str]:
    """Pipelines in which no canary decides."""
    return {
        name
        for name, table in tables.items()
        if (model := models.get(table.model)) is not None
        and model.canary_pipelines is not None
        and name not in model.canary_pipelines
    }
