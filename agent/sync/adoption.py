"""From a version in the store to the one that works: judged apart, loaded beside the old one, recorded, and taken between two frames.

All pipelines of a model take it, or none: what can fail is done before the record is written, for all of them. After the record there is
no way back and none is needed: a pipeline takes the offered model at its next frame, and one that is down loads it when it comes back.
A kill before the record leaves the old versions, one after it the new ones. Belongs to the sync's thread, which outlives the models that it
loads.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agent.core.errors import LinesideError, ModelRefused
from agent.core.times import now_text
from agent.memory import forget_free
from agent.models.candidate import judge_candidate
from agent.models.shelf import must_take_pictures
from agent.models.stored import open_version, told
from cloud_sync.errors import CloudSyncError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agent.core.messages import ModelVersion
    from agent.models.bundle import Bundle
    from agent.models.contract import Model
    from agent.models.execution import TrialLimits
    from agent.models.settings import ModelSettings
    from agent.models.shelf import ModelShelf
    from agent.models.trial import Prover
    from agent.pipeline.offer import Offer
    from agent.pipeline.runner import PipelineRunner
    from cloud_sync.store import ModelStore, Version

log = logging.getLogger("lineside.sync")

SWAP_S = 30.0
"""How long pipelines are waited for; one that hangs takes the model when it has fresh threads."""


@dataclass(frozen=True, slots=True)
class Event:
    """What became of a version here; goes into the report to the registry.

    Attributes:
        what: `activated`, `rejected`, or `postponed`: it is tried again.
        model: As the registry calls it.
        version: Of it.
        reason: A sentence.
        at: When.
    """

    what: str
    model: str
    version: str
    reason: str
    at: str

    def as_dict(self) -> dict[str, Any]:
        """As JSON types, for the report."""
        return {
            "at": self.at,
            "what": self.what,
            "model": self.model,
            "version": self.version,
            "reason": self.reason,
        }


@dataclass(slots=True)
class _Candidate:
    """A version on its way: the bundle, and a loaded model for each pipeline that will have it."""

    version: Version
    tables: list[str]
    bundle: Bundle
    models: list[tuple[PipelineRunner, Model]] = field(default_factory=list)

    @property
    def proof(self) -> str:
        """What speaks for it."""
        golden = "its golden samples hold" if self.bundle.spec.golden else "it has no golden samples"
        return f"it loads here; {golden}"

    def close(self) -> None:
        """Let the models go, of which no pipeline has any."""
        while self.models:
            self.models.pop()[1].close()


class Adoption:
    """One thread."""

    def __init__(
        self,
        store: ModelStore,
        shelf: ModelShelf,
        prover: Prover,
        *,
        models: Mapping[str, ModelSettings],
        pipelines: Mapping[str, PipelineRunner],
        trial: TrialLimits,
        golden: TrialLimits,
        on_candidate: Callable[[str, ModelVersion], None] = lambda _name, _version: None,
    ) -> None:
        """Store.

        Args:
            store: Holds what the sync has fetched and verified.
            shelf: Gives models to pipelines.
            prover: Remembers which files were tried.
            models: The tables under `models`.
            pipelines: All that run; none where the agent does not.
            trial: Of the child process that tries a file.
            golden: Of the one that runs golden samples.
            on_candidate: Called with the table's name and the version that is on its way, or was rejected on it.
        """
        self._store = store
        self._shelf = shelf
        self._prover = prover
        self._pipelines = pipelines
        self._trial = trial
        self._golden = golden
        self._on_candidate = on_candidate
        self._late: list[Offer] = []
        self.tables: dict[str, list[str]] = {}
        """Tables under `models` by the name in the registry."""
        for name, settings in models.items():
            if settings.registry is not None:
                self.tables.setdefault(settings.registry, []).append(name)

    def adopt(self, is_over: Callable[[], bool] = lambda: False) -> list[Event]:
        """Take into work what the store has staged.

        Args:
            is_over: The agent stops: nothing more is begun.

        Returns:
            What became of each version; empty where nothing was staged.
        """
        self._close_late()
        events: list[Event] = []
        candidates: list[_Candidate] = []
        try:
            for name, version in sorted(self._due().items()):
                if is_over():
                    break
                if tables := self.tables.get(name):
                    try:
                        candidates.append(self._judged(version, tables))
                    except LinesideError as error:
                        events.append(self._reject(version, tables, error))
            events += self._load_all(candidates, is_over)
            if candidates and not is_over():
                events += self._take_all(candidates)
        finally:
            for candidate in candidates:
                candidate.close()
        return events

    def _due(self) -> dict[str, Version]:
        """What the store has staged; and what is active and does not work here, since it was damaged and has been fetched again."""
        due, rejected = self._store.staged(), self._store.rejected()
        for name, tables in self.tables.items():
            active = self._store.active(name)
            if active is None or name in due or (name in rejected and rejected[name].digest == active.digest):
                continue
            if any(works is not None and works.digest != active.digest for works in map(self._shelf.current, tables)):
                due[name] = active
        return due

    def _judged(self, version: Version, tables: Sequence[str]) -> _Candidate:
        """A version that proves itself, in child processes.

        Raises:
            LinesideError: It does not.
        """
        self._say(tables, told(version, "staged", "it is being judged"))
        log.info("%s %s is being judged", version.name, version.version, extra={"digest": version.digest})
        bundle = open_version(self._store, version)
        must_take_pictures(bundle)
        for how in {repr(how.kernels()): how for how in map(self._shelf.how, tables)}.values():
            trial = self._prover.prove(bundle.model, how, self._trial, sha256=bundle.model_sha256)
            if bundle.folder is not None and bundle.spec.golden is not None:
                judge_candidate(bundle.folder, how, trial, self._golden)
        candidate = _Candidate(version, list(tables), bundle)
        self._say(tables, told(version, "verified", candidate.proof))
        return candidate

    def _load_all(self, candidates: list[_Candidate], is_over: Callable[[], bool]) -> list[Event]:
        """Load each version for all of its pipelines; one that does not load for all of them is rejected, and goes from the list."""
        events = []
        for candidate in list(candidates):
            if (fault := self._load(candidate, is_over)) is not None:
                candidates.remove(candidate)
                candidate.close()
                events.append(self._reject(candidate.version, candidate.tables, fault))
        return events

    def _load(self, candidate: _Candidate, is_over: Callable[[], bool]) -> LinesideError | None:
        """Load a version for each pipeline that will have it; why not, if one of them cannot have it."""
        try:
            for runner in self._pipelines.values():
                if runner.settings.model in candidate.tables and runner.state != "ended" and not is_over():
                    candidate.models.append((runner, self._shelf.load_beside(runner.settings, candidate.bundle)))
        except LinesideError as error:
            return error
        except Exception as error:  # the boundary of a plug-in, as in the pipeline: a model may raise anything
            log.exception("%s cannot be loaded", candidate.version.name)
            return ModelRefused(f"{type(error).__name__}: {error}", hint="report it with the log lines above")
        return None

    def _take_all(self, candidates: Sequence[_Candidate]) -> list[Event]:
        """One record for all, then the swap in every pipeline."""
        versions = {candidate.version.name: candidate.version for candidate in candidates}
        try:
            self._store.activate(versions)
        except (OSError, CloudSyncError) as error:
            hint = {"hint": "lineside doctor"}
            log.warning("new versions cannot be recorded, so the old ones go on: %s", error, extra=hint)
            why = f"it proved itself and cannot be recorded as active: {error}"
            for candidate in candidates:
                self._say(candidate.tables, told(candidate.version, "verified", why))
            return [_event("postponed", version, why) for version in versions.values()]
        offers = []
        for candidate in candidates:
            for table in candidate.tables:
                self._shelf.switch(table, candidate.version, candidate.proof)
            while candidate.models:
                runner, model = candidate.models.pop()
                offers.append(runner.offer(model))
            log.info("%s %s is active", candidate.version.name, candidate.version.version)
        self._late = [offer for offer in offers if not _settled(offer, SWAP_S)]
        forget_free()
        return [_event("activated", candidate.version, candidate.proof) for candidate in candidates]

    def _reject(self, version: Version, tables: Sequence[str], error: LinesideError) -> Event:
        """Note that a version is not to be tried again; the old one goes on."""
        log.error(
            "%s %s is rejected: %s",
            version.name,
            version.version,
            error,
            extra={"code": error.code, "hint": error.hint},
        )
        try:
            self._store.reject(version.name, version.digest, str(error))
        except (OSError, CloudSyncError) as fault:
            log.warning("the rejection cannot be recorded, so it is judged again: %s", fault)
        self._say(tables, told(version, "rejected", str(error)))
        return _event("rejected", version, str(error))

    def _say(self, tables: Sequence[str], version: ModelVersion) -> None:
        for table in tables:
            self._on_candidate(table, version)

    def _close_late(self) -> None:
        self._late = [offer for offer in self._late if not _settled(offer, 0)]


def _settled(offer: Offer, timeout_s: float) -> bool:
    """Close what came back of an offer; False if nothing did in time."""
    if not offer.wait(timeout_s):
        return False
    if not offer.taken:
        offer.model.close()
    if offer.former is not None:
        offer.former.close()
    return True


def _event(what: str, version: Version, reason: str) -> Event:
    return Event(what, version.name, version.version, reason, now_text())
