"""The models of this start of the agent: verified and loaded for each pipeline, tried once, told about once.

Called by pipeline threads, several at once; who comes second for the same model waits for the first. Files are compared with
their manifest at every load, so that what a prediction names is what made it.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from agent.core.errors import LinesideError, ModelRefused
from agent.core.messages import ModelVersion
from agent.models.bundle import open_model
from agent.models.execution import Execution, Isolation, threads_of
from agent.models.loading import load_model

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.core.findings import Finding
    from agent.models.bundle import Bundle
    from agent.models.contract import Model
    from agent.models.settings import ModelSettings, RuntimeSettings
    from agent.models.trial import Prover
    from agent.pipeline.settings import PipelineSettings

log = logging.getLogger("lineside.models")


class ModelShelf:
    """Gives loaded models to pipelines and tells what became of each."""

    def __init__(
        self,
        models: Mapping[str, ModelSettings],
        runtime: RuntimeSettings,
        prover: Prover,
        *,
        streams: int = 1,
        on_version: Callable[[str, ModelVersion], None],
        on_finding: Callable[[str, Finding], None],
    ) -> None:
        """Store.

        Args:
            models: The tables under `models`.
            runtime: What holds for models that set nothing of their own.
            prover: Tries a file in a child process before this process touches it.
            streams: Pipelines that will load a model.
            on_version: Called with the model's name after it came to be `active` or `rejected`; any thread.
            on_finding: Called for each thing that a person should know of; any thread.
        """
        self._models = models
        self._runtime = runtime
        self._streams = streams
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
        how = execution(settings, self._runtime, self._streams)
        with self._locks[name]:
            found: ModelVersion | None = None
            try:
                bundle = open_model(name, settings)
                must_take_pictures(bundle)
                found = ModelVersion(
                    version=bundle.spec.version, digest=bundle.digest, state="active", reason="configured"
                )
                self._prover.prove(bundle.model, how, self._runtime.limits(), sha256=bundle.model_sha256)
                model = load_model(bundle, how, decision=pipeline.decision, region=pipeline.seen)
            except LinesideError as error:
                self._reject(name, found, error)
                raise
            self._say(name, found)
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
