"""Adds TFLite metadata to a model, as the metadata writers of TensorFlow Lite Support do (metadata_schema.fbs, 1.1.0)."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any, Literal

import ai_edge_litert.schema_py_generated as schema
import flatbuffers
import numpy as np
from tflite_graph import make, pack_model, unpack_model

if TYPE_CHECKING:
    from collections.abc import Sequence

LABEL_FILE = "labels.txt"


def with_metadata(
    model: bytes,
    labels: Sequence[str] = (),
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
    *,
    color: Literal["rgb", "gray"] | None = None,
    labels_of: Literal["axis", "value"] = "axis",
    score_threshold: float | None = None,
    name: str = "",
    description: str = "",
    version: str = "",
    author: str = "",
    license: str = "",  # noqa: A002 - the schema's word
) -> bytes:
    """The model with metadata, and with a label file in an appended archive where there are labels.

    Labels belong to the places of the first output (`axis`: a classifier) or to the values of it (`value`: a detector).
    """
    builder = flatbuffers.Builder(1024)
    inputs = _input(builder, mean, std, color)
    outputs = _output(builder, {"axis": 2, "value": 3}[labels_of] if labels else None, score_threshold)
    subgraph = _table(builder, {2: _vector(builder, [inputs]), 3: _vector(builder, [outputs])})
    texts = {0: name, 1: description, 2: version, 4: author, 5: license}
    fields = {field: builder.CreateString(text) for field, text in texts.items() if text}
    builder.Finish(_table(builder, fields | {3: _vector(builder, [subgraph])}), b"M001")
    described = with_metadata_buffer(model, bytes(builder.Output()))
    return with_file(described, LABEL_FILE, "".join(f"{label}\n" for label in labels).encode()) if labels else described


def with_metadata_buffer(model: bytes, content: bytes) -> bytes:
    """The model with these bytes as its metadata, whatever they are."""
    unpacked = unpack_model(model)
    unpacked.buffers.append(make(schema.BufferT, data=np.frombuffer(content, np.uint8)))
    entry = make(schema.MetadataT, name="TFLITE_METADATA", buffer=len(unpacked.buffers) - 1)
    unpacked.metadata = [*(unpacked.metadata or []), entry]
    return pack_model(unpacked)


def with_file(model: bytes, name: str, content: bytes) -> bytes:
    """The model with a file in the archive behind it."""
    file = io.BytesIO(model)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return file.getvalue()


def _input(builder: Any, mean: Sequence[float], std: Sequence[float], color: str | None) -> int:
    fields = {}
    if color:
        image = _table(builder, {}, small={0: {"rgb": 1, "gray": 2}[color]})
        fields[3] = _table(builder, {1: image}, small={0: 2})
    if mean or std:
        options = _table(builder, {0: _reals(builder, mean), 1: _reals(builder, std)})
        fields[4] = _vector(builder, [_table(builder, {1: options}, small={0: 1})])
    return _table(builder, fields)


def _output(builder: Any, label_type: int | None, score_threshold: float | None) -> int:
    fields = {}
    if score_threshold is not None:
        builder.StartObject(1)
        builder.PrependFloat32Slot(0, score_threshold, 0.0)
        options = builder.EndObject()
        fields[4] = _vector(builder, [_table(builder, {1: options}, small={0: 3})])
    if label_type is not None:
        name = builder.CreateString(LABEL_FILE)
        fields[6] = _vector(builder, [_table(builder, {0: name}, small={2: label_type})])
    return _table(builder, fields)


def _table(builder: Any, offsets: dict[int, int], small: dict[int, int] | None = None) -> int:
    """A table with fields that point somewhere, and fields of one byte."""
    builder.StartObject(1 + max([*offsets, *(small or {}), 0]))
    for field, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(field, offset, 0)
    for field, value in (small or {}).items():
        builder.PrependUint8Slot(field, value, 0)
    return int(builder.EndObject())


def _vector(builder: Any, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _reals(builder: Any, values: Sequence[float]) -> int:
    return int(builder.CreateNumpyVector(np.asarray(values, np.float32)))
