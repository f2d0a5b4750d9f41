"""What a loaded model promises, wherever its interpreter runs: the same answers to the byte, and the same refusals."""

from __future__ import annotations

import numpy as np
import pytest
import tiny_models
from line import CLASSIFIER_TOML, write_bundle

from agent.core.errors import ModelRefused
from agent.models.bundle import open_bundle
from agent.models.execution import Delegate, Execution, Isolation
from agent.models.interpreter import Interpreter
from agent.models.isolated import IsolatedInterpreter
from agent.models.loading import load_model

RAW_TOML = """\
name = "tiny"
version = "1.0.0"
task = "tensor"
model = "model.tflite"
[input]
kind = "image"
[output]
decode = "raw"
"""
MODELS = {
    "int8": tiny_models.classifier(),
    "uint8": tiny_models.classifier(dtype="uint8"),
    "float32": tiny_models.classifier(dtype="float32"),
    "four outputs": tiny_models.ssd_like(),
    "a picture": tiny_models.segmenter(),
    "of any length": tiny_models.places_of_light(),
}


@pytest.fixture(params=["none", "process"])
def isolation(request):
    """Where the interpreter runs."""
    return None if request.param == "none" else Isolation()


def interpreter_of(path, how):
    return IsolatedInterpreter(path, how, how.isolation) if how.isolation else Interpreter(path, how)


def answer(interpreter, tensor):
    interpreter.set_input(tensor)
    interpreter.invoke()
    return interpreter.read_outputs()


@pytest.fixture(params=MODELS, ids=str)
def path(request, tmp_path):
    file = tmp_path / "model.tflite"
    file.write_bytes(MODELS[request.param])
    return file


def test_every_answer_is_that_of_a_plain_interpreter_to_the_byte(path, isolation):
    """Also where the outputs are larger or smaller than those of the frame before."""
    plain, ours = Interpreter(path), interpreter_of(path, Execution(isolation=isolation))
    seeded = np.random.default_rng(20261126)
    info = plain.inputs[0]
    assert (ours.inputs, ours.outputs, ours.delegate) == (plain.inputs, plain.outputs, plain.delegate)
    for brightest in (1, 256, 3, 0, 256):
        tensor = (seeded.random(info.shape) * brightest).astype(np.uint8).astype(info.dtype)
        expected, actual = answer(plain, tensor), answer(ours, tensor)
        assert [(a.dtype, a.shape, a.tobytes()) for a in actual] == [(e.dtype, e.shape, e.tobytes()) for e in expected]
    ours.close()


@pytest.mark.parametrize(
    ("toml", "model", "labels"),
    [(CLASSIFIER_TOML, "int8", ("dark", "bright")), (RAW_TOML, "of any length", ())],
    ids=["classifier", "raw"],
)
def test_a_model_predicts_the_same(tmp_path, isolation, toml, model, labels):
    """Prepare, infer, decode, with what stands in each prediction."""
    bundle = open_bundle(write_bundle(tmp_path / "b", toml=toml, model=MODELS[model], labels=labels))
    plain, ours = load_model(bundle, Execution()), load_model(bundle, Execution(isolation=isolation))
    for number in (0, 51, 102, 204, 255):
        pixels = np.full((20, 30, 3), number, np.uint8)
        assert ours.predict(pixels) == plain.predict(pixels)
    assert ours.reference == plain.reference
    ours.close()


def test_what_is_read_is_the_callers(path, isolation):
    """The next frame does not change it."""
    interpreter = interpreter_of(path, Execution(isolation=isolation))
    shape, dtype = interpreter.inputs[0].shape, interpreter.inputs[0].dtype
    first = answer(interpreter, np.zeros(shape, dtype))  # before the first frame there is anything in them, NaN too
    kept = [output.copy() for output in first]
    answer(interpreter, np.full(shape, 100, dtype))
    assert all((a == b).all() for a, b in zip(first, kept, strict=True))
    interpreter.close()


@pytest.mark.parametrize("wrong", [((1, 8, 8, 1), "int8"), ((1, 8, 8, 3), "float32"), ((), "int8")], ids=str)
def test_an_input_of_another_form_is_refused(tmp_path, isolation, wrong):
    """Nothing is cast or stretched in silence."""
    file = tmp_path / "model.tflite"
    file.write_bytes(tiny_models.classifier())
    interpreter = interpreter_of(file, Execution(isolation=isolation))
    with pytest.raises(ModelRefused, match="does not take the input"):
        interpreter.set_input(np.zeros(*wrong))
    interpreter.close()


def test_a_file_that_the_runtime_refuses_is_refused_in_the_same_words(tmp_path, isolation):
    """It is no crash: nobody tries it again at once."""
    file = tmp_path / "model.tflite"
    file.write_bytes(tiny_models.unresolved_custom_op())
    with pytest.raises(ModelRefused, match=r"the runtime \(.*\) refuses it: .*NoSuchOperator"):
        interpreter_of(file, Execution(isolation=isolation))


def test_a_delegate_that_cannot_be_had_is_a_finding(tmp_path, isolation):
    """The next one in the list runs."""
    file = tmp_path / "model.tflite"
    file.write_bytes(tiny_models.classifier())
    how = Execution(delegates=(Delegate("external", "libno-such-delegate.so"), Delegate()), isolation=isolation)
    interpreter = interpreter_of(file, how)
    assert [finding.code for finding in interpreter.findings] == ["delegate-unavailable"]
    assert interpreter.delegate == "xnnpack"
    interpreter.close()


def test_an_output_that_is_empty_is_refused(tmp_path, isolation):
    """The runtime has no such array; it is a fault of the model, and the interpreter goes on."""
    file = tmp_path / "model.tflite"
    file.write_bytes(tiny_models.places_of_light())
    interpreter = interpreter_of(file, Execution(isolation=isolation))
    only_the_first = np.zeros((1, 8, 8, 3), np.float32)
    only_the_first[0, 0, 0, 0] = 1
    with pytest.raises(ModelRefused, match="gives no output"):
        answer(interpreter, only_the_first)
    assert [output.tolist() for output in answer(interpreter, np.zeros((1, 8, 8, 3), np.float32))] == [[[0, 0, 0, 0]]]
    interpreter.close()


def test_a_closed_model_says_so(tmp_path, isolation):
    """And may be closed twice."""
    model = load_model(open_bundle(write_bundle(tmp_path / "b")), Execution(isolation=isolation))
    model.close()
    model.close()
    with pytest.raises(ModelRefused, match="tiny is closed"):
        model.predict(np.zeros((8, 8, 3), np.uint8))
