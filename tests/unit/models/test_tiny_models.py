"""The models that other tests rely on load, run, and answer what they promise, in the installed runtime."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import tiny_models
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_metadata import with_metadata

DTYPES = ["int8", "uint8", "float32"]
every_dtype = pytest.mark.parametrize("dtype", DTYPES)
PICTURE = np.random.default_rng(7).integers(0, 256, (8, 8, 3), np.uint8)


def run(model, values):
    """Real values of all outputs, for real input values."""
    interpreter = Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    (entry,) = interpreter.get_input_details()
    scale, zero_point = entry["quantization"]
    raw = np.round(np.asarray(values) / scale) + zero_point if scale else np.asarray(values)
    interpreter.set_tensor(entry["index"], raw.reshape(entry["shape"]).astype(entry["dtype"]))
    interpreter.invoke()
    return [real(interpreter.get_tensor(d["index"]), *d["quantization"]) for d in interpreter.get_output_details()]


def real(raw, scale, zero_point):
    return (raw.astype(np.float64) - zero_point) * scale if scale else raw


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(DTYPES), st.integers(2, 6), st.sampled_from([1, 3]), st.integers(0, 3), st.integers(0, 255))
def test_the_classifier_answers_what_is_foretold(dtype, classes, channels, seed, level):
    """Within one step of 8 bits in its logits."""
    pixels = np.clip(np.random.default_rng(seed).normal(level, 40, (8, 8, channels)), 0, 255).astype(np.uint8)
    (scores,) = run(tiny_models.classifier(8, 8, channels, classes, dtype, seed=seed), pixels / 255)
    assert np.abs(scores[0] - tiny_models.class_scores(pixels, classes, seed)).max() < 0.03


@every_dtype
def test_dark_is_class_0_and_bright_is_class_1(dtype):
    """However many classes there are."""
    model = tiny_models.classifier(classes=4, dtype=dtype)
    assert [run(model, np.full((8, 8, 3), value))[0].argmax() for value in (0.1, 0.9)] == [0, 1]


def test_seeds_make_different_files():
    """For tests that need two versions of one model."""
    assert tiny_models.classifier(seed=1) != tiny_models.classifier(seed=2)
    assert tiny_models.classifier(seed=1) == tiny_models.classifier(seed=1)


@every_dtype
def test_the_others_answer_what_they_promise(dtype):
    """Per pixel, as a number, as a vector, as a picture."""
    values = PICTURE / 255
    assert run(tiny_models.regressor(dtype=dtype), values)[0].item() == pytest.approx(values.mean() * 100, abs=0.5)
    assert np.allclose(run(tiny_models.embedding(dtype=dtype), values)[0][0], values.mean(axis=(0, 1)), atol=0.01)
    mask = run(tiny_models.segmenter(dtype=dtype), values)[0][0].argmax(axis=-1)
    sure = np.abs(values.mean(axis=-1) - 0.5) > 0.02
    assert (mask[sure] == (values.mean(axis=-1) > 0.5)[sure]).all()
    flat = np.full((8, 8, 3), 0.4)
    assert np.allclose(run(tiny_models.image_autoencoder(dtype=dtype), flat)[0], flat, atol=0.01)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_autoencoder_reconstructs_the_mean(dtype):
    """So the error is the variance."""
    samples = np.random.default_rng(7).normal(0, 2, 16)
    assert np.allclose(run(tiny_models.autoencoder(16, dtype), samples)[0], samples.mean(), atol=0.08)


def test_the_detector_always_sees_the_same():
    """Four outputs, as TFLite_Detection_PostProcess shapes them."""
    boxes, classes, scores, count = run(tiny_models.ssd_like(), PICTURE / 255)
    n = len(tiny_models.DETECTIONS)
    assert (boxes.shape, classes.shape, scores.shape, count.tolist()) == ((1, n, 4), (1, n), (1, n), [n])
    assert scores[0].tolist() == pytest.approx([score for _, _, score in tiny_models.DETECTIONS])


def test_metadata_change_no_answer():
    """The runtime reads past them."""
    model = tiny_models.classifier()
    described = with_metadata(model, ["good", "crack"], [0.0], [255.0])
    assert np.array_equal(run(model, PICTURE / 255)[0], run(described, PICTURE / 255)[0])


def test_the_unknown_operator_is_refused_by_the_runtime():
    """With its name."""
    with pytest.raises(RuntimeError, match="NoSuchOperator"):
        run(tiny_models.unresolved_custom_op(), PICTURE)


LOAD = """
import sys
from ai_edge_litert.interpreter import Interpreter
Interpreter(model_content=sys.stdin.buffer.read()).allocate_tensors()
"""


def test_the_crashing_model_kills_the_process_that_loads_it():
    """By a signal, though the file is well-formed: nothing but a trial in a child process protects from it."""
    child = subprocess.run(
        [sys.executable, "-c", LOAD], input=tiny_models.crashing(), capture_output=True, timeout=60, check=False
    )
    assert child.returncode < 0
