"""Which trials are one set, and who of it holds the others up. The rule is `agent.core.sets`; here it meets what is on its way.

Belongs to the driver's thread, as what it looks at does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.core.gates import in_company
from agent.core.sets import sets_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from agent.core.gates import Gates
    from agent.life.trial import Trial, Verified
    from cloud_sync.store import ModelStore, Version


@dataclass(slots=True)
class Waiting:
    """A version whose trial has not begun.

    Attributes:
        verified: Which.
        mates: See `agent.life.journal.Record.mates`.
    """

    verified: Verified
    mates: frozenset[str] = frozenset()


class Sets:
    """See the module."""

    def __init__(
        self,
        store: ModelStore,
        sources: Mapping[str, Collection[str]],
        trials: Mapping[str, Trial],
        waiting: Mapping[str, Waiting],
    ) -> None:
        """Store.

        Args:
            store: Says what is active.
            sources: That the pipelines of each model read, by its name in the registry.
            trials: By the same name; belongs to the driver.
            waiting: Likewise.
        """
        self._store = store
        self._sources = sources
        self._trials = trials
        self._waiting = waiting

    def linked(self, versions: Mapping[str, Version]) -> dict[str, frozenset[str]]:
        """Of versions that come together, by model, the others of each one's set. What was active before and was damaged is of none."""
        active = {name: self._store.active(name) for name in versions}
        new = [name for name, version in versions.items() if version != active[name]]
        return {name: frozenset() for name in versions} | self._apart(new)

    def came_together(self, name: str) -> list[str]:
        """Models that came to work with the active version of this one, decide about the same parts, and can return as it can. Any thread."""
        mates = self._apart(self._store.came_with(name)).get(name, ())
        return sorted(mate for mate in mates if self._store.previous(mate) is not None)

    def form(self) -> None:
        """Say who belongs together of what is on its way; what is active already stays with whom it came to work."""
        on_the_way = {name: trial for name, trial in self._trials.items() if trial.record.state != "active"}
        versions = {name: trial.version for name, trial in on_the_way.items()}
        versions |= {name: waiting.verified.version for name, waiting in self._waiting.items()}
        for name, mates in self.linked(versions).items():
            if name in self._waiting:
                self._waiting[name].mates = mates
            else:
                on_the_way[name].record.mates = mates

    def _apart(self, names: Iterable[str]) -> dict[str, frozenset[str]]:
        found = sets_of({name: self._sources.get(name, ()) for name in names})
        return {name: mates - {name} for name, mates in found.items()}

    def mates(self, trial: Trial) -> list[Trial]:
        """Trials of the same set."""
        return [self._trials[name] for name in sorted(trial.record.mates) if self._is_mate(trial, name)]

    def waiting_mates(self, trial: Trial) -> list[str]:
        """Models of the same set whose trial has not begun."""
        if trial.record.state == "active":
            return []  # what waits is a later version, behind the one that came with this one
        return sorted(name for name in trial.record.mates if name in self._waiting)

    def behind(self, trial: Trial, ready: Collection[str]) -> list[str]:
        """Models of the same set that are not where it is ready to go."""
        late = [mate.version.name for mate in self.mates(trial) if mate.version.name not in ready]
        return sorted([*late, *self.waiting_mates(trial)])

    def gates(self, gates: Gates, mates: Iterable[str]) -> Gates:
        """Those of a version in its set: which frames a canary decides is one question for all of it."""
        others = []
        for name in mates:
            if name in self._waiting:
                others.append(self._waiting[name].verified.gates)
            elif name in self._trials:
                others.append(self._trials[name].gates)
        return in_company(gates, others)

    def _is_mate(self, trial: Trial, name: str) -> bool:
        other = self._trials.get(name)
        return (
            other is not None
            and trial.version.name in other.record.mates
            and (other.record.state == "active") == (trial.record.state == "active")
        )
