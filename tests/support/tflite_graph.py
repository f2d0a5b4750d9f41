"""Builds a .tflite from NumPy arrays and operators, by the schema's object API that LiteRT ships; no converter is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import ai_edge_litert.schema_py_generated as schema
import flatbuffers
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

_TYPES = {np.dtype(name.lower()): code for name, code in vars(schema.TensorType).items() if name in {
    "FLOAT32", "FLOAT16", "INT8", "UINT8", "INT16", "INT32", "INT64", "BOOL"}}  # fmt: skip
_NEWER_CODES = 127
"""Stands in the old one-byte field of operator codes that only the newer field can hold."""


class Scale(NamedTuple):
    """real = scale * (raw - zero_point)."""

    scale: float
    zero_point: int = 0


class Graph:
    """Collects the tensors and operators of one model; every method returns the index that the next one takes."""

    def __init__(self, description: str) -> None:
        self._description = description
        self._buffers: list[Any] = [make(schema.BufferT)]  # buffer 0 is empty by definition
        self._tensors: list[Any] = []
        self._codes: list[Any] = []
        self._operators: list[Any] = []
        self._subgraphs: list[Any] = []

    def tensor(
        self, shape: Sequence[int], dtype: str, scale: Scale | None = None, name: str = "", buffer: int = 0
    ) -> int:
        """A tensor that an operator, or the caller of the model, fills."""
        quantization = make(
            schema.QuantizationParametersT,
            **({"scale": [scale.scale], "zeroPoint": [scale.zero_point]} if scale else {}),
        )
        self._tensors.append(
            make(
                schema.TensorT,
                shape=list(shape),
                type=_TYPES[np.dtype(dtype)],
                buffer=buffer,
                name=name or f"tensor_{len(self._tensors)}",
                quantization=quantization,
            )
        )
        return len(self._tensors) - 1

    def constant(self, values: Any, dtype: str, scale: Scale | None = None) -> int:
        """A tensor with content; real values are quantized where there is a scale."""
        array = np.asarray(values, np.float64 if scale else dtype)
        if scale:
            limits = np.iinfo(dtype)
            array = np.clip(np.round(array / scale.scale) + scale.zero_point, limits.min, limits.max).astype(dtype)
        self._buffers.append(make(schema.BufferT, data=np.frombuffer(array.tobytes(), np.uint8)))
        return self.tensor(array.shape, dtype, scale, buffer=len(self._buffers) - 1)

    def operator(
        self,
        code: str,
        inputs: Sequence[int],
        output: int,
        *,
        options: tuple[str, Any] | None = None,
        version: int = 1,
        custom: str | None = None,
    ) -> int:
        """One operator with one output; `options` are the union's name and object, `version` that of the operator."""
        number = getattr(schema.BuiltinOperator, code)
        self._codes.append(
            make(
                schema.OperatorCodeT,
                deprecatedBuiltinCode=min(number, _NEWER_CODES),
                builtinCode=number,
                customCode=custom,
                version=version,
            )
        )
        operator = make(schema.OperatorT, opcodeIndex=len(self._codes) - 1, inputs=list(inputs), outputs=[output])
        if options:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, options[0])
            operator.builtinOptions = options[1]
        self._operators.append(operator)
        return output

    def end_subgraph(self, inputs: Sequence[int], outputs: Sequence[int]) -> None:
        """What was added so far is a subgraph, the first one the main one; tensors are counted from 0 again."""
        self._subgraphs.append(
            make(
                schema.SubGraphT,
                name="main" if not self._subgraphs else f"subgraph_{len(self._subgraphs)}",
                tensors=self._tensors,
                inputs=list(inputs),
                outputs=list(outputs),
                operators=self._operators,
            )
        )
        self._tensors, self._operators = [], []

    def pack(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        """The file, with the last subgraph's inputs and outputs."""
        self.end_subgraph(inputs, outputs)
        return pack_model(
            make(
                schema.ModelT,
                version=3,
                description=self._description,
                operatorCodes=self._codes,
                subgraphs=self._subgraphs,
                buffers=self._buffers,
            )
        )


def make(kind: type, **fields: Any) -> Any:
    """An object of the schema; its constructors take no arguments in the older runtimes."""
    made = kind()
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def unpack_model(data: bytes) -> Any:
    """The schema's object for a file."""
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))


def pack_model(model: Any) -> bytes:
    """The file for the schema's object."""
    model.buffers = [make(_AlignedBuffer, data=buffer.data) for buffer in model.buffers]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


class _AlignedBuffer(schema.BufferT):  # type: ignore[misc]
    """Constants start at multiples of 16 bytes, as schema.fbs demands and the generated Python forgets."""

    def Pack(self, builder: Any) -> Any:  # noqa: N802 - the schema's name
        if self.data is not None:
            builder.Prep(16, len(self.data))
        return super().Pack(builder)
