"""Reading a .tflite without the runtime: what is in it, what it is instead, and no bytes that do harm."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import zipfile
from pathlib import Path

import ai_edge_litert.schema_py_generated as schema
import cv2
import flatbuffers
import numpy as np
import pytest
import tiny_models
from ai_edge_litert.interpreter import Interpreter
from hypothesis import given
from hypothesis import strategies as st
from tflite_graph import Graph, make, pack_model, unpack_model

from agent.core.errors import ModelRefused
from agent.models.flatbuffer import printable
from agent.models.tflite_bytes import MAX_FILE_BYTES
from agent.models.tflite_file import TfliteFile, read_tflite
from agent.models.tflite_precision import describe_precision
from agent.models.tflite_schema import operator_name, type_name

MODEL = tiny_models.classifier()
TINY = {
    "int8": tiny_models.classifier(dtype="int8"),
    "uint8": tiny_models.segmenter(dtype="uint8"),
    "float32": tiny_models.autoencoder(dtype="float32"),
    "four outputs": tiny_models.ssd_like(),
}


def as_the_runtime_says(details):
    """Name, shape, type and scales of each tensor."""
    return [
        (
            d["name"],
            tuple(d["shape"]),
            np.dtype(d["dtype"]).name,
            tuple(map(float, d["quantization_parameters"]["scales"])),
        )
        for d in details
    ]


def as_we_say(tensors):
    """The same, of the file."""
    return [(t.name, t.shape, t.dtype, t.scales) for t in tensors]


@pytest.mark.parametrize("data", TINY.values(), ids=TINY)
def test_inputs_and_outputs_are_those_of_the_runtime(data):
    """Name, shape, type and scale, in the model's order."""
    file, runtime = read_tflite(data), Interpreter(model_content=data)
    assert as_we_say(file.inputs) == as_the_runtime_says(runtime.get_input_details())
    assert as_we_say(file.outputs) == as_the_runtime_says(runtime.get_output_details())


def test_real_models_are_read_as_the_runtime_reads_them():
    """Models of several converters and years."""
    folder = os.environ.get("LINESIDE_TEST_ASSETS")
    if not folder:
        pytest.skip("LINESIDE_TEST_ASSETS does not say where real models are")
    for path in sorted(Path(folder, "models").glob("*.tflite")):
        file, runtime = read_tflite(path), Interpreter(model_path=str(path))
        assert as_we_say(file.inputs) == as_the_runtime_says(runtime.get_input_details()), path.name
        assert [t.name for t in file.outputs] == [d["name"] for d in runtime.get_output_details()], path.name
        assert file.size_bytes == path.stat().st_size
        assert file.quantization in {"int8", "uint8"}, path.name


def test_operators_and_parameters_are_counted():
    """The mean's two axes, the weights and the biases."""
    file = read_tflite(tiny_models.classifier(channels=3, classes=5))
    assert file.operators == {"MEAN": 1, "FULLY_CONNECTED": 1, "SOFTMAX": 1}
    assert file.parameters == 2 + 3 * 5 + 5
    assert file.custom_operators == ()


def test_a_custom_operator_is_named():
    """That is what a person must look for when the runtime refuses the model."""
    file = read_tflite(tiny_models.unresolved_custom_op())
    assert file.operators == {"NoSuchOperator": 1}
    assert file.custom_operators == ("NoSuchOperator",)


def test_every_subgraph_is_read():
    """A loop keeps its condition and its body in subgraphs of their own."""
    file = read_tflite(tiny_models.endless())
    assert file.subgraphs == 3
    assert file.operators == {"WHILE": 1}


def test_names_of_operators_and_types_are_those_of_the_schema():
    """Every code that the installed runtime knows."""
    operators = {code: name for name, code in vars(schema.BuiltinOperator).items() if name.isupper()}
    types = {code: name.lower() for name, code in vars(schema.TensorType).items() if name.isupper()}
    assert {code: operator_name(code) for code in operators} == operators
    assert {code: type_name(code) for code in types} == types
    assert operator_name(9999) == "BUILTIN_9999"


def test_signatures_and_the_oldest_runtime_are_told():
    """Both are written by converters, as names in the model."""
    model = unpack_model(MODEL)
    model.signatureDefs = [make(schema.SignatureDefT, signatureKey="serving_default", inputs=[], outputs=[])]
    model.buffers.append(make(schema.BufferT, data=np.frombuffer(b"1.14.0\0\0\0\0", np.uint8)))
    model.metadata = [make(schema.MetadataT, name="min_runtime_version", buffer=len(model.buffers) - 1)]
    file = read_tflite(pack_model(model))
    assert file.signatures == ("serving_default",)
    assert file.min_runtime_version == "1.14.0"


@pytest.mark.parametrize(
    ("weights", "inside", "edges", "word", "sentence"),
    [
        (["int8"], ["int8"], ["int8"], "int8", "full integer (int8)"),
        (["uint8"], ["uint8"], ["uint8", "float32"], "uint8", "integer inside (uint8), float32 inputs or outputs"),
        (["int8"], ["int16"], ["int16"], "int16", "full integer (int16 activations, int8 weights)"),
        (
            ["int8", "float32"],
            ["float32"],
            ["float32"],
            "dynamic-range",
            "dynamic range (int8 weights, float32 activations)",
        ),
        (["float16"], ["float32"], ["float32"], "float16", "float16 weights, float32 activations"),
        (["float32"], ["float32"], ["float32"], "float32", "float32"),
        (["int8"], ["float32", "int8"], ["float32"], "mixed", "mixed (int8 weights, float32 and int8 activations)"),
        ([], [], [], "none", "neither quantized nor float tensors"),
    ],
)
def test_arithmetic_is_named_for_programs_and_people(weights, inside, edges, word, sentence):
    """The mixtures that converters make."""
    assert describe_precision(weights, inside, edges) == (word, sentence)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "float32"])
def test_arithmetic_of_a_file(dtype):
    """Biases (int32) and shapes do not count."""
    assert read_tflite(tiny_models.classifier(dtype=dtype)).quantization == dtype


def zipped():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("model.tflite", MODEL)
    return file.getvalue()


PICTURE = np.zeros((4, 4, 3), np.uint8)
FOREIGN = {
    "an empty file": b"",
    "a JPEG image": cv2.imencode(".jpg", PICTURE)[1].tobytes(),
    "a PNG image": cv2.imencode(".png", PICTURE)[1].tobytes(),
    "a zip archive": zipped(),
    "a gzip archive": gzip.compress(MODEL),
    "an HTML page": b"\n<!DOCTYPE html><html><body>Please log in</body></html>",
    "an XML document": b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
    "an ONNX model": b"\x08\x08\x12\x07pytorch\x1a\x051.9.0",
    "an HDF5 file": b"\x89HDF\r\n\x1a\n" + bytes(64),
    "a Python pickle": pickle.dumps({"weights": [1.0]}, protocol=2),
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "a text file": b"name = 'solar-cell'\n",
    "a file of the TFLite format before 2018": MODEL[:4] + b"TFL2" + MODEL[8:],
    "a file without the identifier TFL3 at byte 4": MODEL[:4] + bytes(4) + MODEL[8:],
}


@pytest.mark.parametrize(("what", "data"), FOREIGN.items(), ids=FOREIGN)
def test_what_is_no_model_is_named_for_what_it_is(what, data):
    """A person who gave the wrong file reads which one it is, and what to do."""
    with pytest.raises(ModelRefused, match=f"this is {what}.*, not a TFLite model") as refused:
        read_tflite(data)
    assert refused.value.hint


def test_a_truncated_file_says_where_it_ends(tmp_path):
    """As after a download that broke off."""
    path = tmp_path / "model.tflite"
    path.write_bytes(MODEL[:600])
    with pytest.raises(ModelRefused, match="ends at byte 600; a structure points to byte") as refused:
        read_tflite(path)
    assert str(path) in str(refused.value)
    assert "sha256" in refused.value.hint


def missing(path):
    return path


def folder(path):
    path.mkdir()
    return path


def pipe(path):
    os.mkfifo(path)
    return path


def too_large(path):
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    return path


@pytest.mark.parametrize(
    ("make_path", "message"),
    [
        (missing, "cannot be read: No such file"),
        (folder, "no regular file"),
        (pipe, "no regular file"),
        (too_large, "larger than 1024 MiB"),
    ],
)
def test_a_path_that_is_no_model_file_is_refused_at_once(tmp_path, make_path, message):
    """A named pipe would otherwise make the agent wait for ever, and a huge file fill its memory."""
    with pytest.raises(ModelRefused, match=message) as refused:
        read_tflite(make_path(tmp_path / "model.tflite"))
    assert refused.value.hint


def broken_tensor_index(model):
    model.subgraphs[0].inputs = [99]


def broken_operator_code(model):
    model.subgraphs[0].operators[0].opcodeIndex = 99


def broken_buffer_index(model):
    model.subgraphs[0].tensors[0].buffer = 99


def no_subgraph(model):
    model.subgraphs = []


def future_schema(model):
    model.version = 4


@pytest.mark.parametrize(
    "damage", [broken_tensor_index, broken_operator_code, broken_buffer_index, no_subgraph, future_schema]
)
def test_a_model_that_contradicts_itself_is_refused(damage):
    """A model without subgraphs is the one that crashes the runtime itself."""
    model = unpack_model(MODEL)
    damage(model)
    with pytest.raises(ModelRefused, match="is damaged: "):
        read_tflite(pack_model(model))


@given(st.data())
def test_a_damaged_copy_is_read_or_refused(data):
    """Whatever bytes of a model are overwritten, and wherever it is cut."""
    damaged = bytearray(data.draw(st.sampled_from(list(TINY.values()))))
    for start in data.draw(st.lists(st.integers(0, len(damaged) - 1), max_size=6)):
        patch = data.draw(
            st.binary(min_size=1, max_size=4) | st.sampled_from([b"\xff" * 4, b"\xff\xff\xff\x7f", bytes(4)])
        )
        damaged[start : start + len(patch)] = patch
    damaged[4:8] = b"TFL3"
    try:
        file = read_tflite(bytes(damaged[: data.draw(st.integers(8, len(damaged)))]))
    except ModelRefused:
        return
    assert isinstance(file, TfliteFile)


@given(st.binary(max_size=200))
def test_bytes_that_only_claim_to_be_a_model_are_refused(content):
    """The identifier alone opens no door."""
    with pytest.raises(ModelRefused):
        read_tflite(content[:4].ljust(4, b"\0") + b"TFL3" + content[4:])


def test_a_small_file_cannot_make_much_work():
    """Vectors may point to one and the same entry many times: here 4 kB claim a million tensors."""
    builder = flatbuffers.Builder(1 << 14)
    builder.StartObject(1)
    tensor = builder.EndObject()

    def vector_of(table):
        builder.StartVector(4, 1000, 4)
        for _ in range(1000):
            builder.PrependUOffsetTRelative(table)
        return builder.EndVector()

    tensors = vector_of(tensor)
    builder.StartObject(1)
    builder.PrependUOffsetTRelativeSlot(0, tensors, 0)
    subgraphs = vector_of(builder.EndObject())
    buffers = vector_of(tensor)
    builder.StartObject(5)
    builder.PrependUint32Slot(0, 3, 0)
    builder.PrependUOffsetTRelativeSlot(2, subgraphs, 0)
    builder.PrependUOffsetTRelativeSlot(4, buffers, 0)
    builder.Finish(builder.EndObject(), b"TFL3")
    with pytest.raises(ModelRefused, match="holds more than"):
        read_tflite(bytes(builder.Output()))


def test_a_name_in_the_file_cannot_control_a_terminal():
    """Descriptions are printed by `model inspect`."""
    graph = Graph("\x1b[2Jgone\x07")
    tensor = graph.tensor([1], "float32")
    assert read_tflite(graph.pack([tensor], [tensor])).description == "�[2Jgone�"


@given(st.binary(max_size=100))
def test_any_bytes_become_text_without_controls(raw):
    """Also where they are no UTF-8."""
    text = printable(raw)
    assert all(c in "\n\r\t" or not ("\x00" <= c < "\x20" or "\x7f" <= c < "\xa0") for c in text)
