"""A candidate in a thread of its own: one frame at a time, the newest wins. Whatever it does, raising and hanging included, holds nobody up."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from agent.core.errors import LinesideError
from agent.core.mailbox import Closed, Mailbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.core.frames import Frame
    from agent.core.results import Result
    from agent.models.contract import Inferred, Model, Preparer

log = logging.getLogger("lineside.pipeline")

T = TypeVar("T")

_POLL_S = 0.5
_NICEST = 19


@dataclass(frozen=True, slots=True)
class Answer:
    """What a candidate made of a frame.

    Attributes:
        inferred: Its outputs; the input tensor belongs to a later frame already.
        result: What they say.
        took_ms: All of it.
    """

    inferred: Inferred
    result: Result
    took_ms: float


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a candidate made nothing of a frame.

    Attributes:
        fault: In words.
        took_ms: Until it failed.
    """

    fault: str
    took_ms: float


class Beside(Generic[T]):
    """One thread gives; any thread may look, and have it leave."""

    def __init__(
        self, name: str, model: Model, then: Callable[[T, Answer | Failure], None], *, niceness: int = 0
    ) -> None:
        """Store.

        Args:
            name: Of the thread.
            model: Used by nobody else while the thread lives.
            then: Called in the thread with what was given beside a frame and what came of that; not after `leave`.
            niceness: By how much the thread stands back behind the others; where there is no such thing, it does not.
        """
        self._model = model
        self._then = then
        self._niceness = niceness
        self._box = Mailbox[tuple["Frame", T]](1, "drop_oldest")
        self._since_s: float | None = None
        self._has_left = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def give(self, frame: Frame, what: T) -> None:
        """The next frame, in place of one that still waits. Returns at once."""
        self._box.put((frame, what), 0)

    @property
    def dropped(self) -> int:
        """Frames that waited until a newer one came."""
        return self._box.dropped

    def held_s(self, now_s: float) -> float | None:
        """For how long it has been at a frame; None while it is at none, and none waits."""
        since_s = self._since_s
        if since_s is None:
            return 0.0 if len(self._box) else None
        return now_s - since_s

    def leave(self) -> None:
        """No more: what is at hand is told to nobody. Returns at once; may be called twice."""
        self._has_left = True
        self._box.close()

    def join(self, timeout_s: float) -> bool:
        """Wait until nothing uses the model any more; False if that does not come in time, or it is this thread that asks."""
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def alive(self) -> bool:
        """Whether its thread still runs."""
        return self._thread.is_alive()

    def _run(self) -> None:
        stand_back(self._niceness)
        preparer: Preparer | None = None
        while True:
            try:
                given = self._box.get(_POLL_S)
            except Closed:
                return
            if given is None:
                continue
            if self._has_left:
                return
            frame, what = given
            preparer, came = self._tried(frame, preparer)
            if not self._has_left:
                self._then(what, came)
            del given, frame, what, came  # some megabytes, and the next one may be long in coming

    def _tried(self, frame: Frame, preparer: Preparer | None) -> tuple[Preparer | None, Answer | Failure]:
        self._since_s = began_s = time.monotonic()
        try:
            preparer = preparer or self._model.preparer()
            prepared = preparer.prepare(frame.pixels)
            inferred = self._model.infer(prepared)
            result = self._model.decode(inferred)
            answer = Answer(inferred, result, (time.monotonic() - began_s) * 1e3)
            preparer.recycle(prepared)
        except LinesideError as error:
            fault = str(error)
        except Exception as error:  # the boundary of a plug-in: a model may raise anything
            log.exception("%s failed", self._thread.name)
            fault = f"{type(error).__name__}: {error}"
        else:
            return preparer, answer
        finally:
            self._since_s = None
        return preparer, Failure(fault, (time.monotonic() - began_s) * 1e3)


def stand_back(niceness: int) -> None:
    """Have this thread run behind the others; on Linux each thread has a niceness of its own, elsewhere nothing is done."""
    if niceness and sys.platform == "linux":
        thread = threading.get_native_id()
        with suppress(OSError):  # then its share alone has to hold it back
            now = os.getpriority(os.PRIO_PROCESS, thread)
            os.setpriority(os.PRIO_PROCESS, thread, min(_NICEST, now + niceness))
