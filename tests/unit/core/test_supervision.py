"""The rule of restarts: at once, with backoff, slowly, and when only a fresh process helps."""

from __future__ import annotations

import pytest

from agent.core.supervision import History, Limits, after_stall, is_beyond_help

LIMITS = Limits(max_restarts=3, within_s=600, retry_s=300, max_abandoned=8)


def stalls(*times_s, limits=LIMITS):
    """The plans for a part that stalls at these times."""
    plans, history = [], History()
    for now_s in times_s:
        plan, history = after_stall(history, now_s, limits)
        plans.append((plan.delay_s, plan.failed))
    return plans


def test_the_first_stall_is_cured_at_once():
    """A thread that hangs has cost enough time already."""
    assert stalls(1000) == [(0, False)]


def test_the_next_ones_wait_longer_each_time_and_then_the_part_is_failed():
    """One more than `max_restarts` within `within_s`."""
    assert stalls(0, 30, 60, 90) == [(0, False), (1, False), (2, False), (300, True)]


def test_restarts_that_are_long_ago_do_not_count():
    """A part that hangs every eleven minutes is restarted at once each time."""
    assert stalls(*range(0, 6600, 660)) == [(0, False)] * 10


def test_a_failed_part_stays_failed_until_it_has_worked_for_long_enough():
    """Tries are far apart, so the window alone would forget why they are."""
    assert stalls(0, 30, 60, 90, 420, 750)[3:] == [(300, True)] * 3
    assert stalls(0, 30, 60, 90, 390 + 601)[3:] == [(300, True), (0, False)]


def test_the_time_in_which_it_hung_is_no_work():
    """Loading may take minutes before it counts as hung: a part that does nothing else would never be failed, or be as new again."""
    plans, history, now_s = [], History(), 0.0
    for _ in range(8):
        now_s += 660
        plan, history = after_stall(history, now_s, LIMITS, held_s=660)
        plans.append((plan.delay_s, plan.failed))
        now_s += plan.delay_s
    assert plans == [(0, False), (1, False), (2, False)] + [(300, True)] * 5


def test_a_slow_retry_that_is_longer_than_the_window_is_no_way_out():
    """The window begins when the part is tried again, not when it was given up."""
    slow = Limits(max_restarts=1, within_s=60, retry_s=3600)
    assert stalls(0, 10, 3640, 7260, limits=slow)[1:] == [(3600, True)] * 3


def test_the_delay_within_the_limits_is_bounded():
    """However many restarts are allowed."""
    plans = stalls(*range(20), limits=Limits(max_restarts=100))
    assert max(delay_s for delay_s, _ in plans) == 10


def test_without_any_restart_allowed_a_part_is_failed_at_once():
    """`max_restarts = 0` leaves only the slow tries."""
    assert stalls(0, limits=Limits(max_restarts=0)) == [(300, True)]


@pytest.mark.parametrize(("alive", "beyond"), [(0, False), (7, False), (8, True), (9, True)])
def test_too_many_threads_that_hang_are_beyond_help(alive, beyond):
    """Each holds memory, and perhaps a lock."""
    assert is_beyond_help(alive, LIMITS) is beyond
