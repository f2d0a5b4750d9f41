"""What a pipeline does with a frame while it is still in the capture thread: is there anything new to see, and what the model takes.

So the input of the next frame is ready before the interpreter is done with this one, on another core, while the pixels are still in
that core's cache.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from agent.models.placement import Region
from agent.sources.demand import Needed

if TYPE_CHECKING:
    from agent.core.frames import Frame
    from agent.core.messages import Hold
    from agent.models.contract import Prepared, Preparer
    from agent.pipeline.motion import MotionGate


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
    """

    def __init__(
        self,
        gate: MotionGate | None = None,
        *,
        seen: Region = Region(),  # noqa: B008 - it is a constant
        needs_full_frames: bool = False,
    ) -> None:
        """Store.

        Args:
            gate: Lets still frames go.
            seen: The part of the frame that the model looks at.
            needs_full_frames: Whether somebody behind the model, such as a sink that keeps pictures, takes frames as the source has them.
        """
        self._gate = gate
        self._seen = seen
        self._needs_full_frames = needs_full_frames
        self._preparer: Preparer | None = None
        self._needed: Needed | None = None
        self._holds: frozenset[Hold] = frozenset()
        self._lock = threading.Lock()
        self._asked: SimpleQueue[Frame] | None = None
        self.held: Counter[Hold] = Counter()

    def hold(self, why: Hold) -> None:
        """From now on no frame is let in, for this reason beside others. Any thread; may be called twice."""
        with self._lock:
            self._holds |= {why}

    def release(self, why: Hold) -> None:
        """This reason holds no longer; frames are let in again when none does. Any thread; may be called twice."""
        with self._lock:
            self._holds -= {why}

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
            height, width = preparer.size
            seen = self._seen
            self._needed = Needed.by_input(
                width, height, seen_width=seen.x_max - seen.x_min, seen_height=seen.y_max - seen.y_min
            )
        self._preparer = preparer

    @property
    def needed(self) -> Needed | None:
        """Pixels of the frame that are needed, by the last model that was at work; None for all of them, and before the first model."""
        return self._needed

    def admit(self, frame: Frame) -> Job | None:
        """The frame, prepared if there is a model; None if the gate lets it go, or something holds them all back."""
        asked = self._asked
        if asked is not None:
            self._asked = None
            asked.put(frame)
        holds = self._holds
        if holds:
            self.held[next(iter(holds))] += 1
            return None
        if self._gate is not None and not self._gate.lets_pass(frame):
            return None
        preparer = self._preparer
        if preparer is None:
            return Job(frame)
        try:
            return Job(frame, preparer.prepare(frame.pixels), preparer)
        except Exception:  # noqa: BLE001 - no fault of the source: the pipeline's thread will meet it again, and knows what to do
            return Job(frame)

    @property
    def still(self) -> int:
        """Frames that the gate let go since the start."""
        return 0 if self._gate is None else self._gate.still
