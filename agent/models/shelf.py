"""The models of this start of the agent: verified and loaded for each pipeline, tried once, told about once.

Called by pipeline threads, several at once; who comes second for the same model waits for the first. Files are compared with
their manifest at every load, so that what a prediction names is what made it.

A model with `registry = …` is the store's active version, or the previous one where that does not load. A new version is loaded beside
it for each pipeline (`load_beside`) and becomes what every later load gives (`switch`); `agent.sync` does both.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from agent.core.errors import LinesideError, ModelAwaited, ModelCrashed, ModelRefused, NotTrusted
from agent.core.findings import Finding
from agent.core.messages import ModelVersion
from agent.models.bundle import open_model
from agent.models.execution import Execution, Isolation, threads_of
from agent.models.loading import load_model
from agent.models.stored import none_yet, open_version, prefixed, told
from cloud_sync.errors import CloudSyncError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.models.bundle import Bundle
    from agent.models.contract import Model
    from agent.models.loading import LoadedModel
    from agent.models.settings import ModelSettings, RuntimeSettings
    from agent.models.trial import Prover
    from agent.pipeline.settings import PipelineSettings
    from cloud_sync.store import ModelStore, Version

log = logging.getLogger("lineside.models")

LONGEST_PAUSE_MS = 33.0
"""LiteRT keeps Python's lock while it packs weights, about 1 ms per MB on an x86 core; beside a line that works that may last for one frame
at 30 frames/s."""


class ModelShelf:
    """Gives loaded models to pipelines and tells what became of each."""

    def __init__(
        self,
        models: Mapping[str, ModelSettings],
        runtime: RuntimeSettings,
        prover: Prover,
        *,
        store: ModelStore | None = None,
        streams: int = 1,
        on_version: Callable[[str, ModelVersion], None],
        on_finding: Callable[[str, Finding], None],
    ) -> None:
        """Store.

        Args:
            models: The tables under `models`.
            runtime: What holds for models that set nothing of their own.
            prover: Tries a file in a child process before this process touches it.
            store: Holds the versions that came from a registry; None where no model comes from one.
            streams: Pipelines that will load a model.
            on_version: Called with the model's name after it came to be `active` or `rejected`; any thread.
            on_finding: Called for each thing that a person should know of; any thread.
        """
        self._models = models
        self._runtime = runtime
        self._store = store
        self._streams = streams
        self._current: dict[str, Version] = {}
        self._why: dict[str, str] = {}
        self._worked: set[str] = set()
        self._prover = prover
        self._on_version = on_version
        self._on_finding = on_finding
        self._said: dict[str, ModelVersion] = {}
        self._told: set[tuple[str, str]] = set()
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def load(self, pipeline: PipelineSettings) -> Model:
        """A model with an interpreter of its own, for one pipeline.

        Raises:
            ModelRefused: It cannot be read, was refused by the runtime, crashed it, or does not fit its description.
            NotTrusted: A file differs from the manifest.
        """
        name = pipeline.model
        settings = self._models[name]
        with self._locks[name]:
            if settings.registry is not None:
                return self._load_stored(name, settings.registry, pipeline)
            return self._load_configured(name, settings, pipeline)

    def how(self, name: str) -> Execution:
        """How the interpreters of a model run here."""
        return execution(self._models[name], self._runtime, self._streams)

    def load_beside(self, pipeline: PipelineSettings, bundle: Bundle) -> Model:
        """A version that is not the current one, for one pipeline; nothing is told, and what works goes on.

        One that takes too long to load (`LONGEST_PAUSE_MS`) gets a process of its own until the agent's next start, where nothing waits yet.

        Args:
            pipeline: Its settings.
            bundle: Of the version, which was judged in a child process.

        Raises:
            ModelRefused: See `load`; also where only the pipeline's own decision does not fit.
            ModelCrashed: Its process ended while it loaded.
        """
        with self._locks[pipeline.model]:
            model = self._loaded(bundle, pipeline, beside=True)
        self._tell(pipeline.model, [*bundle.findings, *model.findings])
        return model

    def switch(self, name: str, version: Version, reason: str) -> None:
        """From here on every load of the model gives this version. Any thread; waits for a load at hand.

        Args:
            name: Of the table under `models`.
            version: Was activated.
            reason: Why, for subscribers.
        """
        with self._locks[name]:
            self._current[name], self._why[name] = version, reason
            self._say(name, told(version, "active", reason))

    def current(self, name: str) -> Version | None:
        """The version that the pipelines of a model work with, if it came from a registry and was loaded."""
        return self._current.get(name)

    def _isolation(self, name: str) -> Isolation:
        return Isolation(self._models[name].invoke_timeout_s, self._runtime.trial_timeout_s)

    def _load_configured(self, name: str, settings: ModelSettings, pipeline: PipelineSettings) -> LoadedModel:
        found: ModelVersion | None = None
        try:
            bundle = open_model(name, settings)
            must_take_pictures(bundle)
            found = ModelVersion(version=bundle.spec.version, digest=bundle.digest, state="active", reason="configured")
            model = self._loaded(bundle, pipeline)
        except LinesideError as error:
            self._reject(name, found, error)
            raise
        self._say(name, found)
        self._tell(name, [*bundle.findings, *model.findings])
        return model

    def _loaded(self, bundle: Bundle, pipeline: PipelineSettings, *, beside: bool = False) -> LoadedModel:
        how = self.how(pipeline.model)
        trial = self._prover.prove(bundle.model, how, self._runtime.limits(), sha256=bundle.model_sha256)
        if beside and how.isolation is None and trial.load_ms > LONGEST_PAUSE_MS:
            how = replace(how, isolation=self._isolation(pipeline.model))
        return load_model(bundle, how, decision=pipeline.decision, region=pipeline.seen)

    def _load_stored(self, name: str, registry: str, pipeline: PipelineSettings) -> LoadedModel:
        """The version that is active, or the previous one where it does not load.

        One that has loaded since the start stays, for all pipelines of the model: they never work with two versions.

        Raises:
            ModelAwaited: There is none, or neither loads: a later sync may bring one that does.
            ModelCrashed: One that worked before crashed while it was loaded again.
        """
        if self._store is None:
            raise none_yet(name, registry)
        known = self._current.get(name)
        version = known or self._store.active(registry) or self._store.previous(registry)
        if version is None:
            raise none_yet(name, registry)
        try:
            model = self._load_version(name, version, pipeline)
        except LinesideError as error:
            if version.digest in self._worked:
                if isinstance(error, ModelCrashed):
                    raise
                raise ModelAwaited(str(error), hint=error.hint) from error
            version, model = self._load_previous(name, version, pipeline, error)
        if version is not known:
            self._current[name] = version
        self._worked.add(version.digest)
        return model

    def _load_previous(
        self, name: str, version: Version, pipeline: PipelineSettings, error: LinesideError
    ) -> tuple[Version, LoadedModel]:
        """The version before, where the active one does not load; what follows is told."""
        why = f"{version.name} {version.version} is active and does not load: {error}"
        if isinstance(error, NotTrusted):
            self._discard(version)
        previous = None if self._store is None else self._store.previous(version.name)
        self._say(name, told(version, "rejected", why))
        awaited = ModelAwaited(why, hint=error.hint)
        if previous is None or prefixed(previous.digest) == prefixed(version.digest):
            raise awaited from error
        self._why[name] = why
        try:
            model = self._load_version(name, previous, pipeline)
        except LinesideError as second:
            raise awaited from second
        log.error("%s; the previous version works", why, extra={"model": name, "hint": error.hint})
        self._on_finding(name, Finding("previous-works", "warning", f"{why}; {previous.version} works", error.hint))
        return previous, model

    def _discard(self, version: Version) -> None:
        if self._store is not None:
            with contextlib.suppress(OSError, CloudSyncError):  # then it stays, and is refused again
                self._store.discard_damaged(version.digest)

    def _load_version(self, name: str, version: Version, pipeline: PipelineSettings) -> LoadedModel:
        assert self._store is not None  # noqa: S101 - for mypy: a version comes from it
        bundle = open_version(self._store, version)
        must_take_pictures(bundle)
        model = self._loaded(bundle, pipeline)
        self._say(name, told(version, "active", self._why.setdefault(name, "activated")))
        self._tell(name, [*bundle.findings, *model.findings])
        return model

    def _reject(self, name: str, found: ModelVersion | None, error: LinesideError) -> None:
        """Say that a model was refused, unless it is active elsewhere: then the fault is the pipeline's own decision."""
        if found is not None and found == self._said.get(name):
            return
        refused = ModelVersion(version="unknown", digest="", state="rejected", reason=str(error))
        self._say(name, replace(found, state="rejected", reason=str(error)) if found else refused)

    def _say(self, name: str, version: ModelVersion) -> None:
        """Once per change, however many pipelines load the model."""
        if self._said.get(name) != version:
            self._said[name] = version
            self._on_version(name, version)

    def _tell(self, name: str, findings: list[Finding]) -> None:
        """Each finding once, however many pipelines load the model."""
        for finding in findings:
            if (name, finding.code) in self._told:
                continue
            self._told.add((name, finding.code))
            level = {"error": logging.ERROR, "warning": logging.WARNING, "info": logging.INFO}[finding.severity]
            log.log(level, finding.message, extra={"model": name, "code": finding.code, "hint": finding.hint})
            self._on_finding(name, finding)


def must_take_pictures(bundle: Bundle) -> None:
    """Every source gives pictures.

    Raises:
        ModelRefused: The model takes something else.
    """
    if (kind := bundle.spec.input.kind) != "image":
        raise ModelRefused(
            f"{bundle.title} takes a {kind}, and every source gives pictures",
            hint='input.kind = "image" for a model of pictures',
        )


def execution(settings: ModelSettings, runtime: RuntimeSettings, streams: int) -> Execution:
    """How a model's interpreters run: what the model sets, else what holds for all.

    Args:
        settings: Of the model.
        runtime: Of the device.
        streams: Pipelines of this agent.
    """
    delegates = settings.delegates or runtime.delegates
    cores = len(os.sched_getaffinity(0))
    threads = settings.threads or threads_of(
        streams=streams, cores=cores, threads=runtime.threads, lone_threads=runtime.lone_threads
    )
    isolation = None
    if settings.isolation == "process":
        isolation = Isolation(settings.invoke_timeout_s, runtime.trial_timeout_s)
    return Execution(threads, tuple(delegate.delegate() for delegate in delegates), isolation)
