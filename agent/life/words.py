"""What operators say of versions, and people of predictions: taken in at once or refused, done by the driver at its next look.

Any thread. A word changes nothing but the record of its trial; no word skips what a version has to prove in a child process.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from agent.core.errors import BadData

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agent.core.feedback import Feedback
    from agent.core.messages import VersionState
    from agent.life.trial import Trial
    from cloud_sync.store import ModelStore

Spoken = Literal["return", "hold", "confirm"]
_STATUS = "lineside sync status says what is on its way"


class NotNow(BadData):
    """There is nothing that the word could be about."""

    code = "not-now"


class Unknown(BadData):
    """Nobody knows what it names."""

    code = "unknown"


@dataclass(frozen=True, slots=True)
class Heard:
    """A word that was taken in.

    Attributes:
        model: The table's name.
        version: That it is about.
        state: Of that version now.
        will: What follows, in words.
    """

    model: str
    version: str
    state: VersionState
    will: str


class Words:
    """See the module.

    Attributes:
        judging: Versions by model that are being judged in child processes; set by who does it.
        on_feedback: Told of feedback, such as the capture of samples; says whether it knows the prediction. Set by the composition.
    """

    def __init__(
        self,
        store: ModelStore,
        tables: Mapping[str, Sequence[str]],
        trials: Mapping[str, Trial],
        came_together: Callable[[str], Sequence[str]],
        wake: Callable[[], None],
    ) -> None:
        """Store.

        Args:
            store: Says what is active.
            tables: Under `models`, by the name in the registry.
            trials: What is on trial, by the same name; belongs to the driver.
            came_together: Models that return with a confirmed one, by the same name.
            wake: Has the driver look.
        """
        self.judging: dict[str, str] = {}
        self.on_feedback: Callable[[Feedback], bool] = lambda _: False
        self._store = store
        self._names = {table: name for name, each in tables.items() for table in each}
        self._trials = trials
        self._came_together = came_together
        self._wake = wake
        self._lock = threading.Lock()
        self._returns: set[str] = set()

    def say(self, table: str, word: Spoken) -> Heard:
        """Take in a word.

        Args:
            table: The model, by its name under `models`.
            word: `return`: what is on trial is rejected, an active version included; without any, the active one goes and the previous one
                comes. `hold`: what is on trial stays where it is, until its deadline. `confirm`: it goes on without what it still had to show.
                What speaks against a version counts for its set, what speaks for it for itself: its set waits for it or goes with it, and
                nothing is skipped of a model that nobody named.

        Raises:
            Unknown: There is no such model, or it does not come from a registry.
            NotNow: There is nothing that the word could be about.
        """
        name = self._names.get(table)
        if name is None:
            known = ", ".join(sorted(self._names)) or "none"
            raise Unknown(f"no model {table!r} comes from a registry; known: {known}", hint=_STATUS)
        with self._lock:
            trial = self._trials.get(name)
            if trial is None:
                return self._without_trial(table, name, word)
            state, version = trial.record.state, trial.version.version
            if word == "return" and state == "active" and self._store.previous(name) is None:
                raise NotNow(
                    f"{table} {version} is the first version here: there is nothing to return to", hint=_STATUS
                )
            trial.record.word = word
            self._wake()
            will = _WILL[word, "active" if state == "active" else "candidate"]
            return Heard(table, version, state, _with(will, word, sorted(trial.record.mates)))

    def _without_trial(self, table: str, name: str, word: Spoken) -> Heard:
        if word != "return":
            if name in self.judging:
                raise NotNow(
                    f"{table} {self.judging[name]} is being judged, which no word can skip",
                    hint="say it again when its state is verified",
                )
            raise NotNow(f"nothing of {table} is on its way, and what runs is confirmed", hint=_STATUS)
        active, previous = self._store.active(name), self._store.previous(name)
        if active is None or previous is None:
            raise NotNow(f"{table} has no previous version to return to", hint=_STATUS)
        self._returns.add(name)
        self._wake()
        will = _with(_WILL["return", "active"], "return", self._came_together(name))
        return Heard(table, active.version, "active", will)

    def returns(self) -> list[str]:
        """Models that are to go back though nothing is on trial; each is told once."""
        with self._lock:
            names, self._returns = sorted(self._returns), set()
        return names

    def feedback(self, said: Feedback) -> str:
        """Take in a word on a prediction: how it counts, in words.

        Raises:
            Unknown: Nobody knows the prediction any more.
        """
        kept = self.on_feedback(said)
        for trial in list(self._trials.values()):
            if (counts := trial.tally.feedback(said)) is not None:
                self._wake()
                return f"{trial.version.name} {trial.version.version}: {counts}"
        if kept:
            return "kept with the sample; no version is on trial that it could count for"
        raise Unknown(
            f"no recent prediction {said.prediction_id!r} is known; feedback counts while a version is on trial",
            hint=_STATUS,
        )


class SamplesOnly:
    """Takes words where no model comes from a registry: no version is ever on trial, and feedback labels the frames that are kept."""

    def __init__(self, on_feedback: Callable[[Feedback], bool]) -> None:
        """Store; see `Words.on_feedback`."""
        self._on_feedback = on_feedback

    def say(self, table: str, word: Spoken) -> Heard:
        """There is nothing that a word could be about.

        Raises:
            NotNow: Always.
        """
        raise NotNow(
            f"no version of {table} is there to {word}: no model comes from a registry",
            hint='registry = "…" in place of path in [models.<name>]',
        )

    def feedback(self, said: Feedback) -> str:
        """Take in a word on a prediction: how it counts, in words.

        Raises:
            Unknown: Its picture is not kept, or not any more.
        """
        if self._on_feedback(said):
            return "kept with the sample"
        raise Unknown(
            f"no picture of prediction {said.prediction_id!r} is kept",
            hint="[pipelines.<name>.capture] says what is; lineside samples list",
        )


_WILL = {
    ("return", "candidate"): "it is rejected, and the active version stays",
    ("return", "active"): "it is rejected, and the previous version comes back",
    ("hold", "candidate"): "it stays where it is until its deadline",
    ("hold", "active"): "it is not confirmed before its deadline",
    ("confirm", "candidate"): "it becomes active, and its bake time begins",
    ("confirm", "active"): "it is confirmed, and its predecessor is let go",
}
_OF_SETS: dict[Spoken, str] = {
    "return": "so it is with {mates}, which came with it",
    "hold": "{mates}, which came with it, waits for that",
    "confirm": "as soon as {mates} is as far, which came with it",
}


def _with(will: str, word: Spoken, mates: Sequence[str]) -> str:
    """What follows, where a version belongs to a set."""
    return f"{will}; {_OF_SETS[word].format(mates=' and '.join(mates))}" if mates else will
