"""One version on trial: its models in the pipelines, in the shadow of the active ones, in their place for some frames, or for all.

Belongs to the driver's thread, which loads and closes all models of it (the kernel ends an isolated model's child with the thread that
started it). What can fail says so by raising LinesideError; what hangs is left behind and told.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.core.errors import LinesideError, ModelRefused
from agent.models.stored import prefixed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from agent.core.gates import Gates
    from agent.core.life import Step, Word
    from agent.life.journal import Record
    from agent.life.tally import Tally
    from agent.models.bundle import Bundle
    from agent.models.contract import Model
    from agent.models.shelf import ModelShelf
    from agent.pipeline.canary import Canary
    from agent.pipeline.runner import PipelineRunner
    from agent.pipeline.shadow import Shadow
    from cloud_sync.store import Version

log = logging.getLogger("lineside.life")

SWAP_S = 30.0
"""How long pipelines are waited for; one that hangs takes the model when it has fresh threads."""
_REST, _LONGEST_REST_S = 5, 1.0
"""After a load the line gets so many times as long as that took, at most so many seconds, to work off what has come meanwhile: LiteRT
holds the GIL for a part of a load. Without a pause 200 swaps of two pipelines at 30 frames/s lost 29 frames on two cores."""
_MANY_SLOW = 20
_CRASHES = 3
"""Of a model's process since it came to work, which are too many."""


@dataclass(frozen=True, slots=True)
class Verified:
    """A version that has proved itself in child processes.

    Attributes:
        version: Which.
        tables: Under `models`, which have it.
        bundle: Of it.
        gates: That hold for it.
        proof: What speaks for it.
    """

    version: Version
    tables: tuple[str, ...]
    bundle: Bundle
    gates: Gates
    proof: str


@dataclass(slots=True)
class Trial:
    """See the module.

    Attributes:
        version: Which.
        tables: Under `models`, which have it.
        runners: Pipelines of these, which have not ended.
        gates: That hold for it.
        record: What the journal keeps of it.
        tally: What is counted of it.
        bundle: Of it; None for one that was active at the start.
        models: Loaded, and in no pipeline's hands but those of a shadow or a canary; by pipeline.
        kept: Of its predecessor, by pipeline; to be returned to within a frame.
        first: Where it is to begin, or to go on after a restart; None for one that has begun.
        said: State and reason that were told of it last.
        follower: The same of the one that waits behind it.
        is_disputed: It waits for feedback.
        heard: The operator's word that was heeded last.
        spread: Of the numbers that its predecessor gives, where known; see `agent.core.agreement.same`.
    """

    version: Version
    tables: tuple[str, ...]
    runners: tuple[PipelineRunner, ...]
    gates: Gates
    record: Record
    tally: Tally
    bundle: Bundle | None = None
    models: dict[str, Model] = field(default_factory=dict)
    kept: dict[str, Model] = field(default_factory=dict)
    first: Step | None = None
    said: tuple[str, str] | None = None
    follower: tuple[str, str] | None = None
    is_disputed: bool = False
    heard: Word = ""
    spread: float | None = None
    _shadows: dict[str, Shadow] = field(default_factory=dict)
    _canaries: dict[str, Canary] = field(default_factory=dict)
    _crashes: dict[str, int] = field(default_factory=dict)
    _observed: list[PipelineRunner] = field(default_factory=list)
    _left_behind: str = ""

    def watch(self) -> None:
        """Have the tally see what its pipelines predict."""
        for runner in self.runners:
            if runner not in self._observed:
                runner.observers.add(self.tally)
                self._observed.append(runner)
                self._crashes[runner.name] = runner.child_restarts

    def load(self, shelf: ModelShelf, *, working: bool) -> None:
        """Have a model for each of its pipelines.

        Args:
            shelf: Loads them.
            working: Only for those that work now.

        Raises:
            LinesideError: One of them cannot have it.
        """
        for runner in self.runners:
            if runner.name in self.models or runner.state == "ended" or (working and runner.state != "ok"):
                continue
            began_s = time.monotonic()
            self.models[runner.name] = load_for(shelf, runner, self.bundle)
            time.sleep(min(_REST * (time.monotonic() - began_s), _LONGEST_REST_S))

    def shadow(self) -> None:
        """Begin its shadow."""
        self.watch()
        for runner in self.runners:
            if (model := self.models.get(runner.name)) is not None:
                self._shadows[runner.name] = runner.shadow(
                    model, on_pair=self.tally.pair, share=1.0, spread=self.spread
                )

    def canary(self, share: float, spared: Collection[str] = ()) -> None:
        """Have it decide a share of the frames.

        Args:
            share: 0..1.
            spared: Pipelines in which it decides none; what the active model decides there is a reference, and no more.
        """
        self.watch()
        self.tally.spare(spared)
        for runner in self.runners:
            if runner.name not in spared and (model := self.models.get(runner.name)) is not None:
                self._canaries[runner.name] = runner.canary(model, share=share)

    def end_canary(self) -> None:
        """It decides no frame any more from the next one on; nobody is waited for."""
        for canary in self._canaries.values():
            canary.end()

    def leave(self) -> None:
        """End its shadow or canary. A model that does not come back is left behind: nobody may use or close it."""
        waits: list[tuple[str, Callable[[], bool]]] = [(name, each.stop) for name, each in self._shadows.items()]
        for name, canary in self._canaries.items():
            end = canary.end()
            waits.append((name, lambda end=end: end.wait(SWAP_S)))  # type: ignore[misc]
        for name, wait in waits:
            if not wait():
                self.models.pop(name, None)
                self._left_behind = f"pipeline {name} did not give it back within {SWAP_S:g} s"
                log.error("%s %s: %s", self.version.name, self.version.version, self._left_behind)
        self._shadows, self._canaries = {}, {}

    def give(self, models: dict[str, Model]) -> list[tuple[PipelineRunner, Model]]:
        """Its pipelines, each with its model, which is theirs from here on; see `agent.life.offering.offer_all`."""
        self._crashes = {runner.name: runner.child_restarts for runner in self.runners}
        return [(runner, models.pop(runner.name)) for runner in self.runners if runner.name in models]

    def fault(self) -> str:
        """Why it cannot go on; empty where it can."""
        stages: list[tuple[str, Shadow | Canary]] = [*self._shadows.items(), *self._canaries.items()]
        for name, stage in stages:
            if stage.fault is not None:
                return f"in pipeline {name}: {stage.fault}"
        for name, canary in self._canaries.items():
            counts = canary.counts
            if counts.slow >= _MANY_SLOW and counts.slow > counts.candidate.frames:
                return f"in pipeline {name} it was too late for {counts.slow} frames, and in time for {counts.candidate.frames}"
        if self.record.state != "active":
            return self._left_behind
        digest = prefixed(self.version.digest)
        for runner in self.runners:
            if runner.state == "failed" and runner.fault is not None:
                return f"pipeline {runner.name} failed with it: {runner.fault}"
            if runner.child_restarts - self._crashes.get(runner.name, 0) >= _CRASHES:
                return f"its process in pipeline {runner.name} crashed {_CRASHES} times ({digest[:19]})"
        return ""

    def shares(self) -> dict[str, float]:
        """Of the frames that its shadow sees, by pipeline."""
        return {name: shadow.share for name, shadow in self._shadows.items()}

    def close(self) -> None:
        """Let all its models go that no pipeline has, and the predecessor's. May be called twice."""
        self.leave()
        for runner in self._observed:
            runner.observers.remove(self.tally)
        self._observed = []
        self.forget()
        close_all(self.models)

    def forget(self) -> None:
        """Nobody returns to its predecessor any more."""
        close_all(self.kept)


def load_for(shelf: ModelShelf, runner: PipelineRunner, bundle: Bundle | None) -> Model:
    """A model beside the one at work.

    Raises:
        LinesideError: It does not load for this pipeline.
    """
    if bundle is None:
        raise ModelRefused(f"there is no bundle for pipeline {runner.name}", hint="lineside doctor")
    try:
        return shelf.load_beside(runner.settings, bundle)
    except LinesideError:
        raise
    except Exception as error:  # the boundary of a plug-in, as in the pipeline: a model may raise anything
        log.exception("%s cannot be loaded", bundle.title)
        raise ModelRefused(f"{type(error).__name__}: {error}", hint="report it with the log lines above") from error


def close_all(models: dict[str, Model]) -> None:
    """Close and forget."""
    while models:
        models.popitem()[1].close()
