"""Files that play in real time keep their own pace."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.sources.pace import Pace

periods = st.floats(0.001, 10)


@given(periods, st.lists(st.floats(0, 0.9), min_size=2, max_size=50))
def test_the_schedule_does_not_drift(period_s, busy):
    """However long each frame takes to decode, within its period: frame k is read k periods after the first."""
    pace, now_s = Pace(period_s), 1000.0
    for number, share in enumerate(busy):
        now_s += pace.wait_s(now_s)
        assert now_s == pytest.approx(1000.0 + number * period_s)
        now_s += share * period_s


@given(periods, st.integers(1, 8), st.floats(0.1, 0.9))
def test_who_is_late_catches_up_without_waiting(period_s, whole_periods, share):
    """After one slow frame the next ones come at once, until the schedule is reached again."""
    pace, now_s = Pace(period_s), 0.0
    now_s += pace.wait_s(now_s)
    now_s += (whole_periods + share) * period_s
    frames = 1
    while (wait_s := pace.wait_s(now_s)) == 0:
        frames += 1
    assert frames == whole_periods + 1
    assert now_s + wait_s == pytest.approx(frames * period_s)


@given(periods, st.floats(3600, 86400))
def test_after_a_long_pause_no_burst_follows(period_s, pause_s):
    """A machine that slept for an hour does not play that hour in a second."""
    pace, now_s = Pace(period_s), 0.0
    now_s += pace.wait_s(now_s) + pause_s
    assert pace.wait_s(now_s) == 0
    assert pace.wait_s(now_s) == pytest.approx(period_s)
