"""Percentiles, steady rates and slopes."""

from __future__ import annotations

import pytest

from benchmarks.harness.arithmetic import percentile, slope, steady_rate
from benchmarks.harness.figures import NotMeasured


def times(count, rate, begin=0.0):
    """Arrivals at an even rate."""
    return [begin + number / rate for number in range(count)]


def test_p99_of_a_hundred_is_the_slowest():
    """The value above 99 of 100."""
    assert percentile(range(100), 0.99) == 99


def test_the_median_is_a_value_that_was_measured():
    """Never one between two."""
    assert percentile([4.0, 1.0, 3.0, 2.0], 0.5) == 3.0


def test_of_nothing_there_is_no_percentile():
    """A run without values is not measured."""
    with pytest.raises(NotMeasured):
        percentile([], 0.5)


def test_a_slow_start_does_not_count():
    """The first arrivals are skipped, whatever they took."""
    slow = [0.0, 3.0, 6.0]
    assert steady_rate({"p": slow + times(100, 50.0, begin=7.0)}, skip=4) == pytest.approx(50.0)


def test_streams_are_added_up_over_the_time_in_which_all_ran():
    """The one that goes on alone, and faster, adds nothing then."""
    alone_at_the_end = times(100, 50.0) + times(500, 100.0, begin=2.0)
    assert steady_rate({"a": alone_at_the_end, "b": times(100, 50.0)}, skip=10) == pytest.approx(100.0, rel=0.02)


@pytest.mark.parametrize(
    "streams", [{}, {"p": times(5, 10.0)}, {"a": times(100, 10.0), "b": times(100, 10.0, begin=60.0)}]
)
def test_too_few_arrivals_or_no_common_time_is_no_rate(streams):
    """Rather no figure than a wrong one."""
    with pytest.raises(NotMeasured):
        steady_rate(streams, skip=10)


def test_the_slope_of_a_line_is_its_slope():
    """Least squares of points on a line."""
    assert slope([(0.0, 100.0), (1.0, 100.5), (2.0, 101.0)]) == pytest.approx(0.5)


def test_one_point_has_no_slope():
    """Nor have many at the same time."""
    with pytest.raises(NotMeasured):
        slope([(1.0, 1.0), (1.0, 2.0)])
