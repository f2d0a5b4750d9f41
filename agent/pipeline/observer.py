"""Who looks at each prediction beside the line: statistics, samples, a model in its shadow. What they do wrong harms nobody.

An observer is told in the pipeline's own threads, so it takes what it needs and goes: whatever lasts longer than tens of microseconds it
leaves to a thread of its own, over a mailbox of one in which the newest wins.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.core.frames import Frame
    from agent.core.messages import Prediction
    from agent.models.contract import Inferred

log = logging.getLogger("lineside.pipeline")


class Observer(Protocol):
    """Sees what a pipeline predicts."""

    def seen(self, frame: Frame, prediction: Prediction, inferred: Inferred) -> None:
        """Called once for each prediction, after it was sent, in the order of `seq`; by one thread at a time. Must come back at once.

        Args:
            frame: Its pixels may be kept, and are never written.
            prediction: Complete but for `published_at`, `historical` and `event_seq`, which belong to the sink; never written by an
                observer.
            inferred: Its `outputs` may be kept; its input tensor belongs to a later frame already.
        """
        ...


class Observers:
    """The observers of one pipeline. Any thread adds and removes; one thread at a time tells.

    Attributes:
        present: Whether there is anybody to tell; looked at for each frame.
        failures: How often each kind of observer raised, by the name of its class.
    """

    def __init__(self, pipeline: str, observers: Iterable[Observer] = ()) -> None:
        """Store.

        Args:
            pipeline: Its name, for the log.
            observers: Those that are there from the start.
        """
        self.failures: Counter[str] = Counter()
        self._pipeline = pipeline
        self._lock = threading.Lock()
        self._all = tuple(observers)
        self._told: Observer | None = None
        self._turn = 0
        self.present = bool(self._all)

    def add(self, observer: Observer) -> None:
        """Have it told from the next prediction on."""
        with self._lock:
            self._set((*self._all, observer))

    def remove(self, observer: Observer) -> None:
        """From the next prediction on it is not told; it may be told of one more while this returns. May be called twice."""
        with self._lock:
            self._set(tuple(other for other in self._all if other is not observer))

    def tell(self, frame: Frame, prediction: Prediction, inferred: Inferred) -> None:
        """Tell all of them, one after the other; one that raises is logged the first time, counted, and told again next time."""
        turn = self._turn
        for observer in self._all:
            if self._turn != turn:
                return  # it hung in the one before, and another thread tells now
            self._told = observer
            try:
                observer.seen(frame, prediction, inferred)
            except Exception:  # the boundary of a plug-in: the line goes on
                name = type(observer).__name__
                self.failures[name] += 1
                if self.failures[name] == 1:
                    log.exception("pipeline %s: %s failed", self._pipeline, name, extra={"pipeline": self._pipeline})
        self._told = None

    def give_up(self) -> None:
        """The one that is being told hangs: it is told no more."""
        self._turn += 1
        observer = self._told
        if observer is not None:
            self.remove(observer)
            name = type(observer).__name__
            self.failures[name] += 1
            log.error(
                "pipeline %s: %s did not come back and is told no more",
                self._pipeline,
                name,
                extra={"pipeline": self._pipeline},
            )

    def _set(self, observers: tuple[Observer, ...]) -> None:
        self._all = observers
        self.present = bool(observers)
