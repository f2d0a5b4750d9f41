"""Which samples may come, which have to go for them, and how far a result is from being decided otherwise."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from drifting import part
from hypothesis import given
from hypothesis import strategies as st

from agent.core import results
from agent.core.decisions import DecisionRule
from agent.core.likeness import BITS, differing_bits, likeness_hash
from agent.core.sampling import REASONS, Kept, Quotas, distance_to_limit, excess, in_the_way


def kept(id_, *reasons, day="2026-11-28", size_bytes=10):
    return Kept(id_, day, reasons or ("random",), size_bytes, "p")


def ids(found):
    return None if found is None else [one.id for one in found]


ROOMY = Quotas(count=100, size_bytes=10_000, per_day=100)


def test_where_there_is_room_nothing_goes():
    """The bounds are not reached."""
    assert in_the_way([kept("1")], kept("2"), ROOMY) == []


def test_the_oldest_of_the_least_reason_goes_first():
    """Feedback outlives what was kept by chance, however old it is."""
    there = [kept("1", "feedback"), kept("2", "random"), kept("3", "random"), kept("4", "drift")]

    assert ids(in_the_way(there, kept("5"), Quotas(4, 10_000, 100))) == ["2"]


def test_what_ranks_higher_does_not_go_for_what_ranks_lower():
    """Then the new one is not kept."""
    there = [kept("1", "feedback"), kept("2", "disagreement")]

    assert in_the_way(there, kept("3", "near_threshold"), Quotas(2, 10_000, 100)) is None


def test_a_day_takes_no_more_than_its_share():
    """One of the same day goes, though there are older ones."""
    there = [kept("1", day="2026-11-01"), kept("2", day="2026-11-28"), kept("3", day="2026-11-28")]

    assert ids(in_the_way(there, kept("4"), Quotas(100, 10_000, 2))) == ["2"]


def test_as_many_go_as_the_new_one_needs_bytes():
    """And no more."""
    there = [kept(str(k), size_bytes=30) for k in range(3)]

    assert ids(in_the_way(there, kept("9", size_bytes=50), Quotas(100, 100, 100))) == ["0", "1"]


def test_what_is_larger_than_all_the_room_is_not_kept():
    """Nothing goes for it either."""
    assert in_the_way([kept("1")], kept("2", size_bytes=101), Quotas(100, 100, 100)) is None


@given(
    st.lists(
        st.tuples(st.sampled_from(REASONS), st.integers(1, 50), st.sampled_from(["2026-11-27", "2026-11-28"])),
        max_size=40,
    ),
    st.integers(1, 8),
    st.integers(50, 200),
    st.integers(1, 5),
)
def test_the_quotas_hold_whatever_comes(arrivals, count, size_bytes, per_day):
    """After each sample, and each that goes ranks no higher than the one that comes."""
    quotas, there = Quotas(count, size_bytes, per_day), {}
    for k, (reason, size, day) in enumerate(arrivals):
        new = kept(f"{k:03}", reason, day=day, size_bytes=size)
        going = in_the_way(there.values(), new, quotas)
        if going is None:
            continue
        assert all(one.rank <= new.rank for one in going)
        for one in going:
            del there[one.id]
        there[new.id] = new
        days = [one.day for one in there.values()]
        assert len(there) <= count
        assert sum(one.size_bytes for one in there.values()) <= size_bytes
        assert all(days.count(day) <= per_day for day in days)


def test_quotas_that_became_smaller_hold_from_the_start():
    """The least reason goes first."""
    there = [kept("1", "feedback"), kept("2"), kept("3")]

    assert ids(excess(there, Quotas(1, 10_000, 100))) == ["2", "3"]
    assert ids(excess(there, Quotas(100, 20, 100))) == ["2"]


def scored(label, score):
    return results.Scored(label=label, score=score)


CRACK = DecisionRule(label="crack", min_score=0.6)


@pytest.mark.parametrize(
    ("result", "rule", "expected"),
    [
        (results.Classification(label="crack", score=0.7, top=[scored("crack", 0.7), scored("fine", 0.3)]), CRACK, 0.1),
        (results.Classification(label="fine", score=0.9, top=[scored("fine", 0.9)]), CRACK, None),
        (results.Detection(objects=[results.DetectedObject(label="crack", score=0.55, box=[0, 0, 1, 1])]), CRACK, 0.05),
        (results.Segmentation(areas=[scored("crack", 0.1)]), CRACK, 0.5),
        (results.Anomaly(score=9, threshold=10), DecisionRule(threshold=10), 0.1),
        (results.Regression(value=21, unit=None), DecisionRule(above=20, below=2), 0.05),
        (results.Embedding(vector=[], distance=None), DecisionRule(threshold=1), None),
        (results.Anomaly(score=9, threshold=None), None, None),
    ],
)
def test_how_far_a_result_is_from_being_decided_otherwise(result, rule, expected):
    """Scores by their difference, other numbers by their share of the limit."""
    assert distance_to_limit(result, rule) == (None if expected is None else pytest.approx(expected))


def test_the_same_part_with_noise_and_less_light_is_alike_and_another_part_is_not():
    """What a camera makes of a part that stands still."""
    picture = part(1)
    noisy = np.clip(picture * 0.95 + np.random.default_rng(0).normal(0, 3, picture.shape), 0, 255).astype(np.uint8)

    assert differing_bits(likeness_hash(picture), likeness_hash(noisy)) < BITS / 16
    assert differing_bits(likeness_hash(picture), likeness_hash(part(2))) > BITS / 8


@pytest.mark.parametrize("shape", [(1, 1), (3, 5, 3), (1080, 1920, 3)])
def test_every_picture_has_a_hash(shape):
    """However small; one that is flat has no bit set."""
    assert likeness_hash(np.full(shape, 7, np.uint8)) == 0


def test_the_size_of_a_picture_hardly_changes_its_hash():
    """A source may give smaller ones tomorrow."""
    picture = cv2.resize(part(3), (640, 480))
    smaller = cv2.resize(picture, (320, 240), interpolation=cv2.INTER_AREA)

    assert differing_bits(likeness_hash(picture), likeness_hash(smaller)) < BITS / 16
    assert math.log2(likeness_hash(picture)) < BITS
