"""Placement: where a frame lies in the input, and the way back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.models.placement import Area, Placement, Region, Size, plan

SIDE = st.integers(1, 4000)
SIZES = st.builds(Size, SIDE, SIDE)
REGIONS = st.tuples(st.floats(0, 0.99), st.floats(0, 0.99), st.floats(0.001, 1), st.floats(0.001, 1)).map(
    lambda r: Region(r[0], r[1], min(r[0] + r[2], 1.0), min(r[1] + r[3], 1.0))
)
FITS = st.sampled_from(["stretch", "letterbox", "crop"])


def test_letterbox_keeps_the_aspect_and_centres():
    """A 1920x1080 frame in a 640 square is 640x360, 140 pixels from the top."""
    read, written, placement = plan("letterbox", Size(1080, 1920), Size(640, 640))
    assert read == Area(0, 0, 1080, 1920)
    assert written == Area(140, 0, 360, 640)
    assert placement == Placement(left=0.0, top=140 / 640, width=1.0, height=360 / 640)


def test_crop_takes_the_middle():
    """A 1920x1080 frame for a square input loses 420 pixels on either side."""
    read, written, placement = plan("crop", Size(1080, 1920), Size(224, 224))
    assert read == Area(0, 420, 1080, 1080)
    assert written == Area(0, 0, 224, 224)
    assert placement.to_source(np.array([[0.0, 0.0, 1.0, 1.0]])).tolist() == [
        pytest.approx([420 / 1920, 0.0, 1500 / 1920, 1.0])
    ]


def test_stretch_changes_no_box():
    """The whole frame fills the whole input."""
    *_, placement = plan("stretch", Size(1080, 1920), Size(224, 224))
    boxes = np.array([[0.125, 0.25, 0.5, 1.0]])
    assert np.array_equal(placement.to_source(boxes), boxes)


def test_a_region_is_all_that_is_read():
    """The left half of a frame, letterboxed: a box over the whole of it ends in the middle of the frame."""
    read, written, placement = plan("letterbox", Size(100, 200), Size(50, 50), Region(0.0, 0.0, 0.5, 1.0))
    assert (read, written) == (Area(0, 0, 100, 100), Area(0, 0, 50, 50))
    assert placement.to_source(np.array([[0.0, 0.0, 1.0, 1.0]])).tolist() == [[0.0, 0.0, 0.5, 1.0]]


@given(frame=SIZES, region=REGIONS)
def test_a_region_lies_in_its_frame(frame, region):
    """However small it is, it has a pixel, and none beyond the edge."""
    area = region.area(frame)
    assert area.top >= 0
    assert area.left >= 0
    assert 1 <= area.height <= frame.height - area.top
    assert 1 <= area.width <= frame.width - area.left


@given(fit=FITS, frame=SIZES, target=SIZES, region=REGIONS)
def test_every_frame_fits_every_input(fit, frame, target, region):
    """The areas are never empty and never reach beyond the frame and the input."""
    read, written, _ = plan(fit, frame, target, region)
    for area, whole in ((read, frame), (written, target)):
        assert area.top >= 0
        assert area.left >= 0
        assert 1 <= area.height <= whole.height - area.top
        assert 1 <= area.width <= whole.width - area.left


@given(fit=FITS, frame=SIZES, target=SIZES, region=REGIONS, x=st.floats(0, 1), y=st.floats(0, 1))
def test_the_way_back_ends_where_the_way_there_began(fit, frame, target, region, x, y):
    """A point that is read from the frame is found again in the frame, wherever the resize put it."""
    read, written, placement = plan(fit, frame, target, region)
    in_frame = ((read.left + x * read.width) / frame.width, (read.top + y * read.height) / frame.height)
    in_input = ((written.left + x * written.width) / target.width, (written.top + y * written.height) / target.height)
    back = placement.to_source(np.array([[*in_input, *in_input]]))[0]
    assert back.tolist() == pytest.approx([*in_frame, *in_frame], abs=1e-6)


@given(fit=FITS, frame=SIZES, target=SIZES, boxes=st.lists(st.tuples(*[st.floats(-9, 9)] * 4), max_size=5))
def test_no_box_leaves_the_frame(fit, frame, target, boxes):
    """Whatever the model says, a box is clipped to the source frame."""
    *_, placement = plan(fit, frame, target)
    back = placement.to_source(np.array(boxes, np.float32).reshape(-1, 4))
    assert back.shape == (len(boxes), 4)
    assert ((back >= 0) & (back <= 1)).all()


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_box_that_is_no_number_stays_none(wrong):
    """Clipping must not make a number of NaN or infinity."""
    back = Placement().to_source(np.array([[0.1, wrong, 0.3, 0.4]]))
    assert np.isnan(back[0, 1])
    assert back[0, [0, 2, 3]].tolist() == [0.1, 0.3, 0.4]


@given(frame=SIZES, target=SIZES)
def test_a_map_as_large_as_the_input_shows_the_frame_where_it_was_written(frame, target):
    """visible() leaves out exactly the padding, and nothing where there is none."""
    _, written, letterboxed = plan("letterbox", frame, target)
    assert letterboxed.visible(*target) == written.slices
    *_, cropped = plan("crop", frame, target)
    assert cropped.visible(*target) == (slice(0, target.height), slice(0, target.width))


@given(frame=SIZES, target=SIZES, rows=st.integers(1, 50), columns=st.integers(1, 50))
def test_a_coarse_map_always_shows_something(frame, target, rows, columns):
    """Even a sliver of a frame covers at least one cell of the map."""
    *_, placement = plan("letterbox", frame, target)
    assert np.zeros((rows, columns))[placement.visible(rows, columns)].size >= 1
