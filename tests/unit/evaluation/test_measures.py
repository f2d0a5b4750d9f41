"""Measures are what their definitions say, whatever is drawn."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.evaluation import measures

SAMPLES = st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.integers(0, 3)), min_size=1, max_size=12)


def drawn(values, weights):
    """The samples as a draw has them: each as often as its weight says."""
    return [value for value, weight in zip(values, weights, strict=True) for _ in range(weight)]


def same(found, expected):
    return (math.isnan(found) and math.isnan(expected)) or found == pytest.approx(expected)


@settings(max_examples=60, deadline=None)
@given(SAMPLES)
def test_auc_is_the_share_of_pairs_in_the_right_order(samples):
    """Ties count half; a draw has a sample as often as it was drawn; without pairs there is none."""
    scores, positive, weights = (np.array(column) for column in zip(*samples, strict=True))
    found = measures.auc(scores.astype(float), positive).of(weights[np.newaxis].astype(float))[0]
    each = drawn(list(zip(scores, positive, strict=True)), weights)
    pairs = [(a > b) + (a == b) / 2 for (a, yes), (b, no) in product(each, each) if yes and not no]
    assert same(found, sum(pairs) / len(pairs) if pairs else math.nan)


@settings(max_examples=60, deadline=None)
@given(SAMPLES)
def test_f1_joins_precision_and_recall(samples):
    """The harmonic mean of the two, on the same draw."""
    said, truth, weights = (np.array(column) for column in zip(*samples, strict=True))
    said, row = said > 1, weights[np.newaxis].astype(float)
    precision = measures.share(truth, said, by_truth=False).of(row)[0]
    recall = measures.share(said, truth).of(row)[0]
    if precision + recall > 0:
        assert measures.f1(truth, said).of(row)[0] == pytest.approx(2 * precision * recall / (precision + recall))


def test_who_is_as_right_as_sure_has_no_calibration_error():
    """And who is always sure and right half of the time has one of a half."""
    right = np.array([True, False, True, False])
    whole = np.ones((1, 4))
    assert measures.calibration_error(np.full(4, 0.5), right).of(whole)[0] == pytest.approx(0)
    assert measures.calibration_error(np.ones(4), right).of(whole)[0] == pytest.approx(0.5)


def test_a_class_that_a_draw_does_not_have_is_left_out_of_its_mean():
    """Else a rare class would pull every mean down."""
    truth = np.array([True, False])
    parts = [measures.share(truth, truth), measures.share(truth, ~truth)]
    assert measures.mean_over_classes(parts).of(np.array([[1.0, 0.0], [1.0, 1.0]])).tolist() == [1.0, 0.5]
