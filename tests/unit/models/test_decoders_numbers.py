"""Autoencoder, regressor, embedding and raw: results that are numbers, not labels."""

from __future__ import annotations

import numpy as np
import pytest
from decoding import decode, decoder_for, model_spec, tensor
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from agent.core.errors import ModelRefused
from agent.core.results import Anomaly, Embedding, Regression, is_finite

FEATURES = arrays.arrays(np.float32, 3, elements=st.floats(-100, 100, width=32))
NAN = np.full((1, 2), np.nan, np.float32)


def test_the_reconstruction_error_is_the_mean_square_of_the_differences():
    """Input 0, 1, 2, 3 at scale 1/2, output 0, 2, 2, 2: differences of 0, 1/2, 0 and 1/2 after both are made real."""
    given_info, info = tensor((1, 4), "int8", 0.5, -128), tensor((1, 4), "uint8", 0.5, 10)
    result = decode(
        model_spec("autoencoder", reject={"threshold": 0.2}),
        np.array([[10, 12, 12, 12]], np.uint8),
        infos=[info],
        inputs=[given_info],
        given=np.array([[-128, -127, -126, -125]], np.int8),
    )
    assert result == Anomaly(score=0.125, threshold=0.2)


def test_an_image_is_compared_with_its_flat_reconstruction():
    """Only the number of values must be the same, not the shape."""
    picture = np.arange(12, dtype=np.float32).reshape(1, 2, 2, 3)
    result = decode(
        model_spec("autoencoder"), picture.reshape(1, 12) + 2, inputs=[tensor(picture.shape)], given=picture
    )
    assert result == Anomaly(score=4.0, threshold=None)


def test_a_reconstruction_of_another_size_is_refused():
    """Both sizes are said."""
    with pytest.raises(ModelRefused, match=r"int8 \[1, 640\]; the model gives int8 \[1, 128\]"):
        decoder_for(model_spec("autoencoder"), [tensor((1, 128), "int8", 1.0)], inputs=[tensor((1, 640), "int8", 1.0)])


@pytest.mark.parametrize("shape", [(1, 1), (1,), (), (1, 1, 1, 1)])
def test_a_regression_is_the_output_in_its_unit(shape):
    """value = output * scale + offset, after the tensor's own scale."""
    info = tensor(shape, "int8", 0.25, -10)
    spec = model_spec("regressor", scale=2.0, offset=-1.0, unit="mm")
    result = decode(spec, np.full(shape, 10, np.int8), infos=[info])
    assert result == Regression(value=9.0, unit="mm")


@pytest.mark.parametrize("outputs", [[tensor((1, 2))], [tensor((1, 1)), tensor((1, 1))], [tensor((1, 0))]])
def test_several_values_are_no_regression(outputs):
    """The message says what was found."""
    with pytest.raises(ModelRefused, match="one value"):
        decoder_for(model_spec("regressor"), outputs)


def test_an_embedding_is_the_flat_vector():
    """Any shape becomes one row of real values; without references there is no distance."""
    info = tensor((1, 1, 1, 3), "uint8", 0.5)
    result = decode(model_spec("embedding"), np.array([[[[2, 4, 6]]]], np.uint8), infos=[info])
    assert result == Embedding(vector=[1.0, 2.0, 3.0], distance=None)


@pytest.mark.parametrize(
    ("metric", "references", "distance"),
    [("euclidean", [[8.0, 16.0], [0.0, 0.0], [9.0, 9.0]], 5.0), ("cosine", [[-1.0, 0.0], [0.0, 7.0]], 0.2)],
)
def test_the_distance_is_that_to_the_nearest_reference(metric, references, distance):
    """(3, 4) is 5 from the origin, and 4/5 is the cosine of its angle with the second axis."""
    spec = model_spec("embedding", metric=metric)
    result = decode(spec, np.array([[3.0, 4.0]], np.float32), references=np.array(references))
    assert result.distance == pytest.approx(distance)
    assert result.vector == [3.0, 4.0]


@given(
    vector=FEATURES, rows=st.lists(FEATURES, min_size=1, max_size=6), metric=st.sampled_from(["euclidean", "cosine"])
)
def test_the_distance_follows_its_definition(vector, rows, metric):
    """The nearest row, measured one row at a time in float64."""
    exact, known = vector.astype(np.float64), np.array(rows, np.float64)
    lengths = [np.linalg.norm(row) for row in known]
    if metric == "cosine":
        assume(min(lengths) > 1e-3)
        assume(np.linalg.norm(exact) > 1e-3)
        measured = [
            1 - exact @ row / (np.linalg.norm(exact) * length) for row, length in zip(known, lengths, strict=True)
        ]
    else:
        measured = [np.linalg.norm(exact - row) for row in known]
    result = decode(model_spec("embedding", metric=metric), vector[None], references=np.array(rows))
    assert result.distance == pytest.approx(min(measured), rel=1e-4, abs=1e-5)
    assert result.distance >= 0


def test_no_direction_is_nearer_than_itself():
    """Rounding must not make a distance negative, whatever the vector."""
    for vector in np.random.default_rng(11).normal(size=(100, 64)).astype(np.float32):
        distance = decode(model_spec("embedding", metric="cosine"), vector[None], references=vector[None]).distance
        assert 0 <= distance < 1e-5


def test_for_the_task_anomaly_the_distance_is_the_score():
    """Good parts are near the references; the vector itself is not told."""
    spec = model_spec("embedding", task="anomaly", reject={"threshold": 2.5})
    result = decode(spec, np.array([[3.0, 4.0]], np.float32), references=np.array([[0.0, 4.0], [9.0, 9.0]]))
    assert result == Anomaly(score=3.0, threshold=2.5)


@pytest.mark.parametrize(
    ("references", "metric", "said"),
    [
        (None, "euclidean", "the bundle has none"),
        (np.zeros((5, 3)), "euclidean", r"float64 \[5, 3\]; numbers \[n, 2\]"),
        (np.zeros(2), "euclidean", r"float64 \[2\]"),
        (np.zeros(()), "euclidean", r"float64 \[\]"),
        (np.zeros((0, 2)), "euclidean", r"float64 \[0, 2\]"),
        (np.array([["a", "b"]]), "euclidean", "numbers"),
        (np.array([[np.nan, 1.0]]), "euclidean", "no number"),
        (np.array([[0.0, 0.0]]), "cosine", "no direction"),
    ],
)
def test_references_that_do_not_fit_are_refused(references, metric, said):
    """A score that is a distance needs something to be distant from."""
    spec = model_spec("embedding", task="anomaly", metric=metric, reject={"threshold": 1.0})
    with pytest.raises(ModelRefused, match=said):
        decoder_for(spec, [tensor((1, 2))], references=references)


def test_raw_gives_every_output_by_name():
    """Real values, flattened; integers that have no scale stay exact."""
    infos = [
        tensor((1, 2, 2), "int8", 0.5, name="map"),
        tensor((1,), "int32", name="count"),
        tensor((2,), "bool", name="flags"),
    ]
    raws = [np.array([[[0, 1], [2, 3]]], np.int8), np.array([2**24 + 1], np.int32), np.array([True, False])]
    result = decode(model_spec("raw"), *raws, infos=infos)
    assert result.tensors == {"map": [0.0, 0.5, 1.0, 1.5], "count": [2**24 + 1], "flags": [1.0, 0.0]}


@given(st.lists(st.sampled_from(["a", "a_1", "a_2", "b", ""]), max_size=8))
def test_no_output_is_lost_to_another_of_its_name(names):
    """Each output keeps a key of its own, and one whose name is unique keeps that name."""
    infos = [tensor((1,), name=name) for name in names]
    raws = [np.array([k], np.float32) for k in range(len(names))]
    tensors = decode(model_spec("raw"), *raws, infos=infos).tensors
    assert list(tensors.values()) == [[float(k)] for k in range(len(names))]
    for k, name in enumerate(names):
        if names.count(name) == 1:
            assert tensors[name] == [float(k)]


@pytest.mark.parametrize(
    ("spec", "raw", "references"),
    [
        (model_spec("autoencoder"), NAN, None),
        (model_spec("regressor"), NAN[:, :1], None),
        (model_spec("embedding"), NAN, None),
        (model_spec("embedding", task="anomaly"), NAN, np.eye(2)),
        (model_spec("embedding", task="anomaly", metric="cosine"), NAN, np.eye(2)),
        (model_spec("embedding", task="anomaly", metric="cosine"), np.zeros((1, 2), np.float32), np.eye(2)),
        (model_spec("raw"), NAN, None),
    ],
    ids=lambda value: f"{value.output.decode}-{value.task}-{value.output.metric}" if hasattr(value, "output") else "",
)
def test_what_is_no_number_comes_through(spec, raw, references):
    """NaN, and a zero vector where only directions count, end in a result that says so."""
    known = tensor((1, 2))
    result = decode(spec, raw, references=references, inputs=[known], given=np.ones((1, 2), np.float32))
    assert not is_finite(result)
