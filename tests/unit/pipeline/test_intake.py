"""Frames are held back for as long as any reason holds, and let in no faster than the rate."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from deadlines import LONG_S

from agent.core.frames import Frame
from agent.pipeline.intake import Intake


def frame(index: int, at_s: float = 0.0) -> Frame:
    return Frame(pixels=np.zeros((2, 2, 3), np.uint8), index=index, captured_ns=0, handed_over_ns=round(at_s * 1e9))


def let_in(
    intake: Intake, rate_hz: float, seconds: float, *, since_s: float = 1000.0, shake_s: float = 0.0
) -> list[int]:
    """The frames that were let in of a camera's, which come a little early and a little late in turn."""
    frames = [frame(k, since_s + k / rate_hz + shake_s * (-1) ** k) for k in range(round(rate_hz * seconds))]
    return [one.index for one in frames if intake.admit(one) is not None]


class OpenGate:
    """A motion gate that lets some frames pass."""

    def __init__(self, passing: set[int]) -> None:
        self.passing = passing
        self.seen = []
        self.still = 0

    def lets_pass(self, frame: Frame) -> bool:
        self.seen.append(frame.index)
        return frame.index in self.passing


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
    asking = threading.Thread(target=lambda: given.append(intake.next_frame(LONG_S)))
    asking.start()
    admitted = 0
    while asking.is_alive():
        admitted += intake.admit(frame(admitted)) is not None
    [taken] = given
    assert 0 <= taken.index < admitted
    assert intake.next_frame(0.01) is None


@pytest.mark.parametrize(
    ("limit_hz", "count"), [(20, 200), (15, 150), (10, 100), (7, 70), (1, 10), (0.5, 5), (30, 300), (100, 300)]
)
def test_a_camera_is_looked_at_no_faster_than_the_limit(limit_hz, count):
    """30 frames a second, 3 ms early and late in turn, for 10 s; what is let go is counted, and no turn is wasted."""
    intake = Intake()
    intake.limit(limit_hz)
    admitted = let_in(intake, 30, 10, shake_s=0.003)
    assert len(admitted) == pytest.approx(count, abs=1)
    assert intake.slowed == 300 - len(admitted)
    assert intake.slowed_to_hz == limit_hz


def test_without_a_limit_every_frame_is_let_in_again():
    """At once, whatever turn was waited for; only the configuration's own rate stays."""
    intake = Intake(max_rate_hz=10)
    intake.limit(0.1)
    assert len(let_in(intake, 30, 5)) == 1
    intake.limit(None)
    assert len(let_in(intake, 30, 5, since_s=1005.0)) == pytest.approx(50, abs=1)
    assert intake.slowed_to_hz is None, "what the configuration asks for is no measure"


def test_a_limit_above_the_configured_rate_changes_nothing():
    """The lower one holds."""
    intake = Intake(max_rate_hz=5)
    intake.limit(20)
    assert len(let_in(intake, 30, 10)) == pytest.approx(50, abs=1)


def test_a_frame_in_which_nothing_moved_takes_no_turn():
    """A part that comes after a long stillness is seen at the first frame, not when its turn comes."""
    intake = Intake(OpenGate({20, 21, 22, 23}))
    intake.limit(10)
    assert let_in(intake, 30, 2) == [20, 23]


def test_a_frame_out_of_turn_is_not_shown_to_the_gate():
    """It would remember what moved in it, and the next frame would look still."""
    gate = OpenGate({0})
    intake = Intake(gate)
    intake.limit(10)
    let_in(intake, 30, 0.15)
    assert gate.seen == [0, 3]


def test_a_files_frames_wait_for_their_turn_and_none_is_lost():
    """The waiting is the source's, so it does not count as latency."""
    intake = Intake(waits=True, max_rate_hz=200)
    began_s = time.perf_counter()
    jobs = [intake.admit(Frame(np.zeros((2, 2, 3), np.uint8), k, 0, time.perf_counter_ns())) for k in range(21)]
    assert time.perf_counter() - began_s >= 0.09
    assert [job.frame.index for job in jobs] == list(range(21))
    assert intake.slowed == 0
    handed_over = [job.frame.handed_over_ns for job in jobs]
    assert handed_over[-1] - handed_over[0] >= 90_000_000


def test_a_file_that_waits_is_let_go_on_when_the_limit_ends():
    """Not after the rest of its turn, which may be long."""
    intake = Intake(waits=True)
    intake.limit(0.001)
    intake.admit(Frame(np.zeros((2, 2, 3), np.uint8), 0, 0, time.perf_counter_ns()))
    second = Frame(np.zeros((2, 2, 3), np.uint8), 1, 0, time.perf_counter_ns())
    waiting = threading.Thread(target=intake.admit, args=(second,), daemon=True)
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()
    intake.limit(None)
    waiting.join(LONG_S)
    assert not waiting.is_alive()
