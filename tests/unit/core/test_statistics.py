"""Figures of frames and results, and their distributions: what drift is told by."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core import results
from agent.core.statistics import BINS, MAX_VALUES, Distribution, distribution, input_statistics, score_of


def textured(height=480, width=640, seed=7):
    """Noise that is smooth over a few points of the grid, as things in a picture are."""
    noise = np.random.default_rng(seed).normal(0, 1, (height // 8, width // 8, 3)).astype(np.float32)
    smooth = cv2.resize(cv2.GaussianBlur(noise, (0, 0), 2), (width, height))
    return np.clip(128 + smooth * 200, 0, 255).astype(np.uint8)


def test_a_flat_picture_is_as_bright_as_its_pixels_and_has_no_contrast_and_no_sharpness():
    """Brightness is in 0..1."""
    seen = input_statistics(np.full((100, 100, 3), 51, np.uint8))

    assert seen.brightness == pytest.approx(0.2, abs=1e-5)
    assert (seen.contrast, seen.sharpness) == (pytest.approx(0, abs=1e-5), 0)


def test_darkening_lowers_brightness_and_contrast_and_leaves_sharpness():
    """So that an alarm says what is wrong: the light, or the lens."""
    picture = textured()
    before, after = input_statistics(picture), input_statistics((picture * 0.6).astype(np.uint8))

    assert after.brightness == pytest.approx(before.brightness * 0.6, rel=0.02)
    assert after.contrast == pytest.approx(before.contrast * 0.6, rel=0.02)
    assert after.sharpness == pytest.approx(before.sharpness, rel=0.05)


def test_blur_lowers_sharpness_and_leaves_brightness():
    """A lens out of focus, or dust on it."""
    picture = textured()
    before, after = input_statistics(picture), input_statistics(cv2.GaussianBlur(picture, (0, 0), 20))

    assert after.sharpness < before.sharpness * 0.8
    assert after.brightness == pytest.approx(before.brightness, rel=0.02)


def test_noise_has_the_sharpness_one():
    """Neighbours that know nothing of each other."""
    noise = np.random.default_rng(3).integers(0, 256, (640, 640), np.uint8)

    assert input_statistics(noise).sharpness == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize("size", [(1080, 1920), (270, 480), (96, 128)])
def test_the_size_of_the_picture_does_not_matter(size):
    """A source that decodes small pictures for a small model is compared with the same reference."""
    picture = textured(1080, 1920)
    whole, scaled = (
        input_statistics(p) for p in (picture, cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA))
    )

    assert scaled.brightness == pytest.approx(whole.brightness, rel=0.02)
    assert scaled.contrast == pytest.approx(whole.contrast, rel=0.05)
    assert scaled.sharpness == pytest.approx(whole.sharpness, rel=0.25)


def test_a_gray_picture_is_as_bright_as_the_same_in_colour():
    """Cameras give either."""
    gray = textured()[..., 0]

    assert input_statistics(gray).brightness == pytest.approx(
        input_statistics(cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR)).brightness, abs=1e-4
    )


@pytest.mark.parametrize(
    "pixels",
    [np.zeros((4, 4), np.float32), np.zeros((0, 4, 3), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros(9, np.uint8)],
)
def test_what_is_no_picture_is_refused(pixels):
    """The caller leaves such samples out."""
    with pytest.raises(ValueError, match="no picture"):
        input_statistics(pixels)


def scored(label, score):
    return results.Scored(label=label, score=score)


@pytest.mark.parametrize(
    ("result", "label", "expected"),
    [
        (
            results.Classification(label="fine", score=0.9, top=[scored("fine", 0.9), scored("crack", 0.1)]),
            "crack",
            0.1,
        ),
        (results.Classification(label="fine", score=0.9, top=[scored("fine", 0.9), scored("crack", 0.1)]), None, 0.9),
        (results.Classification(label="fine", score=0.9, top=[scored("fine", 0.9)]), "crack", None),
        (results.Detection(objects=[results.DetectedObject(label="bolt", score=0.7, box=[0, 0, 1, 1])]), "bolt", 0.7),
        (results.Detection(objects=[results.DetectedObject(label="bolt", score=0.7, box=[0, 0, 1, 1])]), "nut", 0.0),
        (results.Segmentation(areas=[scored("metal", 0.8), scored("rust", 0.2)]), "rust", 0.2),
        (results.Anomaly(score=3.5, threshold=None), None, 3.5),
        (results.Anomaly(score=float("nan"), threshold=None), None, None),
        (results.Regression(value=-2.5, unit="mm"), None, -2.5),
        (results.Embedding(vector=[0.1], distance=None), None, None),
        (results.Tensors(tensors={"a": [1.0]}), None, None),
    ],
)
def test_the_score_is_that_of_the_label_that_rejects(result, label, expected):
    """It moves with what the line makes, whichever label leads; what has no number has no score."""
    assert score_of(result, label) == expected


@given(st.lists(st.floats(-1e6, 1e6) | st.sampled_from([0.0, 1.0]), min_size=1, max_size=400))
def test_a_distribution_counts_each_value_once_and_in_ascending_bins(values):
    """Whatever the values: ties, one value, one value only."""
    found = distribution(values)

    assert found.samples == len(values)
    assert len(found.counts) == len(found.edges) + 1 <= BINS
    assert list(found.edges) == sorted(set(found.edges))
    assert all(found.counts)
    assert len(found.values) == min(len(values), MAX_VALUES)
    assert (found.values[0], found.values[-1]) == (min(values), max(values))


def test_different_values_fill_the_bins_evenly():
    """Deciles of the reference."""
    assert distribution([k / 7 for k in range(1000)]).counts == (100,) * 10


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [float("inf")]])
def test_what_is_not_finite_has_no_distribution(values):
    """The caller leaves it out and says so."""
    with pytest.raises(ValueError, match="finite"):
        distribution(values)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (distribution([k / 10 for k in range(101)]), 9.0),
        (distribution([*[k / 10 for k in range(101)], 1e6]), 9.1),
        (distribution([5.0] * 20), 0.0),
        (Distribution((1.0, 4.0), (3, 3, 3)), 3.0),
        (Distribution((), (9,)), 0.0),
    ],
)
def test_the_spread_is_what_most_values_lie_within(found, expected):
    """One that is far off does not stretch it; without values the edges of the histogram say it."""
    assert found.spread == pytest.approx(expected, abs=0.02)
