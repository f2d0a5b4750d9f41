"""What a pipeline does with a frame while it is still in the capture thread: is there anything new to see, and what the model takes.

So the input of the next frame is ready before the interpreter is done with this one, on another core, while the pixels are still in
that core's cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.core.frames import Frame
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
    """Called by the capture thread, for each frame.

    Attributes:
        preparer: Of the model at work; set by the pipeline's thread, and None while there is no model.
    """

    def __init__(self, gate: MotionGate | None = None) -> None:
        self.preparer: Preparer | None = None
        self._gate = gate

    def admit(self, frame: Frame) -> Job | None:
        """The frame, prepared if there is a model; None if the gate lets it go."""
        if self._gate is not None and not self._gate.lets_pass(frame):
            return None
        preparer = self.preparer
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
