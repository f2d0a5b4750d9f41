"""The moves of versions on trial: what each change of state does to pipelines, store and journal, and in which order.

Belongs to the driver's thread. Order of a change: the record, then the pipelines, then the journal, which knows of the version before. Order of a
return: the pipelines, then the record, as a worse model decides no frame while a disk is waited for; a kill in between brings it back to where
it is judged again. What is moved together is one set, or several: each record and each file is written once for all of them.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from agent.core.errors import LinesideError
from agent.core.findings import Finding
from agent.life.events import event
from agent.life.journal import in_state
from agent.life.offering import offer_all, settled
from agent.life.trial import SWAP_S, close_all, load_for
from agent.memory import forget_free
from agent.models.stored import open_version, told
from cloud_sync.errors import CloudSyncError
from cloud_sync.store import of_mate

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from agent.core.life import Trying
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
        self._owed: dict[str, str] = {}

    def to_shadow(self, trial: Trial, reason: str) -> None:
        """Begin, or go on with, a shadow.

        Raises:
            LinesideError: A pipeline cannot have it.
        """
        trial.load(self._shelf, working=True)
        trial.shadow()
        self._enter([trial], "shadow", {trial.version.name: reason})

    def to_canary(self, trial: Trial, reason: str, share: float, spared: Collection[str]) -> None:
        """Have it decide a share of the frames; see `Trial.canary`.

        Raises:
            LinesideError: A pipeline cannot have it.
        """
        trial.leave()
        trial.load(self._shelf, working=True)
        trial.canary(share, spared)
        self._enter([trial], "canary", {trial.version.name: reason})

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
        for trial in trials:
            trial.end_canary()
        for trial in trials:
            reason = reasons[trial.version.name]
            trial.leave()
            try:
                trial.load(self._shelf, working=False)  # what its shadow or canary did not give back
            except LinesideError as error:
                log.warning("%s: a pipeline takes it when it loads it: %s", trial.version.name, error)
            for table in trial.tables:
                self._shelf.switch(table, trial.version, reason)
            log.info("%s %s is active: %s", trial.version.name, trial.version.version, reason)
        given = {trial.version.name: trial.give(trial.models) for trial in trials}
        came = self._settled(offer_all(pair for pairs in given.values() for pair in pairs))
        for trial in trials:
            names = [runner.name for runner, _ in given[trial.version.name]]
            trial.kept = {name: came[name] for name in names if name in came}
            trial.watch()
        self._enter(trials, "active", reasons, what="activated")
        return ""

    def _intend(self, trials: Sequence[Trial]) -> None:
        """A start that finds them active must know that they are not confirmed, and who came with whom."""
        self._journal.records.update({trial.version.name: trial.record for trial in trials})
        self._journal.write()

    def confirm(self, trials: Sequence[Trial], reasons: Mapping[str, str]) -> None:
        """A set stays: its predecessors are let go."""
        for trial in trials:
            trial.close()
        forget_free()
        for trial in trials:
            for table in trial.tables:
                self._shelf.switch(table, trial.version, reasons[trial.version.name])
        self._leave(trials, "confirmed", reasons)

    def can_return(self, trial: Trial) -> bool:
        """Whether it is active, and something worked before it."""
        return trial.record.state == "active" and self._store.previous(trial.version.name) is not None

    def fail(self, trial: Trial, mates: Sequence[Trial], reason: str) -> None:
        """It is rejected with its set, and the old models stay; or are returned to.

        Args:
            trial: Whose fault it is.
            mates: Others of the set, which share its state: none of them is active, or each can return.
            reason: Its fault.
        """
        members, of_mates = [trial, *mates], of_mate(trial.version, reason)
        reasons = {mate.version.name: of_mates for mate in mates} | {trial.version.name: reason}
        for each in members:
            each.end_canary()
        if trial.record.state != "active":
            for each in members:
                each.close()
            self._reject(trial.version, mates, reason)
            for each in members:
                self.say(each, "rejected", reasons[each.version.name])
            self._leave(members, "rejected", reasons)
        elif not self.can_return(trial):
            self._stay_alone(trial, reason)
        else:
            self._go_back(members, reasons)

    def unwanted(self, trial: Trial) -> None:
        """It is not to be next any more: something else is assigned, or what came with it did not prove itself."""
        rejection = self._store.rejected().get(trial.version.name)
        if rejection is None or rejection.digest != trial.version.digest:
            self.drop(trial, "it is not assigned any more, or something else is")
            return
        trial.close()
        self.say(trial, "rejected", rejection.reason)
        self._leave([trial], "rejected", {trial.version.name: rejection.reason})

    def drop(self, trial: Trial, reason: str) -> None:
        """Nobody wants it any more; that is no fault of its own."""
        trial.close()
        self._leave([trial], "superseded", {trial.version.name: reason})

    @property
    def owes(self) -> bool:
        """Whether a return is not recorded yet."""
        return bool(self._owed)

    def finish_late(self) -> None:
        """Close what came back of offers that were answered late; record returns that could not be."""
        self._late = [offer for offer in self._late if not _closed(offer)]
        if self._owed and self._give_back(self._owed):
            for name, digest in self._owed.items():
                record = self._journal.records.get(name)
                if record is not None and record.digest == digest:
                    del self._journal.records[name]
            self._owed = {}
            self._journal.write()

    def say(self, trial: Trial, state: VersionState, reason: str) -> None:
        """Tell subscribers of a candidate; once for the same words."""
        if trial.said != (state, reason):
            trial.said = (state, reason)
            for table in trial.tables:
                self._on_candidate(table, told(trial.version, state, reason))

    def _go_back(self, trials: Sequence[Trial], reasons: Mapping[str, str]) -> None:
        """Have the predecessors work again; the first of the set is the faulty one."""
        befores = {name: before for name in reasons if (before := self._store.previous(name)) is not None}
        words = {
            trial.version.name: f"returned to: {trial.version.version} was active and is rejected: {reasons[trial.version.name]}"
            for trial in trials
        }
        for name, before in befores.items():
            log.error("%s %s is returned to, as %s", name, before.version, reasons[name])
        self._switch_back(trials, befores, words)
        offers = offer_all(pair for trial in trials for pair in trial.give(trial.kept))
        for trial in trials:
            trial.forget()
        self._reject(trials[0].version, trials[1:], reasons[trials[0].version.name])
        digests = {trial.version.name: trial.version.digest for trial in trials}
        if not self._give_back(
            digests
        ):  # its journal keeps them: this run tries it again and again, the next start at once
            self._owed |= digests
        again = [(trial, self._loaded_again(trial, befores[trial.version.name], offers)) for trial in trials]
        offers |= offer_all(pair for trial, models in again for pair in trial.give(models))
        close_all(self._settled(offers))
        for trial in trials:
            trial.close()
            trial.said = None
        forget_free()
        self._switch_back(trials, befores, words)
        for trial in trials:
            self.say(trial, "rejected", reasons[trial.version.name])
        self._leave(trials, "returned", reasons)

    def _give_back(self, digests: Mapping[str, str]) -> bool:
        """Record a return; whether it is."""
        try:
            self._store.give_back(digests)
        except (OSError, CloudSyncError) as error:
            if not self._owed:
                log.warning("the return cannot be recorded: %s", error, extra={"hint": "lineside doctor"})
            return False
        return True

    def _switch_back(self, trials: Sequence[Trial], befores: Mapping[str, Version], words: Mapping[str, str]) -> None:
        for trial in trials:
            for table in trial.tables:
                self._shelf.switch(table, befores[trial.version.name], words[trial.version.name])

    def _loaded_again(self, trial: Trial, before: Version, has: Collection[str]) -> dict[str, Model]:
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
        self._leave([trial], "rejected", {trial.version.name: words})

    def _reject(self, version: Version, mates: Sequence[Trial], reason: str) -> None:
        """Note that a version is not to be tried again, nor what came with it."""
        log.error("%s %s is rejected: %s", version.name, version.version, reason)
        try:
            self._store.reject(version, reason, [mate.version for mate in mates])
        except (OSError, CloudSyncError) as fault:
            log.warning("the rejection cannot be recorded, so it is judged again: %s", fault)

    def _enter(self, trials: Sequence[Trial], state: Trying, reasons: Mapping[str, str], what: str = "") -> None:
        for trial in trials:
            name, record, trial.first = trial.version.name, trial.record, None
            if record.state != state:
                before = record
                before.counts, before.reference = trial.tally.counted()
                trial.record = record = in_state(before, state, reasons[name])
                if before.word != trial.heard:  # it was said while this move was made
                    record.word = before.word
                trial.tally.begin(record.counts)
            self._journal.records[name] = record
            self._journal.note(name, trial.version.version, state, reasons[name])
        self._journal.write()
        for trial in trials:
            reason = reasons[trial.version.name]
            if state != "active":
                log.info("%s %s is in its %s: %s", trial.version.name, trial.version.version, state, reason)
                self.say(trial, state, reason)
            self._on_event(event(what or state, trial.version, reason))

    def _leave(self, trials: Sequence[Trial], what: str, reasons: Mapping[str, str]) -> None:
        """Nothing more is to come of them."""
        for trial in trials:
            name = trial.version.name
            record = self._journal.records.get(name)
            if record is not None and record.digest == trial.version.digest and name not in self._owed:
                del self._journal.records[name]
            self._journal.note(name, trial.version.version, what, reasons[name])
        self._journal.write()
        for trial in trials:
            self._on_event(event(what, trial.version, reasons[trial.version.name]))

    def _settled(self, offers: Mapping[str, Offer]) -> dict[str, Model]:
        came, late = settled(offers, SWAP_S)
        self._late += late
        return came


def _closed(offer: Offer) -> bool:
    came, late = settled({"": offer}, 0)
    close_all(came)
    return not late
