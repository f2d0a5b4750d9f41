"""Moves versions through their states: takes what has proved itself, tries it on the line, has it take over, watches it, takes it back.

One thread, which loads and closes every model it moves. The sync's thread hands it what it has judged (`take`), the desk the words of
operators and feedback. It looks at what is on trial twice a second, and at nothing while there is nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from agent.life.ground import Ground
from agent.life.moves import Moves
from agent.life.sets import Sets, Waiting
from agent.life.starting import ended
from agent.life.steps import Steps
from agent.life.words import Words

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from agent.core.comparing import Pair
    from agent.core.findings import Finding
    from agent.core.frames import Frame
    from agent.core.messages import ModelVersion
    from agent.life.events import Event
    from agent.life.journal import Journal
    from agent.life.trial import Trial, Verified
    from agent.models.shelf import ModelShelf
    from agent.pipeline.runner import PipelineRunner
    from cloud_sync.store import ModelStore, Version

log = logging.getLogger("lineside.life")

TICK_S = 0.5
"""How often versions on trial are looked at."""
CHECKPOINT_S = 30.0
"""How much of the time and the counts of a state a kill may cost."""
_TAKEN_S = 60.0
_STOP_S = 5.0
_MOST_STEPS = 8
"""In one turn; gates may skip every state there is."""


@dataclass(slots=True)
class Delivery:
    """What the sync's thread hands over.

    Attributes:
        verified: What has proved itself.
        staged: What is to be next, by model; a candidate that is not there any more is not wanted any more.
        events: What became of versions before it was done.
        done: Set then.
        is_late: Nobody waits for the events.
    """

    verified: Sequence[Verified]
    staged: Mapping[str, Version]
    events: list[Event] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)
    is_late: bool = False


class Life:
    """`start`, `stop` and `close` belong to the composition, `turn` to the driver's thread, the rest to anybody."""

    def __init__(
        self,
        store: ModelStore,
        shelf: ModelShelf,
        journal: Journal,
        *,
        tables: Mapping[str, Sequence[str]],
        pipelines: Mapping[str, PipelineRunner],
        sources: Mapping[str, Collection[str]] = MappingProxyType({}),
        spared: Collection[str] = (),
        on_candidate: Callable[[str, ModelVersion], None] = lambda _name, _version: None,
        on_event: Callable[[Event], None] = lambda _: None,
        on_finding: Callable[[str, Finding], None] = lambda _name, _finding: None,
        on_disagreed: Callable[[Pair, Frame], None] = lambda _pair, _frame: None,
        absent: Collection[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Store; nothing runs yet.

        Args:
            store: Says what is active.
            shelf: Loads models, and gives pipelines the active ones.
            journal: Was read by `agent.life.starting.begin`.
            tables: Under `models`, by the name in the registry.
            pipelines: All that run; none where no agent does.
            sources: That the pipelines of a model read, by its name in the registry, whether they run or not.
            spared: Pipelines in which no canary decides.
            on_candidate: Called with a table's name and the version that is on its way, or was rejected.
            on_event: Called with what became of a version, unless `take` gives it back.
            on_finding: Called with a table's name and what a person should know.
            on_disagreed: Called with what two models make something else of; must come back at once.
            absent: Tables under `models` whose pipelines do not run now, and will.
            clock: Monotonic seconds.
        """
        self._journal = journal
        self._on_event = on_event
        self._clock = clock
        self._moves = Moves(
            store, shelf, journal, on_candidate=on_candidate, on_event=self._happened, on_finding=on_finding
        )
        self._ground = Ground(
            store, journal, tables=tables, pipelines=pipelines, on_disagreed=on_disagreed, absent=absent
        )
        self._trials: dict[str, Trial] = {}
        self._waiting: dict[str, Waiting] = {}
        self._sets = Sets(store, sources, self._trials, self._waiting)
        self._steps = Steps(self._trials, self._waiting, self._sets, self._ground, self._moves, shelf, spared, clock)
        self._inbox: list[Delivery] = []
        self._collecting: Delivery | None = None
        self._wake = threading.Event()
        self._closed = threading.Event()
        self._released = threading.Event()
        self._last_s = self._written_s = clock()
        self._is_resumed = False
        self._words_kept: Mapping[str, str] = {}
        self.words = Words(store, tables, self._trials, self._sets.came_together, self._wake.set)
        """Of operators, and feedback."""
        self._thread = threading.Thread(target=self._work, name="life", daemon=True)

    def start(self) -> None:
        """Begin, with what an earlier start had on trial."""
        self._thread.start()

    def resume(self) -> None:
        """Watch on what was active and not confirmed. Before `start`, or in a turn; done once."""
        if self._is_resumed:
            return
        self._is_resumed = True
        for name, record in list(self._journal.records.items()):
            if record.state == "active" and (trial := self._ground.active(name, record)) is not None:
                self._trials[name] = trial
                trial.watch()

    def stop(self) -> None:
        """Begin nothing more. Returns at once."""
        self._closed.set()
        self._wake.set()

    def close(self, *, is_clean: bool = True) -> None:
        """End the thread, when no pipeline needs its models any more. May be called twice.

        Args:
            is_clean: Whether no version can be to blame for the end.
        """
        self.stop()
        self._released.set()
        if self._thread.ident is not None:
            self._thread.join(_STOP_S)
        if is_clean and not self._thread.is_alive():
            ended(self._journal)

    def on_trial(self) -> dict[str, str]:
        """Digests of what is verified and not confirmed, by model."""
        waiting = {name: each.verified.version.digest for name, each in list(self._waiting.items())}
        return {name: trial.version.digest for name, trial in list(self._trials.items())} | waiting

    def take(self, verified: Sequence[Verified], staged: Mapping[str, Version]) -> list[Event]:
        """Try versions on the line; those that decide about the same parts as one set.

        Args:
            verified: What has proved itself.
            staged: See `Delivery`.

        Returns:
            What became of them at once; what comes later is told by `on_event`.
        """
        delivery = Delivery(verified, staged)
        self._inbox.append(delivery)
        if self._thread.ident is None:
            self.turn()
        else:
            self._wake.set()
            delivery.is_late = not delivery.done.wait(_TAKEN_S)
        return list(delivery.events)

    def linked(self, versions: Mapping[str, Version]) -> dict[str, frozenset[str]]:
        """Of versions that are on their way together, by model: the others of each one's set."""
        return self._sets.linked(versions)

    def drifts(self, pipeline: str, sentence: str | None) -> None:
        """What a pipeline's model says is not what its reference was any more, in words; None when it is again.

        Counts for the version that is in its bake time; an alarm that was there before it is none of its own.
        """
        baking = [trial for trial in list(self._trials.values()) if trial.record.state == "active"]
        if any(runner.name == pipeline for trial in baking for runner in trial.runners):
            self._ground.drifts(pipeline, sentence)
            self._wake.set()

    def changed(self) -> None:
        """A pipeline changed its state: look at once."""
        if self._trials:
            self._wake.set()

    def status(self) -> dict[str, dict[str, Any]]:
        """What is on trial, by table, as JSON types."""
        return {table: self._ground.shown(t) for t in list(self._trials.values()) for table in t.tables}

    # -- the driver's thread --------------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while not self._closed.is_set():
            try:
                self.turn()
            except Exception:  # the boundary of the driver: whatever is wrong with one turn, the next one comes
                log.exception("the life of versions failed in a turn")
            busy = self._trials or self._waiting or self._moves.owes
            self._wake.wait(TICK_S if busy else None)
            self._wake.clear()
        self._keep()
        self._released.wait()  # with the thread the kernel ends the processes of the models that it has loaded
        for trial in self._trials.values():
            trial.close()

    def turn(self) -> None:
        """Look at everything once, and do what is due."""
        self._moves.finish_late()
        self.resume()
        was_on_trial = bool(self._trials)
        deliveries, self._inbox[:] = list(self._inbox), []
        self._collecting = deliveries[-1] if deliveries else None
        try:
            for delivery in deliveries:
                self._admit(delivery)
            now_s = self._clock()
            # While nothing was on trial this thread slept, perhaps for weeks: none of that is time of what comes now.
            past_s, self._last_s = (now_s - self._last_s if was_on_trial else 0.0), now_s
            self._answer_returns()
            self._keep_words()
            for _ in range(_MOST_STEPS):
                if not (self._steps.begin() | self._steps.step(past_s)) or self._closed.is_set():
                    break
                past_s = 0.0
        finally:
            self._collecting = None
            for delivery in deliveries:
                delivery.done.set()
        if self._trials and self._clock() - self._written_s >= CHECKPOINT_S:
            self._keep()

    def _admit(self, delivery: Delivery) -> None:
        """Take in what was judged; what is not wanted any more goes."""
        staged = {name: version.digest for name, version in delivery.staged.items()}
        for name, trial in list(self._trials.items()):
            if trial.record.state != "active" and staged.get(name) != trial.version.digest:
                del self._trials[name]
                self._moves.unwanted(trial)
        for name, record in list(self._journal.records.items()):
            if name not in self._trials and record.state != "active" and staged.get(name) != record.digest:
                del self._journal.records[name]
        for name, waiting in list(self._waiting.items()):
            if staged.get(name) != waiting.verified.version.digest:
                del self._waiting[name]
        for verified in delivery.verified:
            if self.on_trial().get(verified.version.name) != verified.version.digest:
                self._waiting[verified.version.name] = Waiting(verified)
        self._sets.form()

    def _answer_returns(self) -> None:
        """Operators may go back from what was confirmed long ago; what came with it then goes back too."""
        for name in self.words.returns():
            mates = self._sets.came_together(name)
            for each in (name, *mates):
                candidate = self._trials.get(each)
                if candidate is not None and candidate.record.state != "active":
                    self._moves.drop(self._trials.pop(each), "what it was compared with is returned from")
                if each not in self._trials and (trial := self._ground.active(each)) is not None:
                    trial.record.mates = frozenset({name, *mates} - {each})
                    self._trials[each] = trial
            if name in self._trials:
                self._trials[name].record.word = "return"
            self._sets.form()

    def _keep_words(self) -> None:
        """What was said is on the disk before it is done, so that a kill does not unsay it."""
        words = {name: trial.record.word for name, trial in self._trials.items() if trial.record.word}
        if words != self._words_kept:
            self._words_kept = words
            if words:
                self._keep()

    def _keep(self) -> None:
        """Bring times and counts to the disk."""
        self._written_s = self._clock()
        for name, trial in self._trials.items():
            if trial.record.state != "verified" or trial.record.word:
                trial.record.counts, trial.record.reference = trial.tally.counted()
                self._journal.records[name] = trial.record
        if self._trials:
            self._journal.write()

    def _happened(self, event: Event) -> None:
        if self._collecting is not None and not self._collecting.is_late:
            self._collecting.events.append(event)
        else:
            self._on_event(event)
