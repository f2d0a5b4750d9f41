"""The candidates of one pipeline: at most one in its shadow and one in its canary, and when they are over.

They belong to the pipeline and not to the model at work: a reload, or fresh threads for a call that hangs, change nothing for them. Another
model at work ends both, since what they were compared with is gone.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.core.comparing import Pair
    from agent.core.decisions import DecisionRule
    from agent.core.frames import Frame
    from agent.core.messages import Decision, Prediction
    from agent.core.results import Result
    from agent.models.contract import Inferred, Model
    from agent.pipeline.canary import Canary
    from agent.pipeline.intake import Intake
    from agent.pipeline.observer import Observers
    from agent.pipeline.shadow import Shadow

MOST_HUNG = 4
"""Candidates that hang in a call for good, each with a thread and a model; then no further one is tried until the agent starts anew."""


@dataclass(frozen=True, slots=True)
class Line:
    """What a candidate has to know of the pipeline.

    Attributes:
        name: Of its table in the configuration.
        live: Frames come in a pace of their own.
        hung_after_s: How long a call may take.
        dropped: How many frames were dropped since the start because the model was busy.
        instead: See `agent.pipeline.inspector.Inspector.instead`.
    """

    name: str
    live: bool
    hung_after_s: float
    dropped: Callable[[], int]
    instead: Callable[[], Callable[[Result, DecisionRule | None], Decision | None]]


@dataclass(frozen=True, slots=True)
class _Onlooker:
    """Implements `agent.pipeline.observer.Observer` for who has other things named `seen`."""

    seen: Callable[[Frame, Prediction, Inferred], None]


class Candidates:
    """Any thread.

    Attributes:
        canary: The one that decides frames now; looked at for each frame.
    """

    def __init__(self, line: Line, observers: Observers, intake: Intake, deadline_ms: float | None) -> None:
        """Store.

        Args:
            line: The pipeline.
            observers: Where candidates look on.
            intake: Where the frames' pixels are asked for.
            deadline_ms: Of the pipeline.
        """
        self.canary: Canary | None = None
        self._shadow: Shadow | None = None
        self._line = line
        self._observers = observers
        self._intake = intake
        self._deadline_ms = deadline_ms
        self._lock = threading.RLock()
        self._closed = False
        self._left: list[Shadow | Canary] = []

    def begin_shadow(
        self, model: Model, on_pair: Callable[[Pair, Frame], None], share: float, spread: float | None
    ) -> Shadow:
        """See `agent.pipeline.runner.PipelineRunner.shadow`."""
        from agent.pipeline.shadow import Shadow  # noqa: PLC0415 - a start needs none

        shadow = Shadow(
            self._line,
            model,
            on_pair=on_pair,
            share=share,
            spread=spread,
            on_over=lambda: self._over(shadow, onlooker),
        )
        onlooker = _Onlooker(shadow.look)
        with self._lock:
            if self._shadow is not None:
                self._shadow.over()
            self._begin(shadow, onlooker, model)
            self._shadow = None if shadow.is_over else shadow
        return shadow

    def begin_canary(self, model: Model, share: float) -> Canary:
        """See `agent.pipeline.runner.PipelineRunner.canary`."""
        from agent.pipeline.canary import Canary  # noqa: PLC0415 - a start needs none

        canary = Canary(
            self._line.name,
            model,
            share=share,
            live=self._line.live,
            deadline_ms=self._deadline_ms,
            hung_after_s=self._line.hung_after_s,
            on_over=lambda: self._over(canary, onlooker),
        )
        onlooker = _Onlooker(canary.look)
        with self._lock:
            if self.canary is not None:
                self.canary.over()
            self._begin(canary, onlooker, model)
            self.canary = None if canary.is_over else canary
        return canary

    def must_not_use(self, model: Model) -> None:
        """Whoever offers a candidate has to end its trial first, or two threads would be in it.

        Raises:
            ValueError: It is in its shadow or canary.
        """
        with self._lock:
            if any(tried is not None and tried.model is model for tried in (self._shadow, self.canary)):
                raise ValueError(
                    "the model is in its shadow or canary: end that, and wait for it, before it is offered"
                )

    def end(self) -> None:
        """Both are over; nobody is waited for."""
        with self._lock:
            for candidate in (self._shadow, self.canary):
                if candidate is not None:
                    candidate.over()

    def close(self) -> None:
        """The pipeline has ended: those that come now are over at once."""
        with self._lock:
            self._closed = True
            self.end()

    def _begin(self, candidate: Shadow | Canary, onlooker: _Onlooker, model: Model) -> None:
        self._left = [each for each in self._left if each.hangs]
        if self._closed:
            candidate.over()
        elif len(self._left) >= MOST_HUNG:
            candidate.over(
                f"{len(self._left)} candidates hang in a call already; restart the agent to try further ones"
            )
        else:
            self._intake.also_for(model.preparer().size)
            self._observers.add(onlooker)
            candidate.start()

    def _over(self, candidate: Shadow | Canary, onlooker: _Onlooker) -> None:
        with self._lock:
            self._observers.remove(onlooker)
            self._left.append(candidate)
            if self._shadow is candidate:
                self._shadow = None
            if self.canary is candidate:
                self.canary = None
            if self._shadow is None and self.canary is None:
                self._intake.also_for(None)
