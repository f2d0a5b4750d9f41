"""One start of a pipeline's threads: how long each call holds them, and the line behind which an abandoned thread does nothing.

A call that may hang (loading, the interpreter, a decoder, a sink) is made through `do`. The supervisor looks from another thread. Once
a shift is given up, each of its calls ends in `GivenUp` when it returns, whatever came of it.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, ParamSpec, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")
Step = Literal["load", "prepare", "infer", "decode", "send", "observe", "close"]


class GivenUp(Exception):
    """The shift was given up; its thread ends and says nothing."""


class Helper(Protocol):
    """The second thread of a shift."""

    @property
    def alive(self) -> bool:
        """Whether its thread still runs."""
        ...

    def give_up(self, why: Exception) -> None:
        """Whoever waits for it raises `why`."""
        ...


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the calls of a pipeline may take.

    Attributes:
        stall_after_s: A call on the way of a frame.
        load_after_s: Loading a model, its trial included, and those of other pipelines that go first.
    """

    stall_after_s: float = 30.0
    load_after_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Stuck:
    """A call that holds its thread for too long."""

    step: Step
    held_s: float


class Shift:
    """`start` and `give_up` belong to the runner's owner, `do`, `waits` and `with shift:` to the shift's threads.

    Attributes:
        taken: Frames that its inference thread took.
        numbered: Those of them that became a prediction.
        helper: The finishing thread, where there is one.
    """

    def __init__(self, name: str, patience: Patience, run: Callable[[Shift], None]) -> None:
        """Store.

        Args:
            name: Of the thread.
            patience: How long its calls may take.
            run: What it does.
        """
        self.taken = 0
        self.numbered = 0
        self.helper: Helper | None = None
        self._patience = patience
        self._turn = threading.Lock()
        self._since_s: dict[Step, float] = {}
        self._is_over = False
        self._thread = threading.Thread(target=run, args=(self,), name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; False if it did not come in time. One that was given up is not waited for."""
        if self._thread.ident is not None and not self._is_over:
            self._thread.join(timeout_s)
        return self._is_over or not self._thread.is_alive()

    @property
    def alive(self) -> bool:
        """Whether one of its threads still runs."""
        return self._thread.is_alive() or (self.helper is not None and self.helper.alive)

    @property
    def is_over(self) -> bool:
        """Whether it was given up."""
        return self._is_over

    def do(self, step: Step, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call what may hang. One thread at a time for each step.

        Raises:
            GivenUp: The shift was given up meanwhile, whatever came of the call.
        """
        with self._turn:
            self._since_s[step] = time.monotonic()
        try:
            return call(*args, **kwargs)
        finally:
            with self._turn:
                del self._since_s[step]
                if self._is_over:
                    raise GivenUp

    def __enter__(self) -> None:
        """On duty: until the end of the block the shift is not given up. For what is quick and must not be done by two shifts.

        Raises:
            GivenUp: It was given up before.
        """
        self._turn.acquire()
        if self._is_over:
            self._turn.release()
            raise GivenUp

    def __exit__(self, *_: object) -> None:
        self._turn.release()

    def waits(self, step: Step) -> bool:
        """A call says that it waits its turn, which is no stall; False if it should not wait any longer."""
        with self._turn:
            if step in self._since_s:
                self._since_s[step] = time.monotonic()
            return not self._is_over

    def stuck(self, now_s: float) -> Stuck | None:
        """The call that has held a thread for too long, if there is one; None once the shift was given up."""
        with self._turn:
            return self._stuck(now_s)

    def give_up(self, now_s: float) -> Stuck | None:
        """End the shift if it is stuck still: the call that did it, or None. Returns when none of its threads is on duty."""
        with self._turn:
            stuck = self._stuck(now_s)
            if stuck is None:
                return None
            self._is_over = True
        if self.helper is not None:
            self.helper.give_up(GivenUp())
        return stuck

    def _stuck(self, now_s: float) -> Stuck | None:
        if self._is_over:
            return None
        limits = self._patience
        for step, since_s in self._since_s.items():
            if now_s - since_s > (limits.load_after_s if step == "load" else limits.stall_after_s):
                return Stuck(step, now_s - since_s)
        return None
