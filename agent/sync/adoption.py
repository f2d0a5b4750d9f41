"""From a version in the store to one that is on trial: judged apart, in child processes, and handed to `agent.life`.

Belongs to the sync's thread. What proves itself here has shown its digest, the fit of its tensors, its golden samples, its latency on this
device, and that there is memory for it; what becomes of it on the line is the driver's to say.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from agent.core.errors import LinesideError, ModelRefused
from agent.core.gates import tightest, understood
from agent.life.events import event
from agent.life.trial import Verified
from agent.models.candidate import judge_candidate
from agent.models.headroom import need_headroom
from agent.models.shelf import must_take_pictures
from agent.models.stored import open_version, tables_of, told
from cloud_sync.errors import CloudSyncError
from cloud_sync.store import of_mate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agent.core.gates import Gates
    from agent.core.messages import ModelVersion
    from agent.life.driver import Life
    from agent.life.events import Event
    from agent.models.bundle import Bundle
    from agent.models.execution import TrialLimits
    from agent.models.settings import ModelSettings
    from agent.models.shelf import ModelShelf
    from agent.models.trial import Prover
    from cloud_sync.store import ModelStore, Version

log = logging.getLogger("lineside.sync")


class Adoption:
    """One thread."""

    def __init__(
        self,
        store: ModelStore,
        shelf: ModelShelf,
        prover: Prover,
        life: Life,
        *,
        models: Mapping[str, ModelSettings],
        trial: TrialLimits,
        golden: TrialLimits,
        on_candidate: Callable[[str, ModelVersion], None] = lambda _name, _version: None,
    ) -> None:
        """Store.

        Args:
            store: Holds what the sync has fetched and verified.
            shelf: Says how models run here.
            prover: Remembers which files were tried.
            life: Takes what proves itself.
            models: The tables under `models`.
            trial: Of the child process that tries a file.
            golden: Of the one that runs golden samples.
            on_candidate: Called with the table's name and the version that is on its way, or was rejected on it.
        """
        self._store = store
        self._shelf = shelf
        self._prover = prover
        self._life = life
        self._models = models
        self._trial = trial
        self._golden = golden
        self._on_candidate = on_candidate
        self.tables = tables_of(models)
        """Tables under `models` by the name in the registry."""

    def adopt(self, is_over: Callable[[], bool] = lambda: False) -> list[Event]:
        """Judge what the store has staged, and hand it on.

        Args:
            is_over: The agent stops: nothing more is begun.

        Returns:
            What became of each version so far; empty where nothing was staged.
        """
        events: list[Event] = []
        verified: dict[str, Verified] = {}
        due, on_trial = self._due(), self._life.on_trial()
        linked = self._life.linked({name: version for name, version in due.items() if name in self.tables})
        gone: set[str] = set()
        for name, version in sorted(due.items()):
            if is_over():
                return events
            if name not in linked or name in gone or on_trial.get(name) == version.digest:
                continue
            self._life.words.judging[name] = version.version
            try:
                verified[name] = self._judged(version, self.tables[name])
            except LinesideError as error:
                if is_over():
                    return events  # whatever ended the agent may have ended the child process too
                company = [due[mate] for mate in sorted(linked[name]) if not self._is_active(due[mate])]
                gone |= {name, *(mate.name for mate in company)}
                # What is on trial already is the driver's to end, and to tell of: it is not staged any more.
                mates = [mate for mate in company if on_trial.get(mate.name) != mate.digest]
                others = [mate for mate in company if mate not in mates]
                events += self._reject(version, mates, others, error)
            finally:
                del self._life.words.judging[name]
        wanted = {name: version for name, version in due.items() if name not in gone}
        if (verified or on_trial) and not is_over():
            events += self._life.take([each for name, each in verified.items() if name in wanted], wanted)
        return events

    def _is_active(self, version: Version) -> bool:
        """Whether it has come to work while another one of its set was judged."""
        active = self._store.active(version.name)
        return active is not None and active.digest == version.digest

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

    def _judged(self, version: Version, tables: Sequence[str]) -> Verified:
        """A version that proves itself, in child processes.

        Raises:
            LinesideError: It does not.
        """
        self._say(tables, told(version, "staged", "it is being judged"))
        log.info("%s %s is being judged", version.name, version.version, extra={"digest": version.digest})
        bundle = open_version(self._store, version)
        must_take_pictures(bundle)
        gates = self._gates(bundle, version, tables)
        need_headroom(bundle, gates.memory_headroom_bytes)
        proof = "it loads here"
        for how in {repr(how.kernels()): how for how in map(self._shelf.how, tables)}.values():
            trial = self._prover.prove(bundle.model, how, self._trial, sha256=bundle.model_sha256)
            if bundle.folder is not None and (bundle.spec.golden is not None or "p99_ms" in gates.as_dict()):
                judged = judge_candidate(bundle.folder, how, trial, self._golden)
                if judged.p99_ms > gates.p99_ms:
                    raise ModelRefused(
                        f"{bundle.title} takes {judged.p99_ms:.1f} ms (p99) on this device, its budget is {gates.p99_ms:g} ms",
                        hint="a smaller model, or a larger p99_ms where whoever set it can bear it",
                    )
                proof = f"it loads here and takes {judged.p99_ms:.1f} ms (p99)"
        golden = "its golden samples hold" if bundle.spec.golden else "it has no golden samples"
        proof = f"{proof}; {golden}"
        self._say(tables, told(version, "verified", proof))
        return Verified(version, tuple(tables), bundle, gates, proof)

    def _gates(self, bundle: Bundle, version: Version, tables: Sequence[str]) -> Gates:
        """The tightest of what bundle, assignment and configuration say."""
        configured = [self._models[table].gates.said() for table in tables]
        budget = {"p99_ms": bundle.spec.budget.p99_ms}
        return tightest(bundle.spec.gates.said(), budget, understood(dict(version.gates)), *configured)

    def _reject(
        self, version: Version, mates: Sequence[Version], others: Sequence[Version], error: LinesideError
    ) -> list[Event]:
        """Note that a version is not to be tried again, nor what came with it; the old ones go on.

        Args:
            version: Whose fault it is.
            mates: What came with it.
            others: The same, and is told of elsewhere.
            error: The fault.
        """
        log.error(
            "%s %s is rejected: %s",
            version.name,
            version.version,
            error,
            extra={"code": error.code, "hint": error.hint},
        )
        why = self._without_folder(version, str(error))
        try:
            self._store.reject(version, why, [*mates, *others])
        except (OSError, CloudSyncError) as fault:
            log.warning("the rejection cannot be recorded, so it is judged again: %s", fault)
        reasons = [(version, why), *((mate, of_mate(version, why)) for mate in mates)]
        for one, reason in reasons:
            self._say(self.tables[one.name], told(one, "rejected", reason))
        return [event("rejected", one, reason) for one, reason in reasons]

    def _without_folder(self, version: Version, words: str) -> str:
        """Where a file lies on this device is for its log; whoever reads why a version was rejected knows it by its name."""
        folder = self._store.folder(version.digest)
        return words if folder is None else words.replace(f"{folder}/", "")

    def _say(self, tables: Sequence[str], version: ModelVersion) -> None:
        for table in tables:
            self._on_candidate(table, version)
