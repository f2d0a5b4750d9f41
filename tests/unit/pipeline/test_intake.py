"""Frames are held back for as long as any reason holds."""

from __future__ import annotations

import numpy as np

from agent.core.frames import Frame
from agent.pipeline.intake import Intake


def frame(index: int) -> Frame:
    return Frame(pixels=np.zeros((2, 2, 3), np.uint8), index=index, captured_ns=0, handed_over_ns=0)


def test_frames_are_let_in_again_only_when_no_reason_holds_them():
    """A pipeline that was paused and shed works again when both are over; what was let go is counted."""
    intake = Intake()
    intake.hold("paused")
    intake.hold("shed")
    intake.release("paused")
    assert intake.admit(frame(0)) is None
    intake.release("shed")
    admitted = intake.admit(frame(1))
    assert admitted is not None
    assert admitted.frame.index == 1
    assert dict(intake.held) == {"shed": 1}
