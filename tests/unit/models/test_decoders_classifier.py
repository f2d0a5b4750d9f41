"""Classifier: the best labels, in order, and always the one that decides."""

from __future__ import annotations

import math

import numpy as np
import pytest
from decoding import decode, decoder_for, model_spec, tensor
from hypothesis import given
from hypothesis import strategies as st

from agent.core.errors import ModelRefused
from agent.core.results import is_finite

SEVEN = ["a", "b", "c", "d", "e", "f", "g"]


def top(result):
    return [(s.label, s.score) for s in result.top]


@pytest.mark.parametrize("shape", [(1, 7), (7,), (1, 1, 1, 7)])
def test_the_five_best_labels_come_highest_first(shape):
    """Three shapes of the same scores give the same answer."""
    scores = np.array([0.125, 0.0, 0.5, 0.0625, 0.25, 0.03125, 0.015625], np.float32).reshape(shape)
    result = decode(model_spec("classifier"), scores, labels=SEVEN)
    assert (result.label, result.score) == ("c", 0.5)
    assert top(result) == [("c", 0.5), ("e", 0.25), ("a", 0.125), ("d", 0.0625), ("f", 0.03125)]


def test_of_equal_scores_the_first_class_leads():
    """Quantized scores tie often; the answer must not depend on how a sort treats them."""
    info = tensor((1, 7), "uint8", 1 / 256)
    raw = np.array([[10, 20, 10, 20, 10, 10, 10]], np.uint8)
    assert [label for label, _ in top(decode(model_spec("classifier"), raw, infos=[info], labels=SEVEN))] == list(
        "bdace"
    )


@given(st.lists(st.integers(0, 255), min_size=2, max_size=40))
def test_the_top_is_what_a_whole_stable_sort_gives(raw):
    """Looking only at the best never changes the answer."""
    info = tensor((1, len(raw)), "uint8", 1 / 256)
    result = decode(model_spec("classifier"), np.array([raw], np.uint8), infos=[info])
    expected = sorted(range(len(raw)), key=lambda k: (-raw[k], k))[:5]
    assert top(result) == [(str(k), raw[k] / 256) for k in expected]


def test_quantized_scores_are_made_real():
    """score = (raw - zero_point) * scale."""
    info = tensor((1, 2), "int8", 1 / 256, -128)
    result = decode(model_spec("classifier"), np.array([[-128, 64]], np.int8), infos=[info], labels=["good", "bad"])
    assert top(result) == [("bad", 0.75), ("good", 0.0)]


def test_softmax_of_logits_worked_out_by_hand():
    """Logits 0, ln 2 and ln 5 are odds of 1 : 2 : 5."""
    logits = np.log(np.array([[1.0, 2.0, 5.0]], np.float32))
    result = decode(model_spec("classifier", activation="softmax"), logits)
    assert [s.label for s in result.top] == ["2", "1", "0"]
    assert [s.score for s in result.top] == pytest.approx([5 / 8, 2 / 8, 1 / 8])


@given(st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=2, max_size=20))
def test_softmax_never_overflows(logits):
    """Shares of any finite logits add up to one."""
    result = decode(model_spec("classifier", activation="softmax"), np.array([logits], np.float32))
    assert is_finite(result)
    if len(logits) <= 5:
        assert sum(s.score for s in result.top) == pytest.approx(1.0, abs=1e-5)


def test_sigmoid_judges_each_class_by_itself():
    """Logits of ln 3, 0 and one far below are chances of 3/4, 1/2 and 0."""
    logits = np.array([[0.0, math.log(3), -1e30]], np.float32)
    result = decode(model_spec("classifier", activation="sigmoid"), logits)
    assert [s.score for s in result.top] == pytest.approx([0.75, 0.5, 0.0])


@pytest.mark.parametrize(("score", "label"), [(0.75, "defect"), (0.25, "fine"), (0.5, "fine")])
def test_one_value_is_the_probability_of_the_second_label(score, label):
    """A network with one sigmoid at its end has two classes."""
    result = decode(model_spec("classifier"), np.array([[score]], np.float32), labels=["fine", "defect"])
    assert (result.label, result.score) == (label, max(score, 1 - score))
    assert sum(s.score for s in result.top) == 1.0


def test_the_label_that_decides_is_always_told():
    """A reject label behind the five best is named after them, with its score."""
    scores = np.array([[0.3, 0.2, 0.15, 0.125, 0.1, 0.0625, 0.03125]], np.float32)
    result = decode(model_spec("classifier", reject={"label": "g"}), scores, labels=SEVEN)
    assert [s.label for s in result.top] == ["a", "b", "c", "d", "e", "g"]
    assert result.top[-1].score == 0.03125


def test_a_label_that_decides_and_leads_is_told_once():
    """No label stands twice in the top."""
    scores = np.array([[0.3, 0.2, 0.15, 0.125, 0.1, 0.0625, 0.03125]], np.float32)
    result = decode(model_spec("classifier", reject={"label": "a"}), scores, labels=SEVEN)
    assert [s.label for s in result.top] == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize("activation", ["none", "softmax", "sigmoid"])
def test_a_score_that_is_no_number_leads(activation):
    """NaN must be seen, whatever else the model says."""
    scores = np.array([[0.9, 0.1, 0.2, 0.3, 0.4, 0.5, np.nan]], np.float32)
    assert not is_finite(decode(model_spec("classifier", activation=activation), scores, labels=SEVEN))


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        ([tensor((1, 10, 4))], "float32 [1, 10, 4]"),
        ([tensor(())], "float32 []"),
        ([tensor((2, 10))], "float32 [2, 10]"),
        ([tensor((1, 10), "int8", 1.0), tensor((1, 4))], "int8 [1, 10], float32 [1, 4]"),
        ([tensor((1, 10), "str")], "str [1, 10]"),
        ([], "no outputs"),
    ],
)
def test_outputs_that_are_no_scores_are_refused(outputs, said):
    """The message says what was found and what was expected."""
    with pytest.raises(ModelRefused) as refused:
        decoder_for(model_spec("classifier"), outputs)
    assert said in str(refused.value)
    assert "expects" in str(refused.value)


@pytest.mark.parametrize(
    ("classes", "labels", "said"),
    [
        (7, SEVEN[:6], "6 labels for 7 classes"),
        (6, SEVEN, "7 labels for 6 classes"),
        (1, ["x"], "1 labels for 2 classes"),
    ],
)
def test_labels_must_be_as_many_as_classes(classes, labels, said):
    """One line too many shifts every name; both numbers are said."""
    with pytest.raises(ModelRefused, match=said):
        decoder_for(model_spec("classifier"), [tensor((1, classes))], labels=labels)


def test_softmax_of_one_value_is_refused():
    """It would always be 1."""
    with pytest.raises(ModelRefused, match="always 1"):
        decoder_for(model_spec("classifier", activation="softmax"), [tensor((1, 1))], labels=["fine", "defect"])
