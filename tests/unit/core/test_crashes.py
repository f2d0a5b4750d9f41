"""How soon what crashed is started again."""

from __future__ import annotations

from agent.core.crashes import LIMIT, RECENT_S, RECENT_WORK, Crashes


def test_the_first_crash_is_answered_at_once_and_further_ones_more_slowly():
    """A line waits; what crashes again and again shall not use up the machine. In the end it is enough."""
    crashes = Crashes()
    answers = [crashes.again_s(now_s=10.0 + k, done=0) for k in range(LIMIT + 1)]
    assert answers == [0.0, 0.25, 0.5, 1.0, 2.0, None]


def test_crashes_that_lie_far_apart_are_each_the_first():
    """In time and in work: one frame a minute is lost, and nothing else."""
    crashes = Crashes()
    assert {crashes.again_s(k * RECENT_S, k * RECENT_WORK) for k in range(50)} == {0.0}


def test_what_hangs_on_every_frame_is_given_up_however_long_it_hangs():
    """Ten minutes between two crashes are no sign of health when nothing was done in them."""
    crashes = Crashes()
    assert [crashes.again_s(600.0 * k, done=k) for k in range(LIMIT + 1)][-1] is None


def test_what_crashed_too_often_gets_another_chance_when_it_has_worked():
    """The crashes of long ago count no more."""
    crashes = Crashes()
    for _ in range(20):
        crashes.again_s(0.0, 0)
    assert crashes.again_s(RECENT_S - 1, RECENT_WORK) is None
    assert crashes.again_s(3 * RECENT_S, 3 * RECENT_WORK) == 0.0
