"""The moves of versions on trial: what each change of state does to pipelines, store and journal, and in which order.

Belongs to the driver's thread. Order of a change: the record, then the pipelines, then the journal, which knows of the version before. Order of a return: the pipelines, then
the record, as a worse model decides no frame while a disk is waited for; a kill in between brings it back to where it is judged again.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from agent.core.errors import LinesideError
from agent.core.findings import Finding
from agent.life.events import event
from agent.life.journal import in_state
from agent.life.trial import SWAP_S, close_all, load_for, settled
from agent.memory import forget_free
from agent.models.stored import open_version, told
from cloud_sync.errors import CloudSyncError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agent.core.messages import ModelVersion, VersionState
    from agent.life.events import Event
    from agent.life.journal import Journal
    from agent.life.trial import Trial
    from agent.models.contract import Model
    from agent.models.shelf import ModelShelf
    from agent.pipeline.offer import Offer
    from cloud_sync.store import ModelStore, Version

log = logging.getLogger("lineside.life")


class Moves:
    """See the module."""

    def __init__(
        self,
        store: ModelStore,
        shelf: ModelShelf,
        journal: Journal,
        *,
        on_candidate: Callable[[str, ModelVersion], None],
        on_event: Callable[[Event], None],
        on_finding: Callable[[str, Finding], None],
    ) -> None:
        """Store; see `agent.life.driver.Life`."""
        self._store = store
        self._shelf = shelf
        self._journal = journal
        self._on_candidate = on_candidate
        self._on_event = on_event
        self._on_finding = on_finding
        self._late: list[Offer] = []

    def to_shadow(self, trial: Trial, reason: str) -> None:
        """Begin, or go on with, a shadow.

        Raises:
            LinesideError: A pipeline cannot have it.
        """
        trial.load(self._shelf, working=True)
        trial.shadow()
        self._enters(trial, "shadow", reason)

    def to_canary(self, trial: Trial, reason: str) -> None:
        """Have it decide a share of the frames.

        Raises:
            LinesideError: A pipeline cannot have it.
        """
        trial.leave()
        trial.load(self._shelf, working=True)
        trial.canary()
        self._enters(trial, "canary", reason)

    def activate(self, trials: Sequence[Trial], reasons: Mapping[str, str]) -> str:
        """Have versions take over, all of them by one record.

        Args:
            trials: Each has a model for each of its pipelines.
            reasons: By model.

        Returns:
            Why it cannot be recorded, in which case nothing has changed; empty where it is.
        """
        self._intend(trials)
        try:
            self._store.activate({trial.version.name: trial.version for trial in trials})
        except (OSError, CloudSyncError) as error:
            hint = {"hint": "lineside doctor"}
            log.warning("new versions cannot be recorded, so the old ones go on: %s", error, extra=hint)
            for trial in trials:
                why = f"it proved itself and cannot be recorded as active: {error}"
                self.say(trial, trial.record.state, why)
                self._on_event(event("postponed", trial.version, why))
            return str(error)
        offers = []
        for trial in trials:
            reason = reasons[trial.version.name]
            trial.leave()
            try:
                trial.load(self._shelf, working=False)  # what its shadow or canary did not give back
            except LinesideError as error:
                log.warning("%s: a pipeline takes it when it loads it: %s", trial.version.name, error)
            for table in trial.tables:
                self._shelf.switch(table, trial.version, reason)
            offers.append((trial, trial.offer(trial.models)))
            log.info("%s %s is active: %s", trial.version.name, trial.version.version, reason)
        for trial, offered in offers:
            trial.kept = self._settled(offered)
            trial.watch()
            self._enters(trial, "active", reasons[trial.version.name], what="activated")
        return ""

    def _intend(self, trials: Sequence[Trial]) -> None:
        """A start that finds them active must know that they are not confirmed."""
        new = [trial for trial in trials if trial.version.name not in self._journal.records]
        for trial in new:
            self._journal.records[trial.version.name] = trial.record
        if new:
            self._journal.write()

    def confirm(self, trial: Trial, reason: str) -> None:
        """It stays: its predecessor is let go."""
        trial.close()
        forget_free()
        for table in trial.tables:
            self._shelf.switch(table, trial.version, reason)
        self._leaves(trial, "confirmed", reason)

    def fail(self, trial: Trial, reason: str) -> None:
        """It is rejected, and the old model stays; or is returned to."""
        before = self._store.previous(trial.version.name) if trial.record.state == "active" else None
        if trial.record.state != "active":
            trial.close()
            self._reject(trial.version, reason)
            self.say(trial, "rejected", reason)
            self._leaves(trial, "rejected", reason)
        elif before is None:
            self._stay_alone(trial, reason)
        else:
            self._go_back(trial, before, reason)

    def drop(self, trial: Trial, reason: str) -> None:
        """Nobody wants it any more; that is no fault of its own."""
        trial.close()
        self._leaves(trial, "superseded", reason)

    def close_late(self) -> None:
        """Close what came back of offers that were answered late."""
        self._late = [offer for offer in self._late if not _closed(offer)]

    def say(self, trial: Trial, state: VersionState, reason: str) -> None:
        """Tell subscribers of a candidate; once for the same words."""
        if trial.said != (state, reason):
            trial.said = (state, reason)
            for table in trial.tables:
                self._on_candidate(table, told(trial.version, state, reason))

    def _go_back(self, trial: Trial, before: Version, reason: str) -> None:
        models, trial.kept = trial.kept, {}
        words = f"returned to: {trial.version.version} was active and is rejected: {reason}"
        log.error("%s %s is returned to, as %s", before.name, before.version, reason)
        for table in trial.tables:
            self._shelf.switch(table, before, words)
        offers = trial.offer(models)
        close_all(models)
        self._reject(trial.version, reason)
        try:
            self._store.give_back({before.name: trial.version.digest})
        except (OSError, CloudSyncError) as error:  # the next start does it, as the version is rejected
            log.warning("the return cannot be recorded: %s", error, extra={"hint": "lineside doctor"})
        offers |= trial.offer(self._loaded_again(trial, before, set(offers)))
        close_all(self._settled(offers))
        trial.close()
        forget_free()
        for table in trial.tables:
            self._shelf.switch(table, before, words)
        trial.said = None
        self.say(trial, "rejected", reason)
        self._leaves(trial, "returned", reason)

    def _loaded_again(self, trial: Trial, before: Version, has: set[str]) -> dict[str, Model]:
        """The predecessor for pipelines that have none of it any more; one that cannot have it loads it by itself, again and again."""
        missing = [runner for runner in trial.runners if runner.name not in has and runner.state != "ended"]
        models: dict[str, Model] = {}
        try:
            bundle = open_version(self._store, before) if missing else None
            for runner in missing:
                models[runner.name] = load_for(self._shelf, runner, bundle)
        except LinesideError as error:
            log.error("%s %s cannot be loaded beside: %s", before.name, before.version, error)  # noqa: TRY400 - its cause is in the line
        return models

    def _stay_alone(self, trial: Trial, reason: str) -> None:
        """There is nothing to return to, and a line without a model is no better off."""
        words = f"{reason}; it goes on, as there is nothing to return to"
        finding = Finding("worse-and-alone", "error", words, "assign a version that is better")
        log.error("%s %s: %s", trial.version.name, trial.version.version, words, extra={"hint": finding.hint})
        for table in trial.tables:
            self._on_finding(table, finding)
            self._shelf.switch(table, trial.version, words)
        trial.close()
        self._leaves(trial, "rejected", words)

    def _reject(self, version: Version, reason: str) -> None:
        """Note that a version is not to be tried again."""
        log.error("%s %s is rejected: %s", version.name, version.version, reason)
        try:
            self._store.reject(version.name, version.digest, reason)
        except (OSError, CloudSyncError) as fault:
            log.warning("the rejection cannot be recorded, so it is judged again: %s", fault)

    def _enters(self, trial: Trial, state: VersionState, reason: str, what: str = "") -> None:
        record = trial.record
        if record.state != state:
            assert state in ("shadow", "canary", "active")  # noqa: S101 - for mypy: these can be entered
            record.counts, record.reference = trial.tally.counted()
            trial.record = record = in_state(record, state, reason)
            trial.tally.begin(record.counts)
        self._journal.records[trial.version.name] = record
        self._journal.note(trial.version.name, trial.version.version, state, reason)
        self._journal.write()
        if state != "active":
            log.info("%s %s is in its %s: %s", trial.version.name, trial.version.version, state, reason)
            self.say(trial, state, reason)
        self._on_event(event(what or state, trial.version, reason))

    def _leaves(self, trial: Trial, what: str, reason: str) -> None:
        """Nothing more is to come of it."""
        self._journal.records.pop(trial.version.name, None)
        self._journal.note(trial.version.name, trial.version.version, what, reason)
        self._journal.write()
        self._on_event(event(what, trial.version, reason))

    def _settled(self, offers: Mapping[str, Offer]) -> dict[str, Model]:
        came, late = settled(offers, SWAP_S)
        self._late += late
        return came


def _closed(offer: Offer) -> bool:
    came, late = settled({"": offer}, 0)
    close_all(came)
    return not late
