"""How many pixels a frame must have: never too few for a model, and no more than that."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from agent.sources.demand import WHOLE, Needed, largest

SIDES = st.integers(1, 4096)
NEEDS = st.builds(Needed, st.floats(1, 5000), st.floats(1, 5000))


def by_input(width, height, region=(0.0, 0.0, 1.0, 1.0)):
    x_min, y_min, x_max, y_max = region
    return Needed.by_input(width, height, seen_width=x_max - x_min, seen_height=y_max - y_min)


@pytest.mark.parametrize(
    ("needed", "frame", "expected"),
    [
        (by_input(224, 224), (1920, 1080), (400, 224)),
        (by_input(300, 300), (1280, 720), (534, 300)),
        (by_input(320, 320), (640, 480), (428, 320)),
        (by_input(224, 224), (1080, 1920), (224, 400)),
        (by_input(224, 224, (0.5, 0.5, 1.0, 1.0)), (1920, 1080), (798, 448)),
        (by_input(224, 224, (0.4, 0.0, 0.5, 1.0)), (1920, 1080), (1920, 1080)),
        (by_input(640, 640), (640, 480), (640, 480)),
        (by_input(224, 224), (101, 99), (101, 99)),
        (WHOLE, (1920, 1080), (1920, 1080)),
    ],
)
def test_a_frame_becomes_as_small_as_the_model_and_its_region_allow(needed, frame, expected):
    """A region needs its model's pixels in its own part of the frame; nothing is ever made larger."""
    assert needed.size(*frame) == expected


@given(NEEDS, SIDES, SIDES)
def test_a_scaled_frame_has_the_pixels_that_are_needed_or_all(needed, width, height):
    """Each side has what is asked of it, unless the source has less; both are even, unless they are the source's own."""
    new_width, new_height = needed.size(width, height)
    assert new_width >= min(width, needed.width) - 1e-3
    assert new_height >= min(height, needed.height) - 1e-3
    assert new_width <= width
    assert new_height <= height
    assert new_width % 2 == 0 or new_width == width
    assert new_height % 2 == 0 or new_height == height


@given(NEEDS, SIDES, SIDES)
def test_the_aspect_ratio_stays_within_two_pixels(needed, width, height):
    """So that boxes in 0..1 of the frame mean the same, and a letterbox is as wide."""
    scale = needed.scale(width, height)
    for new, old in zip(needed.size(width, height), (width, height), strict=True):
        assert abs(new - old * scale) < 2.001


@given(NEEDS, SIDES, SIDES)
def test_a_reduced_jpeg_has_the_pixels_that_are_needed(needed, width, height):
    """The decoder rounds up; twice the reduction would be too much, or there is none."""
    divisor = needed.jpeg_reduction(width, height)
    assert divisor in (1, 2, 4, 8)
    if divisor > 1:
        assert width / divisor >= needed.width * (1 - 1e-9)
        assert height / divisor >= needed.height * (1 - 1e-9)
    if divisor < 8:
        assert needed.scale(width, height) * divisor * 2 > 1


@given(st.lists(NEEDS, min_size=1))
def test_what_serves_the_greediest_serves_all(needs):
    """Each side on its own."""
    together = largest(needs)
    assert not any(need.exceeds(together) for need in needs)
    assert together.width in [need.width for need in needs]
    assert together.height in [need.height for need in needs]


@given(st.lists(NEEDS | st.none()))
def test_who_cannot_say_what_is_needed_gets_the_whole_frame(needs):
    """One is enough; and nobody at all."""
    assume(not needs or None in needs)
    assert largest(needs) is None
