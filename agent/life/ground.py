"""What a trial stands on: the pipelines and gates of a version, what it is compared with, what is known of it. Changes nothing.

Belongs to the driver's thread; `drifts` and `shown` are anybody's.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from agent.core import life
from agent.core.baking import ENOUGH, Decided, shifted
from agent.core.errors import BadData
from agent.core.gates import tightest
from agent.core.sequential import compare
from agent.life.journal import Record
from agent.life.tally import Tally
from agent.life.trial import Trial
from agent.models.reference import read_reference
from agent.models.stored import prefixed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from agent.core.comparing import Pair
    from agent.core.frames import Frame
    from agent.core.gates import Gates
    from agent.core.life import Evidence, Step
    from agent.core.reference import Reference
    from agent.life.journal import Journal
    from agent.life.moves import Moves
    from agent.life.trial import Verified
    from agent.pipeline.runner import PipelineRunner
    from cloud_sync.store import ModelStore, Version

log = logging.getLogger("lineside.life")

_SHOWN = 20
"""Frames that wait for feedback, to whoever asks."""


class Ground:
    """See the module."""

    def __init__(
        self,
        store: ModelStore,
        journal: Journal,
        *,
        tables: Mapping[str, Sequence[str]],
        pipelines: Mapping[str, PipelineRunner],
        on_disagreed: Callable[[Pair, Frame], None],
        absent: Collection[str],
    ) -> None:
        """Store; see `agent.life.driver.Life`."""
        self._store = store
        self._journal = journal
        self._tables = tables
        self._pipelines = pipelines
        self._on_disagreed = on_disagreed
        self._absent = frozenset(absent)
        self._drifting: dict[str, str] = {}

    def new(self, verified: Verified, mates: frozenset[str], gates: Gates) -> tuple[Trial, Step]:
        """A trial, and where it begins; one that an earlier start has begun goes on where it was.

        Args:
            verified: Which.
            mates: See `agent.life.journal.Record.mates`.
            gates: Of it in its set.
        """
        version = verified.version
        active, known = self._store.active(version.name), self._journal.records.get(version.name)
        runners = self._runners(verified.tables)
        can_compare = (
            active is not None and active.digest != version.digest and any(runner.state == "ok" for runner in runners)
        )
        step = life.first(gates, verified.proof, can_compare=can_compare)
        record = Record(version.version, version.digest, "verified", verified.proof)
        if known is not None and known.digest == version.digest and known.state != "active":
            record = known
            if can_compare and known.state != "verified":
                step = life.Step(known.state, known.reason)
        record.gates, record.mates = verified.gates.as_dict(), mates
        trial = self._trial(version, verified.tables, verified.gates, record)
        trial.bundle = verified.bundle
        trial.spread = self._spread_of(active) or self._spread_of(version)
        return trial, step

    def untried(self, verified: Verified) -> Trial:
        """What stands for a version of which no trial has begun, where one is asked for."""
        record = Record(verified.version.version, verified.version.digest, "verified", verified.proof)
        return self._trial(verified.version, verified.tables, verified.gates, record)

    def active(self, name: str, record: Record | None = None) -> Trial | None:
        """What is active, to be watched on, or to be returned from; None if nothing is, or nobody has it."""
        version = self._store.active(name)
        if version is None or not self._tables.get(name):
            return None
        if record is None or record.digest != version.digest:
            record = Record(version.version, version.digest, "active", "confirmed")
        return self._trial(version, tuple(self._tables[name]), tightest(record.gates), record)

    def _trial(self, version: Version, tables: tuple[str, ...], gates: Gates, record: Record) -> Trial:
        tally = Tally(prefixed(version.digest), record.counts, record.reference, on_disagreed=self._on_disagreed)
        return Trial(version, tables, self._runners(tables), gates, record, tally)

    def _runners(self, tables: Collection[str]) -> tuple[PipelineRunner, ...]:
        runners = self._pipelines.values()
        return tuple(runner for runner in runners if runner.settings.model in tables and runner.state != "ended")

    def is_absent(self, trial: Trial) -> bool:
        """Whether pipelines of it do not run now, and will."""
        return not self._absent.isdisjoint(trial.tables)

    def must_wait(self, verified: Verified, gates: Gates) -> bool:
        """Whether one of its pipelines is just about to work, or will when the agent runs, and may be compared with then."""
        active = self._store.active(verified.version.name)
        if (
            active is None
            or active.digest == verified.version.digest
            or not (gates.shadow_frames or gates.canary_frames)
        ):
            return False
        is_absent = not self._absent.isdisjoint(verified.tables)
        return is_absent or any(runner.state == "starting" for runner in self._runners(verified.tables))

    def evidence(self, trial: Trial) -> Evidence:
        """What was seen of a version in its present state."""
        record = trial.record
        seen = trial.tally.evidence(record.state, record.spent_s, record.word)
        return replace(seen, fault=trial.fault(), worsened=self._worsened(trial, seen))

    def _worsened(self, trial: Trial, seen: Evidence) -> str:
        """Why an active version is worse than its reference."""
        if trial.record.state != "active":
            return ""
        drifting = [self._drifting[runner.name] for runner in trial.runners if runner.name in self._drifting]
        if drifting:
            return f"what it says drifts since it is active: {drifting[0]}"
        gates, decisions = trial.gates, trial.tally.decisions()
        if seen.frames < max(ENOUGH, gates.bake_frames / 10) or seen.spent_s < gates.bake_s / 10:
            return ""  # a few parts in a row prove nothing
        reference = decisions.before
        if compare(seen.better, seen.worse, gates.max_error) == "better" and decisions.tried.total >= ENOUGH:
            reference = decisions.tried  # its predecessor's decisions are what it was found to be better than
        if reference.total < ENOUGH:
            reference = Decided(self._reference_of(trial.version))
        return shifted(decisions.own, reference, gates.max_decision_shift)

    def _reference_of(self, version: Version) -> dict[str, int]:
        """Decisions on the set that it was evaluated on, where its bundle has them."""
        reference = self._reference(version)
        return {} if reference is None else reference.decisions

    def _spread_of(self, version: Version | None) -> float | None:
        """Of the numbers that it gave on the set that it was evaluated on."""
        reference = None if version is None else self._reference(version)
        return None if reference is None or reference.score is None else reference.score.spread

    def _reference(self, version: Version) -> Reference | None:
        """What its bundle says of itself; None where that is nothing, or nothing that can be read."""
        folder = self._store.folder(version.digest)
        try:
            return None if folder is None else read_reference(folder)
        except (BadData, OSError):
            return None

    def drifts(self, pipeline: str, sentence: str | None) -> None:
        """See `agent.life.driver.Life`."""
        if sentence is None:
            self._drifting.pop(pipeline, None)
        else:
            self._drifting[pipeline] = sentence

    def wait_behind(self, verified: Verified, other: Trial, moves: Moves) -> None:
        """Say that a version waits for the one before it."""
        waiting = self.untried(verified)
        waiting.said = other.follower
        moves.say(waiting, "verified", f"{verified.proof}; waits until {other.version.version} is confirmed or gone")
        other.follower = waiting.said

    def shown(self, trial: Trial) -> dict[str, Any]:
        """A trial, as JSON types."""
        record, counted = trial.record, trial.tally.counted()[0]
        return {
            "version": trial.version.version,
            "state": record.state,
            "reason": record.reason,
            "word": record.word,
            "spent_s": round(record.spent_s, 1),
            "counts": {name: count for name, count in sorted(counted.items()) if count},
            "disputed": trial.tally.disputed(_SHOWN) if record.state in ("shadow", "canary") else [],
            "shares": {name: round(share, 3) for name, share in trial.shares().items()},
            "gates": trial.gates.as_dict(),
        }
