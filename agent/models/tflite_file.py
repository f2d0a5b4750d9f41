"""What is in a .tflite: tensors, operators, size and arithmetic, read without the runtime.

Whatever bytes come in, the answer is a `TfliteFile` or a `ModelRefused`, in bounded time and memory; native code never sees them.
It does not say whether the runtime takes the model: a trial in a child process says that. Called by `model inspect`,
and wherever a model is opened, before anything is loaded.

Source of the field numbers: tensorflow/lite/schema/schema.fbs (fields are numbered in their order in each table).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.core.errors import ModelRefused
from agent.models.flatbuffer import printable
from agent.models.tensors import TensorInfo
from agent.models.tflite_bytes import open_flatbuffer
from agent.models.tflite_precision import REAL_TYPES, Quantization, describe_precision
from agent.models.tflite_schema import CUSTOM, operator_name, type_bits, type_name

if TYPE_CHECKING:
    from pathlib import Path

    from agent.models.flatbuffer import FlatBuffer, Table

SCHEMA_VERSION = 3
"""`Model.version` of every TFLite file since 2018."""

_VERSION, _OPERATOR_CODES, _SUBGRAPHS, _DESCRIPTION, _BUFFERS, _METADATA, _SIGNATURES = 0, 1, 2, 3, 4, 6, 7  # Model
_TENSORS, _INPUTS, _OUTPUTS, _OPERATORS = 0, 1, 2, 3  # SubGraph
_SHAPE, _TYPE, _BUFFER, _NAME, _QUANTIZATION = 0, 1, 2, 3, 4  # Tensor
_SCALE, _ZERO_POINT, _QUANTIZED_DIMENSION = 2, 3, 6  # QuantizationParameters
_OPCODE_INDEX = 0  # Operator
_OLD_BUILTIN_CODE, _CUSTOM_CODE, _BUILTIN_CODE = 0, 1, 3  # OperatorCode
_DATA, _OUTSIDE_OFFSET, _OUTSIDE_SIZE = 0, 1, 2  # Buffer
_METADATA_NAME, _METADATA_BUFFER = 0, 1  # Metadata
_SIGNATURE_KEY = 2  # SignatureDef


@dataclass(frozen=True)
class TfliteFile:
    """The structure of one .tflite.

    Attributes:
        version: Schema version, 3.
        description: What the converter wrote, such as `MLIR Converted.`.
        size_bytes: The whole file.
        inputs: Input tensors of the main subgraph, in the model's order.
        outputs: Output tensors of the main subgraph, in the model's order.
        operators: Name → how often it occurs in all subgraphs, most frequent first; custom operators by their own name.
        custom_operators: Names of those that the runtime does not have built in.
        subgraphs: How many there are; more than one means control flow, or several signatures.
        parameters: Elements in constant buffers, biases included.
        quantization: What the model computes with, for programs.
        quantization_text: The same for people, such as `dynamic range (int8 weights, float32 activations)`.
        signatures: Names of the signatures.
        min_runtime_version: The oldest TensorFlow Lite that has all operators, if the converter wrote it.
    """

    version: int
    description: str
    size_bytes: int
    inputs: list[TensorInfo]
    outputs: list[TensorInfo]
    operators: dict[str, int]
    custom_operators: tuple[str, ...]
    subgraphs: int
    parameters: int
    quantization: Quantization
    quantization_text: str
    signatures: tuple[str, ...]
    min_runtime_version: str | None


def read_tflite(source: Path | bytes) -> TfliteFile:
    """Read the structure of a model.

    Args:
        source: A file, or its content.

    Raises:
        ModelRefused: It is no TFLite model, is truncated or damaged, or holds more than any model has.
    """
    buffer = open_flatbuffer(source)
    model = buffer.root()
    version = model.scalar(_VERSION, "I")
    if version != SCHEMA_VERSION:
        raise _inconsistent(buffer, f"its schema version is {version}, not {SCHEMA_VERSION}")
    subgraphs = list(model.tables(_SUBGRAPHS))
    if not subgraphs:
        raise _inconsistent(buffer, "it has no subgraph")
    contents = _Contents(buffer, model)
    for subgraph in subgraphs:
        contents.add(subgraph)
    inputs, outputs = _edges(buffer, subgraphs[0])
    edges = {t.dtype for t in (*inputs, *outputs) if t.dtype in REAL_TYPES and (t.scales or "float" in t.dtype)}
    quantization, text = describe_precision(contents.weights, contents.computed, edges)
    runtime = named_buffers(model).get("min_runtime_version")
    return TfliteFile(
        version=version,
        description=model.text(_DESCRIPTION),
        size_bytes=len(buffer.data),
        inputs=inputs,
        outputs=outputs,
        operators=dict(contents.operators.most_common()),
        custom_operators=tuple(sorted(contents.custom)),
        subgraphs=len(subgraphs),
        parameters=contents.parameters,
        quantization=quantization,
        quantization_text=text,
        signatures=tuple(signature.text(_SIGNATURE_KEY) for signature in model.tables(_SIGNATURES)),
        min_runtime_version=None if runtime is None else printable(bytes(runtime[:32]).rstrip(b"\0")),
    )


def named_buffers(model: Table) -> dict[str, memoryview]:
    """The buffers that `Model.metadata` gives a name; one that points to no buffer is left out.

    Raises:
        ModelRefused: A structure leaves the file.
    """
    wanted = {entry.text(_METADATA_NAME): entry.scalar(_METADATA_BUFFER, "I") for entry in model.tables(_METADATA)}
    if not wanted:
        return {}
    data = [entry.span(_DATA) for entry in model.tables(_BUFFERS)]
    return {name: data[index] for name, index in wanted.items() if index < len(data)}


class _Contents:
    """Adds up operators, parameters and types over the subgraphs of one model."""

    def __init__(self, buffer: FlatBuffer, model: Table) -> None:
        self._buffer = buffer
        self._codes = [_code_of(entry) for entry in model.tables(_OPERATOR_CODES)]
        self._sizes = [_size_of(buffer, entry) for entry in model.tables(_BUFFERS)]
        self._counted: set[int] = set()
        self.operators: Counter[str] = Counter()
        self.custom: set[str] = set()
        self.parameters = 0
        self.weights: set[str] = set()
        self.computed: set[str] = set()

    def add(self, subgraph: Table) -> None:
        """Count one subgraph in."""
        edges = {*subgraph.numbers(_INPUTS, "i"), *subgraph.numbers(_OUTPUTS, "i")}
        for index, tensor in enumerate(subgraph.tables(_TENSORS)):
            self._add_tensor(tensor, is_edge=index in edges)
        for operator in subgraph.tables(_OPERATORS):
            index = operator.scalar(_OPCODE_INDEX, "I")
            if index >= len(self._codes):
                raise _inconsistent(self._buffer, f"an operator has code number {index} of {len(self._codes)}")
            name, is_custom = self._codes[index]
            self.operators[name] += 1
            if is_custom:
                self.custom.add(name)

    def _add_tensor(self, tensor: Table, *, is_edge: bool) -> None:
        index, code = tensor.scalar(_BUFFER, "I"), tensor.scalar(_TYPE, "b")
        if index and index >= len(self._sizes):
            raise _inconsistent(self._buffer, f"a tensor lies in buffer {index} of {len(self._sizes)}")
        size_bytes = self._sizes[index] if index else 0  # buffer 0 is empty by definition (schema.fbs, `Model.buffers`)
        name, bits = type_name(code), type_bits(code)
        if size_bytes and bits and index not in self._counted:
            self._counted.add(index)
            self.parameters += size_bytes * 8 // bits
        quantization = tensor.table(_QUANTIZATION)
        has_scale = quantization is not None and quantization.length(_SCALE) > 0
        if name in REAL_TYPES and (has_scale or "float" in name):
            if size_bytes:
                self.weights.add(name)
            elif not is_edge:
                self.computed.add(name)


def _code_of(entry: Table) -> tuple[str, bool]:
    """Name of an operator code, and whether it is a custom one.

    Codes beyond 127 live in the newer field; the larger of both is meant (schema.fbs, `OperatorCode`).
    """
    code = max(entry.scalar(_OLD_BUILTIN_CODE, "b"), entry.scalar(_BUILTIN_CODE, "i"))
    return (entry.text(_CUSTOM_CODE) or "CUSTOM", True) if code == CUSTOM else (operator_name(code), False)


def _size_of(buffer: FlatBuffer, entry: Table) -> int:
    """Bytes of a constant; in files beyond 2 GB they lie behind the FlatBuffer, at an offset greater than 1."""
    offset, size_bytes = entry.scalar(_OUTSIDE_OFFSET, "Q"), entry.scalar(_OUTSIDE_SIZE, "Q")
    if offset > 1:
        buffer.check(offset, size_bytes)
        return size_bytes
    return len(entry.span(_DATA))


def _edges(buffer: FlatBuffer, subgraph: Table) -> tuple[list[TensorInfo], list[TensorInfo]]:
    """Inputs and outputs of a subgraph."""
    tensors = list(subgraph.tables(_TENSORS))
    inputs, outputs = (subgraph.numbers(field, "i") for field in (_INPUTS, _OUTPUTS))
    if wrong := [index for index in inputs + outputs if not 0 <= index < len(tensors)]:
        raise _inconsistent(buffer, f"an input or output is tensor {wrong[0]} of {len(tensors)}")
    return [_tensor_info(tensors[index]) for index in inputs], [_tensor_info(tensors[index]) for index in outputs]


def _tensor_info(tensor: Table) -> TensorInfo:
    quantization = tensor.table(_QUANTIZATION)
    scales = quantization.reals(_SCALE) if quantization else ()
    zero_points = quantization.numbers(_ZERO_POINT, "q") if quantization else ()
    return TensorInfo(
        name=tensor.text(_NAME),
        shape=tensor.numbers(_SHAPE, "i"),
        dtype=type_name(tensor.scalar(_TYPE, "b")),
        scales=scales,
        zero_points=zero_points if len(zero_points) == len(scales) else (0,) * len(scales),
        quantized_dimension=quantization.scalar(_QUANTIZED_DIMENSION, "i") if quantization else 0,
    )


def _inconsistent(buffer: FlatBuffer, what: str) -> ModelRefused:
    return ModelRefused(
        f"{buffer.name} is damaged: {what}", hint="copy or download the file again, or export the model again"
    )
