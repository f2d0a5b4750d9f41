"""From clock readings to figures."""

from __future__ import annotations

import pytest

from agent.bench.figures import SourceFigures, Spread, bound_by, overhead, rate_hz, streams, warm_up_s, within


def source(rate: float | None, *, live: bool = False, synthetic: bool = False) -> SourceFigures:
    return SourceFigures(live, 640, 480, rate, is_synthetic=synthetic)


def test_a_rate_counts_intervals_not_frames():
    """Four frames, a tenth of a second from one to the next, are ten a second."""
    assert rate_hz([5.0, 5.1, 5.2, 5.3]) == pytest.approx(10.0)


@pytest.mark.parametrize("times_s", [[], [1.0], [2.0, 2.0]])
def test_without_an_interval_there_is_no_rate(times_s):
    assert rate_hz(times_s) is None


def test_only_what_came_after_the_warm_up_counts():
    """And before the end, the first moment included and the last not."""
    times_s = [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
    assert times_s[within(times_s, 1.0, 2.5)] == [1.0, 1.5, 2.0]
    assert times_s[within(times_s, 3.0, 9.0)] == []


def test_the_warm_up_is_a_tenth_of_the_run_and_at_most_a_second():
    assert [warm_up_s(seconds) for seconds in (1, 10, 600)] == [0.1, 1.0, 1.0]


def test_a_spread_is_the_middle_and_the_last_hundredth():
    spread = Spread.of([float(k) for k in range(101)])
    assert spread == Spread(50.0, 99.0)


def test_the_overhead_is_what_a_frame_takes_beyond_the_bare_invoke():
    """4 ms bare, 5 ms in the pipeline: 1 ms, a fifth of the frame's time."""
    assert overhead(5.0, 4.0) == pytest.approx((1.0, 0.2))


def test_noise_is_no_negative_overhead():
    assert overhead(3.98, 4.0) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("held", "given", "capacity", "expected"),
    [
        (30.0, source(30.0, live=True), 145.0, "camera"),
        (180.0, source(185.0), 290.0, "decoding"),
        (290.0, source(800.0), 300.0, "model"),
        (12.0, source(30.0, live=True), 12.0, "model"),
        (150.0, source(300.0), 300.0, "processor"),
        (300.0, source(None, live=True, synthetic=True), 310.0, "model"),
        (3.0, source(None), 310.0, "model"),
    ],
)
def test_the_slowest_part_bounds_the_rate(held, given, capacity, expected):
    """Unless both parts are faster alone: then they take the cores from each other."""
    assert bound_by(held, given, capacity) == expected


def test_streams_leave_a_tenth_of_the_machine_to_others():
    assert [streams(4, busy) for busy in (0.36, 1.8, 4.0)] == [10, 2, 0]
