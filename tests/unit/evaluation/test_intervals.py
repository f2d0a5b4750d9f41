"""How sure a figure is: seeded, never surer than the number of samples allows, and alike for the same data."""

from __future__ import annotations

import numpy as np
import pytest

from agent.evaluation.comparing import compare
from agent.evaluation.intervals import Resampling, estimate, wilson
from agent.evaluation.measures import Measure, mean_error, share


def test_four_of_four_is_no_certainty():
    """The bootstrap alone would say 1 to 1, and a bound of 0.9 would be met by four pictures."""
    found = estimate({"accuracy": share(np.ones(4, bool))}, 4, Resampling())["accuracy"]
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(wilson(4, 4)[0]) == pytest.approx(0.51, abs=0.005)


def test_wilsons_interval_is_the_published_one():
    """81 of 263: 0.2553 to 0.3662 (R. G. Newcombe, Statistics in Medicine 17 (1998), table I, method 3)."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_the_same_seed_gives_the_same_interval():
    """And another seed hardly another."""
    hits = np.arange(200) % 4 > 0
    errors = {"mae": mean_error(np.linspace(0, 1, 200)), "accuracy": share(hits)}
    first, again, other = (estimate(errors, 200, Resampling(seed=seed)) for seed in (1, 1, 2))
    assert first == again
    assert first["mae"] != other["mae"]
    assert first["mae"].low == pytest.approx(other["mae"].low, abs=0.02)
    assert first["mae"].low < 0.5 < first["mae"].high


def test_a_draw_is_as_large_as_the_data():
    """Each row of weights adds up to the number of samples."""
    seen = []
    count = Measure(lambda weights: seen.append(weights) or weights.sum(axis=1))
    estimate({"n": count}, 7, Resampling(draws=50))
    assert np.concatenate(seen)[:, :].sum(axis=1).tolist() == [7.0] * 51
    assert len(np.unique(seen[0], axis=0)) > 40


def test_two_that_differ_in_one_sample_of_many_are_not_told_apart():
    """And two that differ in many are."""
    good = np.ones(100, bool)
    one_less, many_less = good.copy(), good.copy()
    one_less[0], many_less[:20] = False, False
    (close,) = compare({"accuracy": share(one_less)}, {"accuracy": share(good)}, 100, Resampling(draws=300))
    (apart,) = compare({"accuracy": share(many_less)}, {"accuracy": share(good)}, 100, Resampling(draws=300))
    assert (close.method, close.only_this, close.only_other, close.p) == ("exact McNemar", 0, 1, 1.0)
    assert (apart.difference, apart.gain) == pytest.approx((-0.2, -0.2))
    assert apart.p < 1e-4


def test_of_less_that_is_better_more_is_a_loss():
    """A larger error is no gain, and more samples on which only the other errs are no advantage of the other."""
    small, large = np.full(60, 0.1), np.full(60, 0.3) + np.linspace(0, 0.01, 60)
    (test,) = compare({"mae": mean_error(large)}, {"mae": mean_error(small)}, 60, Resampling(draws=300))
    assert test.method == "paired bootstrap"
    assert test.gain == pytest.approx(-test.difference)
    assert test.gain < 0
    assert test.p < 0.01
    none, all_ = np.zeros(60, bool), np.ones(60, bool)
    mine, other = share(none, less_is_better=True), share(all_, less_is_better=True)
    (test,) = compare({"false_rejects": mine}, {"false_rejects": other}, 60, Resampling(draws=300))
    assert (test.only_this, test.only_other, test.gain) == (60, 0, 1.0)
