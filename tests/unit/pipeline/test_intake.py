"""Frames are held back for as long as any reason holds."""

from __future__ import annotations

import threading

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


def test_the_next_frame_is_given_once_to_who_asks_and_goes_its_way_all_the_same():
    """Held back or not; the frame before and the one after are not kept."""
    intake = Intake()
    given = []
    asking = threading.Thread(target=lambda: given.append(intake.next_frame(10)))
    asking.start()
    admitted = 0
    while asking.is_alive():
        admitted += intake.admit(frame(admitted)) is not None
    [taken] = given
    assert 0 <= taken.index < admitted
    assert intake.next_frame(0.01) is None
