"""What tests of source runners share: a source that follows a script, and somebody who notes each status that is told."""

from __future__ import annotations

import threading
import time
from collections import deque

import numpy as np
from deadlines import LONG_S

from agent.core.frames import Frame
from agent.core.mailbox import Closed
from agent.sources.contract import EndOfStream
from agent.supervisor import Supervisor

FRAME = "frame"


class Hang:
    """A call that does not return until `release`; then it goes on as `then` says.

    One that nobody releases ends its stream without a word, long after its test: a traceback would be drawn by `ast.parse` in that thread,
    and CPython 3.11 takes no other `ast.parse` beside it (SystemError: AST constructor recursion depth mismatch).
    """

    def __init__(self, then=FRAME) -> None:
        self.reached = threading.Event()
        self.released = threading.Event()
        self.then = then

    def release(self) -> None:
        self.released.set()

    def play(self):
        self.reached.set()
        return self.then if self.released.wait(LONG_S) else EndOfStream()


class ScriptedSource:
    """One connection. The script's first step is `open`, each further one a `read`; after the last comes the end."""

    def __init__(self, steps, *, period_s=None, captured_at_from="arrival") -> None:
        self.period_s = period_s
        self.captured_at_from = captured_at_from
        self.closed = threading.Event()
        self._steps = deque(steps)

    def _play(self):
        step = self._steps.popleft() if self._steps else EndOfStream()
        if isinstance(step, Hang):
            step = step.play()
        if isinstance(step, Exception):
            raise step
        return step

    def open(self) -> None:
        self._play()

    def read(self, index: int) -> Frame:
        self._play()
        return Frame(np.zeros((2, 2, 3), np.uint8), index, time.time_ns(), time.perf_counter_ns())

    def close(self) -> None:
        self.closed.set()


class Studio:
    """Gives a scripted source for each connection, one script after the other; the last is played again and again."""

    def __init__(self, *scripts, **source) -> None:
        self.sources = []
        self._scripts = scripts
        self._source = source

    def make(self) -> ScriptedSource:
        script = self._scripts[min(len(self.sources), len(self._scripts) - 1)]
        self.sources.append(ScriptedSource(script, **self._source))
        return self.sources[-1]


class Told:
    """Notes each status that a runner tells."""

    def __init__(self) -> None:
        self.statuses = []
        self._changed = threading.Condition()

    def __call__(self, runner) -> None:
        with self._changed:
            self.statuses.append(runner.status)
            self._changed.notify_all()

    @property
    def states(self) -> list[str]:
        with self._changed:
            return [status.state for status in self.statuses]

    def wait_for(self, *states: str) -> None:
        """Wait until these states were told in this order, with others between them or not."""
        with self._changed:
            assert self._changed.wait_for(lambda: _in_order(states, self.statuses), LONG_S), (states, self.statuses)


def _in_order(states, statuses) -> bool:
    told = iter(status.state for status in statuses)
    return all(state in told for state in states)


def drain(box) -> list[Frame]:
    """Everything that comes until the mailbox is closed."""
    frames = []
    until_s = time.monotonic() + LONG_S
    while time.monotonic() < until_s:
        try:
            frame = box.get(0.1)
        except Closed:
            return frames
        if frame is not None:
            frames.append(frame)
    raise AssertionError("the mailbox was not closed in time")


class Reader:
    """A thread that takes every frame of a mailbox at once, as a fast pipeline does."""

    def __init__(self, box) -> None:
        self.indexes = []
        self._box = box
        self._came = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while True:
            try:
                frame = self._box.get(0.2)
            except Closed:
                return
            if frame is not None:
                with self._came:
                    self.indexes.append(frame.index)
                    self._came.notify_all()

    def wait_for(self, count: int) -> None:
        """Wait for `count` more frames."""
        with self._came:
            until = len(self.indexes) + count
            assert self._came.wait_for(lambda: len(self.indexes) >= until, LONG_S), "no frames came"


class Watchman:
    """Looks after some runners, as the agent's main loop does, but ten times as often."""

    def __init__(self, *runners) -> None:
        self._runners = runners
        self._supervisor = Supervisor(runners)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._walk, daemon=True)

    def _walk(self) -> None:
        while not self._over.wait(0.05):
            self._supervisor.check(time.monotonic())
            for runner in self._runners:
                runner.check(time.monotonic())

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._over.set()
        self._thread.join(LONG_S)
        for runner in self._runners:
            runner.stop()
