"""A source that never ends, and a sink that keeps what each of its frames was decided by."""

from __future__ import annotations

import threading
import time

import numpy as np

from agent.core.frames import Frame

LONG_S = 60.0


class Keeping:
    """A sink that keeps what each frame was decided by."""

    def __init__(self) -> None:
        self.made = []
        self._came = threading.Condition()

    def send(self, prediction, *, qos, event_seq, publish, wait) -> None:
        with self._came:
            self.made.append(
                (prediction.seq, prediction.frame.index, prediction.model.version, prediction.result.label)
            )
            self._came.notify_all()

    def wait_beyond(self, count) -> None:
        with self._came:
            assert self._came.wait_for(lambda: len(self.made) > count, LONG_S), len(self.made)


class Endless:
    """A source as fast as the pipeline takes its frames: dark and bright ones by turns."""

    def __init__(self, box, intake) -> None:
        self._box, self._intake = box, intake
        self._stop = threading.Event()
        self.count = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        pictures = [np.zeros((20, 30, 3), np.uint8), np.full((20, 30, 3), 255, np.uint8)]
        while not self._stop.is_set():
            frame = Frame(pictures[self.count % 2], self.count, time.time_ns(), time.perf_counter_ns())
            job = self._intake.admit(frame)
            while not self._box.put(job, 1.0):
                if self._stop.is_set():
                    return
            self.count += 1

    def end(self) -> None:
        self._stop.set()
        self._thread.join(LONG_S)
        self._box.close()
