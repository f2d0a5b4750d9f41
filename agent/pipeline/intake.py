"""What a pipeline does with a frame while it is still in the capture thread: is there anything new to see, and what the model takes.

So the input of the next frame is ready before the interpreter is done with this one, on another core, while the pixels are still in
that core's cache.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from agent.models.placement import Region
from agent.sources.demand import Needed, largest

if TYPE_CHECKING:
    from agent.core.frames import Frame
    from agent.core.messages import Hold
    from agent.models.contract import Prepared, Preparer
    from agent.models.placement import Size
    from agent.pipeline.motion import MotionGate

_EARLY = 4
"""A frame may come so great a part of the period before its turn: a camera of 30 frames a second is not halved by `max_rate_hz = 30`."""


@dataclass(slots=True)
class Job:
    """A frame on its way through a pipeline.

    Attributes:
        frame: As the source gave it.
        prepared: The model's input, or None while there is no model.
        by: What filled it.
    """

    frame: Frame
    prepared: Prepared | None = None
    by: Preparer | None = None


class Intake:
    """`admit` is called by the capture thread, for each frame.

    Attributes:
        held: Frames that were let go because of a hold, by reason.
        slowed: Frames that were let go because they came faster than the rate.
    """

    def __init__(
        self,
        gate: MotionGate | None = None,
        *,
        seen: Region = Region(),  # noqa: B008 - it is a constant
        needs_full_frames: bool = False,
        max_rate_hz: float | None = None,
        waits: bool = False,
    ) -> None:
        """Store.

        Args:
            gate: Lets still frames go.
            seen: The part of the frame that the model looks at.
            needs_full_frames: Whether somebody behind the model, such as a sink that keeps pictures, takes frames as the source has them.
            max_rate_hz: Frames a second that are let in at most; None for all.
            waits: The frames are those of files, which lose none: what comes faster than the rate is held up and not let go.
        """
        self._gate = gate
        self._seen = seen
        self._needs_full_frames = needs_full_frames
        self._preparer: Preparer | None = None
        self._needed: Needed | None = None
        self._also: Needed | None = None
        self._holds: frozenset[Hold] = frozenset()
        self._lock = threading.Lock()
        self._asked: SimpleQueue[Frame] | None = None
        self.held: Counter[Hold] = Counter()
        self.slowed = 0
        self._max_rate_hz = max_rate_hz
        self._waits = waits
        self._slowed_to_hz: float | None = None
        self._period_ns = _period_ns(max_rate_hz)
        self._due_ns = 0
        self._period_changed = threading.Event()

    def hold(self, why: Hold) -> None:
        """From now on no frame is let in, for this reason beside others. Any thread; may be called twice."""
        with self._lock:
            self._holds |= {why}

    def release(self, why: Hold) -> None:
        """This reason holds no longer; frames are let in again when none does. Any thread; may be called twice."""
        with self._lock:
            self._holds -= {why}

    def limit(self, rate_hz: float | None) -> None:
        """From now on let in at most `rate_hz` frames a second, None for as many as the configuration allows. Any thread."""
        rates_hz = [rate for rate in (rate_hz, self._max_rate_hz) if rate is not None]
        self._slowed_to_hz = rate_hz
        period_ns = _period_ns(min(rates_hz, default=None))
        if period_ns != self._period_ns:
            self._period_ns, self._due_ns = period_ns, 0
            self._period_changed.set()

    @property
    def slowed_to_hz(self) -> float | None:
        """Frames a second that are let in at most because the device has too little, or None."""
        return self._slowed_to_hz

    @property
    def holds(self) -> frozenset[Hold]:
        """Why no frame is let in; empty while they are."""
        return self._holds

    def next_frame(self, timeout_s: float) -> Frame | None:
        """The next frame that the source gives, whether it is let in or not; None if none comes in time. One caller at a time."""
        asked: SimpleQueue[Frame] = SimpleQueue()
        self._asked = asked
        try:
            return asked.get(timeout=timeout_s)
        except Empty:
            return None
        finally:
            self._asked = None

    @property
    def preparer(self) -> Preparer | None:
        """Of the model at work; set by the pipeline's thread, and None while there is no model."""
        return self._preparer

    @preparer.setter
    def preparer(self, preparer: Preparer | None) -> None:
        if preparer is not None and preparer.size is not None and not self._needs_full_frames:
            self._needed = self._needed_for(preparer.size)
        self._preparer = preparer

    def also_for(self, size: Size | None) -> None:
        """Frames are to be good enough for a candidate too, whose input has this size; None where there is none. Any thread."""
        self._also = None if size is None else self._needed_for(size)

    def _needed_for(self, size: Size) -> Needed:
        height, width = size
        seen = self._seen
        return Needed.by_input(width, height, seen_width=seen.x_max - seen.x_min, seen_height=seen.y_max - seen.y_min)

    @property
    def needed(self) -> Needed | None:
        """Pixels of the frame that are needed, by the last model that was at work; None for all of them, and before the first model."""
        also = self._also
        return self._needed if also is None else largest((self._needed, also))

    def admit(self, frame: Frame) -> Job | None:
        """The frame, prepared if there is a model; None if the gate or the rate lets it go, or something holds them all back."""
        asked = self._asked
        if asked is not None:
            self._asked = None
            asked.put(frame)
        holds = self._holds
        if holds:
            self.held[next(iter(holds))] += 1
            return None
        if period_ns := self._period_ns:
            if self._waits:
                frame = self._in_turn(frame)
            elif frame.handed_over_ns < self._due_ns - period_ns // _EARLY:
                self.slowed += 1
                return None
        if self._gate is not None and not self._gate.lets_pass(frame):
            return None
        # Only who passes the gate takes a turn; and turns lie on a grid, so that one who comes late or early does not move the next.
        if period_ns:
            in_time = frame.handed_over_ns < self._due_ns + period_ns
            self._due_ns = (self._due_ns if in_time else frame.handed_over_ns) + period_ns
        preparer = self._preparer
        if preparer is None:
            return Job(frame)
        try:
            return Job(frame, preparer.prepare(frame.pixels), preparer)
        except Exception:  # noqa: BLE001 - no fault of the source: the pipeline's thread will meet it again, and knows what to do
            return Job(frame)

    def _in_turn(self, frame: Frame) -> Frame:
        """The frame when its turn has come. The source held it back until then, so that counts as its hand-over."""
        self._period_changed.clear()
        left_ns = self._due_ns - time.perf_counter_ns()
        if left_ns <= 0:
            return frame
        self._period_changed.wait(min(left_ns, self._period_ns) / 1e9)
        return replace(frame, handed_over_ns=time.perf_counter_ns())

    @property
    def still(self) -> int:
        """Frames that the gate let go since the start."""
        return 0 if self._gate is None else self._gate.still


def _period_ns(rate_hz: float | None) -> int:
    """Between two frames; 0 where there is no limit."""
    return 0 if rate_hz is None else round(1e9 / rate_hz)
