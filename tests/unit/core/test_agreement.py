"""Where no model decides: when two results of a frame are as good as the same, kind by kind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core import results
from agent.core.agreement import overlap, same


def scored(**shares):
    return [results.Scored(label=label, score=share) for label, share in shares.items()]


def classified(label):
    return results.Classification(label=label, score=0.9, top=scored(**{label: 0.9}))


def detected(*objects):
    """Objects as (label, left edge); each is a tenth of the frame wide."""
    boxes = [results.DetectedObject(label=label, score=0.9, box=[x, 0.0, x + 0.1, 1.0]) for label, x in objects]
    return results.Detection(objects=boxes)


def covered(**shares):
    return results.Segmentation(areas=scored(**shares))


def value(number):
    return results.Regression(value=number, unit="mm")


def strange(score):
    return results.Anomaly(score=score, threshold=None)


def vector(*numbers, distance=None):
    return results.Embedding(vector=list(numbers), distance=distance)


def tensors(**values):
    return results.Tensors(tensors=values)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (classified("a"), classified("a"), True),
        (classified("a"), classified("b"), False),
        # of each object one, wherever it stands in the list, and about where it was
        (detected(("cap", 0.1), ("nut", 0.5)), detected(("nut", 0.52), ("cap", 0.12)), True),
        (detected(("cap", 0.1)), detected(("nut", 0.1)), False),
        (detected(("cap", 0.1)), detected(("cap", 0.16)), False),
        (detected(("cap", 0.1)), detected(("cap", 0.1), ("cap", 0.5)), False),
        (detected(("cap", 0.1), ("cap", 0.1)), detected(("cap", 0.1), ("cap", 0.5)), False),
        (detected(), detected(), True),
        # every class, the small ones too; specks are nobody's
        (covered(wall=0.9, crack=0.1), covered(wall=0.915, crack=0.085), True),
        (covered(wall=0.9, crack=0.1), covered(wall=0.87, crack=0.13), False),
        (covered(wall=0.99, crack=0.01), covered(wall=0.996, crack=0.004), False),
        (covered(wall=0.99, crack=0.01), covered(wall=1.0), False),
        (covered(wall=0.9995, crack=0.0005), covered(wall=1.0), True),
        (covered(wall=1.0), covered(floor=1.0), False),
        # other kinds than the one before are not the same, whatever they hold
        (value(1.0), strange(1.0), False),
        # nothing is known of what tensors mean, so each is nearly the same
        (tensors(a=[3.0, 4.0]), tensors(a=[3.0, 4.4]), True),
        (tensors(a=[3.0, 4.0]), tensors(a=[3.0, 4.7]), False),
        (tensors(a=[0.0]), tensors(a=[0.0]), True),
        (tensors(a=[1.0]), tensors(b=[1.0]), False),
        (tensors(a=[1.0]), tensors(a=[1.0, 1.0]), False),
    ],
)
def test_two_results_are_the_same_where_a_reader_could_use_either(one, other, expected):
    """And the order in which they are compared does not matter."""
    assert same(one, other) is same(other, one) is expected


@pytest.mark.parametrize("kind", [value, strange, lambda number: vector(1.0, distance=number)])
@pytest.mark.parametrize(
    ("one", "other", "spread", "expected"),
    [
        (20.0, 20.9, 10.0, True),
        (20.0, 21.1, 10.0, False),
        (-0.2, 0.2, 10.0, True),
        (20.0, 21.1, None, True),
        (20.0, 23.0, None, False),
        (-0.2, 0.2, None, False),
        (0.0, 0.0, None, True),
        (20.0, 21.1, 0.0, True),
    ],
)
def test_numbers_are_compared_by_the_spread_of_the_reference_and_without_one_by_their_size(
    kind, one, other, spread, expected
):
    """A tenth of it, as for a gauge that is trusted."""
    assert same(kind(one), kind(other), spread) is same(kind(other), kind(one), spread) is expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (vector(1.0, 0.0), vector(5.0, 1.0), True),
        (vector(1.0, 0.0), vector(1.0, 0.4), False),
        (vector(1.0, 0.0), vector(-1.0, 0.0), False),
        (vector(0.0, 0.0), vector(0.0, 0.0), True),
        (vector(0.0, 0.0), vector(1.0, 0.0), False),
        (vector(1.0), vector(1.0, 0.0), False),
        (vector(1.0), vector(1.0, distance=0.5), False),
    ],
)
def test_vectors_without_a_distance_are_compared_by_their_direction(one, other, expected):
    """Within 18 degrees; one of another length is of another space."""
    assert same(one, other) is same(other, one) is expected


CORNERS = st.tuples(*[st.floats(0, 1, allow_subnormal=False)] * 4).map(
    lambda c: [min(c[0], c[2]), min(c[1], c[3]), max(c[0], c[2]), max(c[1], c[3])]
)


@given(CORNERS, CORNERS)
def test_overlap_is_a_share_and_the_same_from_both_sides(one, other):
    """Boxes without any area overlap with nothing."""
    assert 0 <= overlap(one, other) <= 1 + 1e-9
    assert overlap(one, other) == pytest.approx(overlap(other, one))
