"""What a look at what is on trial comes to: the rule is asked (`agent.core.life`), and whole sets are moved.

Belongs to the driver's thread. A step that a version could take waits until all of its set can; a fault ends the set.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from agent.core import life
from agent.core.errors import LinesideError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from agent.core.gates import Gates
    from agent.core.life import Evidence
    from agent.life.ground import Ground
    from agent.life.moves import Moves
    from agent.life.sets import Sets, Waiting
    from agent.life.trial import Trial
    from agent.models.shelf import ModelShelf

log = logging.getLogger("lineside.life")

AGAIN_S = 30.0
"""From a record that could not be written to the next try."""


class Steps:
    """See the module."""

    def __init__(
        self,
        trials: dict[str, Trial],
        waiting: dict[str, Waiting],
        sets: Sets,
        ground: Ground,
        moves: Moves,
        shelf: ModelShelf,
        spared: Collection[str],
        clock: Callable[[], float],
    ) -> None:
        """Store; see `agent.life.driver.Life`.

        Args:
            trials: What is on trial, by the registry's name of the model; changed here.
            waiting: What waits for its trial, likewise.
            sets: Who belongs together.
            ground: What a trial stands on.
            moves: Make changes of state.
            shelf: Loads models.
            spared: Pipelines in which no canary decides.
            clock: Monotonic seconds.
        """
        self._trials = trials
        self._waiting = waiting
        self._sets = sets
        self._ground = ground
        self._moves = moves
        self._shelf = shelf
        self._spared = frozenset(spared)
        self._clock = clock
        self._again_s = 0.0

    def begin(self) -> bool:
        """Begin the trial of what waits, where nothing else of its model is on trial."""
        begun = False
        for name, waiting in list(self._waiting.items()):
            if name not in self._waiting:
                continue  # it has gone with its set
            verified = waiting.verified
            if (other := self._trials.get(name)) is not None:
                self._ground.wait_behind(verified, other, self._moves)
                continue
            gates = self._sets.gates(verified.gates, waiting.mates)
            if self._ground.must_wait(verified, gates):
                continue
            del self._waiting[name]
            trial, step = self._ground.new(verified, waiting.mates, gates)
            self._trials[name] = trial
            begun = True
            if step.state == "shadow":
                self._try(trial, self._moves.to_shadow, step.reason)
            else:
                trial.first = step
        return begun

    def step(self, past_s: float) -> bool:
        """Whether anything has changed its state."""
        changed, steps = False, dict[str, life.Step]()
        for name, trial in list(self._trials.items()):
            if name not in self._trials:
                continue  # it has gone with its set
            record = trial.record
            trial.heard = record.word
            if trial.first is not None:
                record.spent_s += past_s
                if record.word == "hold" and record.spent_s < self._gates(trial).shadow_deadline_s:
                    continue
                step = life.begun(trial.first, record.word)
            elif record.state == "active" and self._ground.is_absent(trial):
                continue  # its pipelines are not here: nothing is seen of it, so nothing is said
            else:
                assert record.state != "verified"  # noqa: S101 - for mypy: it has begun
                record.spent_s += past_s
                step = life.after(record.state, self._evidence(trial), self._gates(trial))
            if step.state == "rejected":
                self._fail(trial, step.reason)
                changed = True
            elif trial.first is None and step.state == record.state and not step.is_settled:
                self._stays(trial, step)
            else:
                steps[name] = step
        return self._move({name: step for name, step in steps.items() if name in self._trials}) or changed

    def _move(self, steps: Mapping[str, life.Step]) -> bool:
        """Have those go on whose whole set can; whether any did."""
        settled = self._whole({name: step for name, step in steps.items() if step.is_settled})
        for name in sorted(settled):
            if (trial := self._trials.get(name)) is not None:
                trials = [trial, *self._sets.mates(trial)]
                for each in trials:
                    del self._trials[each.version.name]
                self._moves.confirm(trials, settled)
        active = {name: step for name, step in steps.items() if step.state == "active" and not step.is_settled}
        in_canary = {name for name, trial in self._trials.items() if trial.record.state == "canary"}
        canary = {name: step for name, step in steps.items() if step.state == "canary"}
        to_canary = self._whole(canary, {*in_canary, *active})
        for move in (
            self._load_working,
            self._to_canary,
        ):  # all of a set are loaded before the first of it decides a frame
            for name, reason in to_canary.items():
                if (trial := self._trials.get(name)) is not None:
                    self._try(trial, move, reason)
        ready = self._whole({name: step for name, step in active.items() if name in self._trials})
        return self._activate(ready) or bool(settled or to_canary)

    def _whole(self, steps: Mapping[str, life.Step], there: Collection[str] = ()) -> dict[str, str]:
        """Reasons of those that may go on, by model; the others say for whom of their set they wait.

        Args:
            steps: That each could take.
            there: Models that have taken it.
        """
        found = {}
        for name in sorted(steps):
            trial, step = self._trials[name], steps[name]
            behind = self._sets.behind(trial, {*steps, *there})
            if not behind:
                found[name] = step.reason
                continue
            trial.record.reason = f"ready; waits for {', '.join(behind)}, which came with it"
            if trial.record.state != "active":
                self._moves.say(trial, trial.record.state, trial.record.reason)
        return found

    def _try(self, trial: Trial, move: Callable[[Trial, str], None], reason: str) -> bool:
        """Have it make a move, or end it; whether it made it."""
        try:
            move(trial, reason)
        except LinesideError as error:
            self._fail(trial, str(error))
            return False
        return True

    def _evidence(self, trial: Trial) -> Evidence:
        """What was seen of it; one that does not load again after a restart has its predecessor in its place, and its set must not be torn."""
        seen = self._ground.evidence(trial)
        if trial.record.state == "active" and not seen.fault:
            for works in map(self._shelf.current, trial.tables):
                if works is not None and works.digest != trial.version.digest:
                    return replace(seen, fault=f"it does not load any more, and {works.version} works in its place")
        return seen

    def _load_working(self, trial: Trial, _reason: str) -> None:
        trial.load(self._shelf, working=True)

    def _load(self, trial: Trial, _reason: str) -> None:
        trial.load(self._shelf, working=False)

    def _to_canary(self, trial: Trial, reason: str) -> None:
        self._moves.to_canary(trial, reason, self._gates(trial).canary_share, self._spared)

    def _gates(self, trial: Trial) -> Gates:
        """Those that hold for it now, and can be passed: without a pipeline there are no frames to count."""
        gates = self._sets.gates(trial.gates, trial.record.mates)
        return gates if trial.runners else replace(gates, bake_frames=0)

    def _stays(self, trial: Trial, step: life.Step) -> None:
        """Its reason is told where somebody has to do something about it; else it is there for who asks."""
        trial.record.reason = step.reason
        if trial.record.state == "active":
            return
        if step.waits_for_feedback and not trial.is_disputed:
            log.warning("%s %s: %s", trial.version.name, trial.version.version, step.reason)
        if step.waits_for_feedback or trial.record.word == "hold" or trial.is_disputed:
            self._moves.say(trial, step.state, step.reason)
        trial.is_disputed = step.waits_for_feedback

    def _activate(self, reasons: Mapping[str, str]) -> bool:
        """Have whole sets take over; whether they did, or one has failed."""
        trials = [self._trials[name] for name in reasons]
        for trial in trials:
            if not self._try(trial, self._load, ""):
                return True
        if not trials or self._clock() < self._again_s:
            return False
        if self._moves.activate(trials, reasons):
            self._again_s = self._clock() + AGAIN_S
            return False
        for name in {runner.name for trial in trials for runner in trial.runners}:
            self._ground.drifts(name, None)
        return True

    def _fail(self, trial: Trial, reason: str) -> None:
        """End it, and its set with it. Of an active one that cannot return, as nothing was before it, the others go on."""
        mates = self._sets.mates(trial)
        if trial.record.state == "active":
            stay = [mate for mate in mates if not (self._moves.can_return(trial) and self._moves.can_return(mate))]
            mates = [mate for mate in mates if mate not in stay]
            for mate in stay:
                mate.record.mates -= {trial.version.name, *(gone.version.name for gone in mates)}
        mates += [self._ground.untried(self._waiting.pop(name).verified) for name in self._sets.waiting_mates(trial)]
        for gone in (trial, *mates):
            if self._trials.get(gone.version.name) is gone:  # not what an untried one waits behind
                del self._trials[gone.version.name]
        self._moves.fail(trial, mates, reason)
