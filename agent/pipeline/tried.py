"""What a shadow and a canary have in common: a candidate beside the model at work, and an end, with a fault or without."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from agent.pipeline.beside import Beside

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.models.contract import Model
    from agent.pipeline.beside import Answer, Failure

log = logging.getLogger("lineside.pipeline")

T = TypeVar("T")


class Tried(Generic[T]):
    """Any thread reads, and ends it.

    Attributes:
        model: The candidate; used by nobody else while its thread lives.
        fault: Why it is over, where the candidate is to blame.
        is_over: Whether it has no part in the pipeline any more.
    """

    def __init__(
        self,
        what: str,
        pipeline: str,
        model: Model,
        then: Callable[[T, Answer | Failure], None],
        *,
        niceness: int,
        on_over: Callable[[], None],
    ) -> None:
        """Store.

        Args:
            what: It is: `shadow` or `canary`.
            pipeline: Name of its table in the configuration.
            model: The candidate.
            then: See `Beside`.
            niceness: See `Beside`.
            on_over: Called once, when it is over.
        """
        self.model = model
        self.fault: str | None = None
        self.is_over = False
        self._what = what
        self._pipeline = pipeline
        self._on_over = on_over
        self._ending = threading.Lock()
        self._beside = Beside(f"{what}-{pipeline}", model, then, niceness=niceness)

    def start(self) -> None:
        """Begin. The pipeline's."""
        self._beside.start()

    def over(self, fault: str | None = None) -> None:
        """No more from the next frame on. Returns at once; the first call counts.

        Args:
            fault: Of the candidate, where it is to blame.
        """
        with self._ending:
            if self.is_over:
                return
            self.is_over, self.fault = True, fault
        self._beside.leave()
        self._on_over()
        if fault is not None:
            fields = {"pipeline": self._pipeline, "model": self.model.reference.name}
            log.error(
                "pipeline %s: the candidate in its %s failed: %s", self._pipeline, self._what, fault, extra=fields
            )

    @property
    def hangs(self) -> bool:
        """Whether it is over and its thread has not ended."""
        return self.is_over and self._beside.alive
