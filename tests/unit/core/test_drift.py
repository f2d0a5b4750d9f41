"""Drift: a stationary stream stays quiet, however slow it is, and a change is told."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from agent.core.difference import compare, ks_limit, psi, psi_limit
from agent.core.drift import MAX_STRETCH, MIN_WORTH, Rule, Series
from agent.core.statistics import Distribution, distribution
from agent.core.worth import worth_of

QUICK = Rule(window=50, deadline_s=math.inf)


def normal(size, seed=1, mean=0.0):
    return np.random.default_rng(seed).normal(mean, 1, size)


def slow(size, memory, seed=1):
    """An autoregressive series: each value is the one before times `memory`, and something new; mean 0, deviation 1."""
    steps = normal(size, seed) * math.sqrt(1 - memory**2)
    return np.fromiter(itertools.accumulate(steps, lambda before, new: before * memory + new), float)


def told(series, values):
    """The windows that were judged, and after which of them the alarm stood."""
    states = []
    for k, value in enumerate(values):
        if series.take(float(value), k) is not None:
            states.append(series.drifting)
    return states


REFERENCE = distribution(normal(500, seed=9))


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.9])
def test_a_stationary_stream_raises_no_alarm(memory):
    """Whether its values are independent or each is almost the one before. The long run is in benchmarks/drift.py."""
    series = Series(REFERENCE, QUICK)
    states = told(series, slow(12_000, memory))

    assert len(states) > 10
    assert not any(states)


def test_a_shift_raises_the_alarm_in_the_second_window_that_shows_it():
    """One window may be somebody's hand before the camera."""
    series = Series(REFERENCE, QUICK)

    states = told(series, normal(400, mean=2))
    assert states[:2] == [False, True]
    assert all(states[1:])


def test_one_odd_window_raises_nothing():
    """It has to be different in succession."""
    series = Series(REFERENCE, QUICK)
    before, odd, after = normal(200), normal(60, mean=3), normal(500, seed=3)

    assert not any(told(series, np.concatenate((before, odd, after))))


def test_the_alarm_ends_when_windows_are_alike_again():
    """And not before two of them are."""
    series = Series(REFERENCE, QUICK)
    told(series, normal(300, mean=2))
    assert series.drifting

    states = told(series, normal(500, seed=4))
    assert states[-1] is False
    assert states.index(False) >= 1


def test_a_change_of_shape_with_the_same_mean_is_told():
    """Nothing has shifted, and yet the line is not what it was."""
    series = Series(REFERENCE, QUICK)
    told(series, normal(600) * 3)

    assert series.drifting


def test_a_sudden_change_in_a_quiet_stream_is_not_taken_for_a_slow_one():
    """It would make the window long, just when it matters."""
    values = np.concatenate((normal(25), normal(25, mean=5)))

    assert worth_of(values) > 30


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.9])
def test_a_stretch_is_worth_what_theory_says(memory):
    """n (1 - memory) / (1 + memory) for an autoregressive series."""
    size = 20_000

    assert worth_of(slow(size, memory)) == pytest.approx(size * (1 - memory) / (1 + memory), rel=0.15)


@pytest.mark.parametrize("values", [[1.0], [2.0, 2.0], [0.5] * 100, [0.0, 1.0, 0.0]])
def test_values_that_say_nothing_of_their_order_are_worth_their_number(values):
    """A score that is always 0 is no slow stream."""
    assert worth_of(np.asarray(values)) == len(values)


def test_a_window_is_as_long_as_makes_it_worth_enough():
    """The limits hold for independent values."""
    series = Series(REFERENCE, QUICK)
    judged = next(w for w in (series.take(v, 0.0) for v in slow(20_000, 0.8).tolist()) if w is not None)

    assert judged.worth >= QUICK.window
    assert judged.values > QUICK.window * 4


def test_a_stream_that_hardly_moves_is_not_judged():
    """Its windows are as long as they may be and worth too little; that is counted and no alarm."""
    series = Series(REFERENCE, Rule(window=50, deadline_s=math.inf))
    told(series, slow(50 * MAX_STRETCH * 10, 0.9999))

    assert series.unjudged >= 5
    assert not series.drifting


def test_a_window_ends_at_its_deadline():
    """A line that makes a part a minute is judged by what there is, if it is enough."""
    series = Series(REFERENCE, Rule(window=200, deadline_s=100.0))
    windows = [series.take(v, k * 2.0) for k, v in enumerate(normal(80).tolist())]

    assert [k for k, window in enumerate(windows) if window is not None] == [50]
    assert windows[50].worth >= MIN_WORTH


def test_too_few_values_at_the_deadline_are_not_judged():
    """Ten values say nothing of ten bins."""
    series = Series(REFERENCE, Rule(window=200, deadline_s=100.0))
    told_windows = [series.take(v, k * 20.0) for k, v in enumerate(normal(30, mean=9).tolist())]

    assert told_windows == [None] * 30
    assert series.unjudged == 5


def test_a_histogram_alone_is_compared_at_its_edges():
    """A reference may leave its values out."""
    series = Series(Distribution(REFERENCE.edges, REFERENCE.counts), QUICK)
    told(series, normal(400, mean=2))

    assert series.drifting
    assert series.last.ks > series.last.ks_limit


def test_a_statistic_that_was_always_the_same_drifts_when_it_is_not():
    """A score that was never anything but 0."""
    series = Series(distribution([0.0] * 300), QUICK)
    assert not any(told(series, [0.0] * 300))

    told(series, normal(300))
    assert series.drifting


def test_a_difference_that_is_sure_and_small_is_no_drift():
    """With enough values every line is different from its evaluation set."""
    values = normal(20_000, mean=0.1)
    window = compare(values, distribution(normal(20_000, seed=2)), 20_000.0, 1e-5)

    assert not window.exceeds()


def test_equal_shares_have_no_psi_and_an_empty_bin_is_only_rare():
    """The logarithm of nothing is not asked for."""
    assert psi(np.asarray([50.0, 50.0]), [50, 50]) == 0
    assert 0 < psi(np.asarray([100.0, 0.0]), [50, 50]) < math.inf


@pytest.mark.parametrize(
    ("bins", "chance", "quantile"),
    [(10, 0.05, 16.919), (10, 0.001, 27.877), (10, 1.25e-5, 38.96), (2, 0.01, 6.635), (5, 0.001, 18.467)],
)
def test_the_limit_of_psi_is_the_quantile_of_chi_square(bins, chance, quantile):
    """Tables of chi-square, bins - 1 degrees of freedom; within 4 % even for one degree."""
    assert psi_limit(100, 100, bins, chance) == pytest.approx(quantile / 50, rel=0.04)


@pytest.mark.parametrize(("chance", "factor"), [(0.05, 1.358), (0.01, 1.628), (0.001, 1.949)])
def test_the_limit_of_the_distance_is_that_of_the_tables(chance, factor):
    """c(alpha) sqrt((n + m) / (n m)) for large samples."""
    assert ks_limit(1e6, 1e6, chance) == pytest.approx(factor * math.sqrt(2 / 1e6), rel=0.01)
