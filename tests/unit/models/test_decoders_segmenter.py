"""Segmenter: shares of the frame's area, and never of the padding."""

from __future__ import annotations

import numpy as np
import pytest
from decoding import decode, decoder_for, model_spec, tensor
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from agent.core.errors import ModelRefused
from agent.core.results import is_finite
from agent.models.placement import Placement

LABELS = ["metal", "rust", "hole"]
CLASSES = np.array([[0, 0, 0, 1], [0, 0, 1, 1]])


def areas(result):
    return [(a.label, a.score) for a in result.areas]


def one_hot(classes, count=3):
    return np.eye(count, dtype=np.float32)[classes][None]


def test_each_cell_counts_for_its_strongest_class():
    """Five of eight cells are metal, three are rust; the hole, which is nowhere, is left out."""
    result = decode(model_spec("segmenter"), one_hot(CLASSES), labels=LABELS)
    assert areas(result) == [("metal", 0.625), ("rust", 0.375)]
    assert result.mask is None


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "float32"])
def test_a_map_of_class_numbers_gives_the_same(dtype):
    """Some exports have taken the strongest class themselves."""
    result = decode(model_spec("segmenter"), CLASSES[None].astype(dtype), labels=LABELS)
    assert areas(result) == [("metal", 0.625), ("rust", 0.375)]


def test_padding_does_not_count():
    """A wide frame lies in the middle rows of the input; only they are the frame."""
    classes = np.array([[2, 2], [0, 1], [0, 0], [2, 2]])
    result = decode(model_spec("segmenter"), one_hot(classes), labels=LABELS, placement=Placement(top=0.25, height=0.5))
    assert areas(result) == [("metal", 0.75), ("rust", 0.25)]


def test_a_cropped_frame_counts_whole():
    """What the crop cut away is not in the map, and all that is in the map is of the frame."""
    result = decode(model_spec("segmenter"), one_hot(CLASSES), placement=Placement(left=-0.5, width=2.0))
    assert areas(result) == [("0", 0.625), ("1", 0.375)]


@pytest.mark.parametrize(
    ("activation", "low", "high"), [("none", 0.5, 0.51), ("sigmoid", 0.0, 0.1)], ids=["probability", "logit"]
)
def test_one_score_tells_a_class_from_the_background(activation, low, high):
    """More than one half is the class; one label is the class's, two are background and class."""
    scores = np.where(CLASSES[None, ..., None], high, low).astype(np.float32)
    spec = model_spec("segmenter", activation=activation)
    assert areas(decode(spec, scores, labels=["rust"])) == [("background", 0.625), ("rust", 0.375)]
    assert areas(decode(spec, scores, labels=["metal", "rust"])) == [("metal", 0.625), ("rust", 0.375)]


@given(arrays.arrays(np.int8, (1, 3, 5, 4)))
def test_quantized_scores_give_what_their_real_values_give(raw):
    """The strongest of the raw values is the strongest of the real ones."""
    info = tensor(raw.shape, "int8", 0.25, 3)
    assert decode(model_spec("segmenter"), raw, infos=[info]) == decode(model_spec("segmenter"), info.dequantize(raw))


@given(arrays.arrays(np.int64, (1, 4, 4), elements=st.integers(-(2**63), 2**63 - 1) | st.integers(0, 3)))
def test_any_class_number_is_told(numbers):
    """Numbers that no class has, negative ones included, are counted like others; the shares add up to one."""
    result = decode(model_spec("segmenter"), numbers, labels=LABELS)
    expected = {LABELS[n] if 0 <= n < 3 else str(n) for n in numbers.ravel().tolist()}
    assert {label for label, _ in areas(result)} == expected
    assert sum(share for _, share in areas(result)) == pytest.approx(1.0)
    assert [share for _, share in areas(result)] == sorted((share for _, share in areas(result)), reverse=True)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
@pytest.mark.parametrize("shape", [(1, 2, 4, 3), (1, 2, 4, 1), (1, 2, 4)])
def test_one_cell_that_is_no_number_spoils_the_shares(shape, wrong):
    """The strongest of NaN and a number is nothing, so no share can be believed."""
    scores = np.zeros(shape, np.float32)
    scores[0, 1, 2] = wrong
    assert not is_finite(decode(model_spec("segmenter"), scores))


@pytest.mark.parametrize("shape", [(1, 64), (2, 8, 8, 3), (1, 8, 8, 0), (8, 8, 3), (1, 1, 8, 8, 3)])
def test_outputs_that_are_no_map_are_refused(shape):
    """The message says what was found and what was expected."""
    with pytest.raises(ModelRefused) as refused:
        decoder_for(model_spec("segmenter"), [tensor(shape)])
    assert tensor(shape).describe() in str(refused.value)


def test_labels_must_be_as_many_as_classes():
    """Both numbers are said."""
    with pytest.raises(ModelRefused, match="3 labels for 4 classes"):
        decoder_for(model_spec("segmenter"), [tensor((1, 8, 8, 4))], labels=LABELS)
