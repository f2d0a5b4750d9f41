"""A version in its bake time decides as its reference does, or it is told in which way it does not."""

from __future__ import annotations

import pytest

from agent.core.baking import ENOUGH, shifted


@pytest.mark.parametrize(
    ("seen", "reference", "word"),
    [
        ({"accept": 950, "reject": 50}, {"accept": 940, "reject": 60}, ""),
        ({"accept": 500, "reject": 500}, {"accept": 940, "reject": 60}, "accept of 50.0% of 1000"),
        ({"reject": 200}, {"accept": 200}, "accept of 0.0%"),
        ({"accept": 600, "unsure": 400}, {"accept": 590, "reject": 410}, "reject of 0.0%"),
        ({"reject": ENOUGH - 1}, {"accept": 1000}, ""),
        ({"reject": 1000}, {"accept": ENOUGH - 1}, ""),
        ({"accept": 44, "reject": 11}, {"accept": 52, "reject": 3}, ""),
        ({}, {}, ""),
    ],
    ids=["as before", "half", "all", "unsure now", "few seen", "small reference", "may be chance", "nothing"],
)
def test_a_share_that_has_moved_beyond_bound_and_chance_is_named(seen, reference, word):
    """Few decisions, or a difference that chance may have made, say nothing."""
    said = shifted(seen, reference, 0.1)
    assert (word in said) if word else not said
