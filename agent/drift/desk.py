"""Where all lines are watched: a frame now and then from each pipeline, one thread that looks at them, and what is told of it."""

from __future__ import annotations

import logging
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from agent.core.mailbox import Closed, Mailbox
from agent.drift.line import Line
from agent.drift.telling import message, nobody_watches, sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.core.frames import Frame
    from agent.core.messages import Drift, Prediction
    from agent.core.reference import Reference
    from agent.drift.memory import Memory, Remembered
    from agent.drift.settings import DriftSettings
    from agent.models.contract import Inferred
    from agent.models.placement import Region

log = logging.getLogger("lineside.drift")

_POLL_S = 0.5
Job = tuple["DriftObserver", "Frame", "Prediction", float]


class DriftObserver:
    """Takes a frame now and then to the desk. Implements `agent.pipeline.observer.Observer`."""

    def __init__(self, pipeline: str, every_s: float, box: Mailbox[Job]) -> None:
        self.pipeline = pipeline
        self._every_s = every_s
        self._box = box
        self._due_s = 0.0

    def seen(self, frame: Frame, prediction: Prediction, inferred: Inferred) -> None:  # noqa: ARG002 - the contract
        """See `agent.pipeline.observer.Observer`."""
        now_s = time.monotonic()
        if now_s >= self._due_s:
            self._due_s = now_s + self._every_s
            self._box.put((self, frame, prediction, now_s), 0)


class DriftDesk:
    """One thread for all pipelines. `start` and `close` belong to the composition, `drifting` and `states` to any thread.

    At most one frame of each pipeline waits; where the machine is too slow the newest are looked at, and a line that is looked at less
    often only needs longer for its windows.
    """

    def __init__(
        self,
        lines: Mapping[str, tuple[DriftSettings, Region]],
        *,
        device: str,
        session: str,
        active: Callable[[str], str | None],
        find: Callable[[str, str], Reference | None],
        tell: Callable[[Drift], None],
        memory: Memory,
        on_strange: Callable[[Frame, Prediction, dict[str, float]], None] = lambda _frame, _prediction, _values: None,
        on_blame: Callable[[str, str | None], None] = lambda _pipeline, _sentence: None,
    ) -> None:
        """Store.

        Args:
            lines: Settings and region of each pipeline that is watched, by its name.
            device: Its id.
            session: Of this start of the agent.
            active: Gives the digest of the model that a pipeline works with; frames that another one decided, such as a canary, do not count.
            find: Gives the reference of a model, by pipeline and digest; see `agent.drift.line.Line`.
            tell: Called for each message, in the desk's thread.
            memory: Keeps alarms over restarts.
            on_strange: Called for a frame with statistics that no sample of the reference had, in the desk's thread.
            on_blame: Called with a pipeline and, where it is its model that drifts (`Line.blames_model`), a sentence; None when it does not.
        """
        self._on_blame = on_blame
        self._device, self._session = device, session
        self._active, self._tell, self._on_strange = active, tell, on_strange
        self._box = Mailbox[Job](max(1, len(lines)), "drop_oldest")
        self._lines = {name: Line(settings, region, partial(find, name)) for name, (settings, region) in lines.items()}
        self.observers = {
            name: DriftObserver(name, settings.every_s, self._box) for name, (settings, _) in lines.items()
        }
        self._states: dict[str, Drift] = {}
        self._failed: set[str] = set()
        self._memory = memory
        self._known: dict[str, Remembered] = {}
        self._thread = threading.Thread(target=self._run, name="drift", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self, timeout_s: float = 2.0) -> None:
        """End after the frame at hand. May be called twice."""
        self._box.close()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    @property
    def waiting(self) -> int:
        """Frames that wait to be looked at."""
        return len(self._box)

    def drifting(self, pipeline: str) -> bool:
        """Whether what this pipeline sees is not what its model was evaluated on, as far as that is known."""
        told = self._states.get(pipeline)
        return told is not None and told.state == "drifting"

    def states(self) -> dict[str, Drift]:
        """What was last told of each pipeline."""
        return self._states.copy()

    def _run(self) -> None:
        self.resume()
        while self._lines and self.look(_POLL_S):
            pass

    def resume(self) -> None:
        """Say again what an earlier start has raised; and of lines that nobody watches any more, that nobody does.

        The topic is retained: what was told last would stand before subscribers for good. What the thread does first; without it, a test.
        """
        self._known = self._memory.read()
        for name in sorted(self._known.keys() - self._lines.keys()):
            del self._known[name]
            self._tell(nobody_watches(device=self._device, session=self._session, pipeline=name))
        for name, known in list(self._known.items()):
            if known.since is not None and self._active(name) in (None, known.model):
                self._begin(name, known.model)
        self._keep()

    def _begin(self, name: str, digest: str) -> None:
        line = self._lines[name]
        line.begin(digest, self._known.pop(name, None))
        self._say(name, line)

    def _keep(self) -> None:
        """Bring to the disk what a restart must not lose; of lines that have not begun yet, what was kept before."""
        begun = {name: kept for name, line in self._lines.items() if (kept := line.remembered()) is not None}
        self._memory.write(self._known | begun)

    def look(self, timeout_s: float) -> bool:
        """Wait for a frame and look at it; False when there will be none any more. What the thread does; without it, a test."""
        try:
            job = self._box.get(timeout_s)
        except Closed:
            return False
        if job is not None:
            self._look(*job)
        return True

    def _look(self, observer: DriftObserver, frame: Frame, prediction: Prediction, at_s: float) -> None:
        name, digest = observer.pipeline, prediction.model.digest
        line = self._lines[name]
        try:
            if digest != line.digest:
                if digest != self._active(name):
                    return
                self._begin(name, digest)
            judged, strange = line.take(frame, prediction, at_s)
            if judged:
                self._say(name, line)
            if strange:
                self._on_strange(frame, prediction, strange)
        except Exception:  # the boundary of a thread that goes on: a frame may hold anything
            if name not in self._failed:
                self._failed.add(name)
                log.exception("pipeline %s: drift cannot be told", name, extra={"pipeline": name})

    def _say(self, name: str, line: Line) -> None:
        drift = message(line, device=self._device, session=self._session, pipeline=name)
        before, self._states[name] = self._states.get(name), drift
        if before is None or before.state != drift.state:
            level = logging.WARNING if drift.state == "drifting" else logging.INFO
            fields = {"pipeline": name, "state": drift.state, "model": drift.model}
            log.log(level, "pipeline %s: %s", name, sentence(drift), extra=fields)
        self._keep()  # before it is told: a kill in between has it told twice, not forgotten
        self._tell(drift)
        self._on_blame(name, sentence(drift) if line.blames_model else None)
