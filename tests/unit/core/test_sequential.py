"""Feedback decides between two models: its risks are what they are said to be, and it does not ask for more than it needs."""

from __future__ import annotations

import numpy as np
import pytest

from agent.core.sequential import ODDS, compare, needed

RUNS = 2000
MOST = 1000


def ends(share: float, max_error: float, seed: int) -> tuple[float, float]:
    """Share of runs that end with `better`, and labelled pairs that a run takes in the mean, where the candidate is right in `share` of them."""
    rng, better, taken = np.random.default_rng(seed), 0, 0
    for _ in range(RUNS):
        counts = [0, 0]
        while (found := compare(counts[0], counts[1], max_error)) == "open" and sum(counts) < MOST:
            counts[0 if rng.random() < share else 1] += 1
        better += found == "better"
        taken += sum(counts)
    return better / RUNS, taken / RUNS


@pytest.mark.parametrize("max_error", [0.05, 0.2])
def test_a_worse_candidate_passes_and_a_better_one_fails_no_more_often_than_is_said(max_error):
    """At the odds ratio for which the test is made; by simulation, within four standard deviations of what chance allows."""
    slack = 4 * (max_error * (1 - max_error) / RUNS) ** 0.5
    worse, _ = ends(1 / (1 + ODDS), max_error, seed=1)
    better, taken = ends(ODDS / (1 + ODDS), max_error, seed=2)
    assert worse <= max_error + slack
    assert 1 - better <= max_error + slack
    assert taken < 20, "a person labels these"


def test_between_equals_either_may_win_and_it_ends():
    """Then it does not matter which one stays."""
    share, taken = ends(0.5, 0.05, seed=3)
    assert 0.45 < share < 0.55
    assert taken < MOST / 10


@pytest.mark.parametrize("max_error", [0.01, 0.05, 0.1, 0.3])
def test_the_lead_that_is_asked_for_is_the_least_that_decides(max_error):
    """What a status says is what it takes."""
    lead = needed(max_error)
    assert compare(lead, 0, max_error) == "better"
    assert compare(0, lead, max_error) == "worse"
    assert compare(lead - 1, 0, max_error) == compare(0, lead - 1, max_error) == "open"


def test_pairs_of_one_kind_weigh_up_those_of_the_other():
    """Only the lead counts."""
    lead = needed(0.05)
    assert compare(100 + lead, 100, 0.05) == "better"
    assert compare(100 + lead - 1, 100, 0.05) == "open"
