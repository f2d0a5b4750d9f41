"""A version in its bake time decides as its reference does, or it is told in which way it does not."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from agent.core.baking import ENOUGH, Decided, shifted


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
    said = shifted(Decided(seen), Decided(reference), 0.1)
    assert (word in said) if word else not said


def of_lots(size: int, length: int, rng: random.Random, good: float = 0.5) -> Decided:
    """So many frames of parts that come in lots: all of a lot look alike."""
    recent = []
    while len(recent) < size:
        recent += [rng.choices(("accept", "reject"), (good, 1 - good))[0]] * rng.randint(length // 2, length * 3 // 2)
    return Decided(Counter(recent[:size]), recent[:size])


@pytest.mark.parametrize("length", [1, 10, 40], ids=lambda length: f"lots of {length}")
def test_lots_are_not_taken_for_a_worse_version(length):
    """Decisions that depend on the one before are worth fewer; each bake time is looked at again and again, and hardly any version is accused."""
    rng = random.Random(20261128)
    accused = 0
    for _ in range(20):
        reference, seen = of_lots(800, length, rng), of_lots(800, length, rng)
        looks = (Decided(Counter(seen.recent[:n]), seen.recent[:n]) for n in range(ENOUGH, 801, 150))
        accused += any(shifted(look, reference, 0.1) for look in looks)
    assert accused == 0


def test_what_has_moved_is_found_in_lots_too():
    """It takes more frames."""
    rng = random.Random(20261128)
    found = [bool(shifted(of_lots(4000, 10, rng, good=0.2), of_lots(4000, 10, rng, good=0.6), 0.1)) for _ in range(5)]
    assert all(found)


def test_one_decision_for_everything_is_worth_what_the_reference_shows():
    """All the same does not tell whether that was one long lot or many parts."""
    reference = of_lots(1000, 20, random.Random(3))
    all_the_same = Decided({"reject": 80}, ["reject"] * 80)
    assert not shifted(all_the_same, reference, 0.1)
    assert shifted(Decided({"reject": 3000}, ["reject"] * 3000), reference, 0.1)
