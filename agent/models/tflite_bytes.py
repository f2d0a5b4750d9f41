"""From a path or bytes to a FlatBuffer that claims to be a TFLite model, or to a word on what it is instead.

Looks at the first bytes only; whether the structure holds is for who reads it. Called by the readers of model files.
"""

from __future__ import annotations

from pathlib import Path

from agent.core.errors import ModelRefused
from agent.models.flatbuffer import FlatBuffer

MAX_FILE_BYTES = 1 << 30
"""1 GiB: far more than a model for a camera stream has, and what a small device can still read."""
IDENTIFIER = b"TFL3"
"""`file_identifier` of schema.fbs."""

_EXPORT = "export the model as .tflite (TFLiteConverter, or ai-edge-torch for PyTorch) and give that file"
_FETCH_AGAIN = "download the file again; a login or error page was saved in its place"
_FOREIGN: tuple[tuple[bytes, str, str], ...] = (
    (b"\xff\xd8\xff", "a JPEG image", "give the model's .tflite; pictures belong to a source"),
    (b"\x89PNG", "a PNG image", "give the model's .tflite; pictures belong to a source"),
    (b"GIF8", "a GIF image", "give the model's .tflite; pictures belong to a source"),
    (
        b"PK\x03\x04",
        "a zip archive",
        "unpack it and give the .tflite inside; a .keras or .pt file has to be exported first",
    ),
    (b"\x1f\x8b", "a gzip archive", "unpack it and give the .tflite inside"),
    (b"\x89HDF", "an HDF5 file, as Keras writes", _EXPORT),
    (b"\x80\x02", "a Python pickle, as PyTorch writes", _EXPORT),
    (b"GGUF", "a GGUF language model", _EXPORT),
    (b"version https://git-lfs", "a Git LFS pointer", "fetch the content: git lfs pull"),
    (b"TFL1", "a file of the TFLite format before 2018", "convert the model again with a current converter"),
    (b"TFL2", "a file of the TFLite format before 2018", "convert the model again with a current converter"),
)
"""First bytes, what they are, and the next step."""
_ONNX_PRODUCERS = (b"pytorch", b"onnx", b"tf2onnx", b"keras2onnx", b"skl2onnx")


def open_flatbuffer(source: Path | bytes) -> FlatBuffer:
    """The model's bytes, which start as a TFLite model does.

    Args:
        source: A file, or its content.

    Raises:
        ModelRefused: There is no such file, it cannot be read or is too large, or it is something else; the message says what.
    """
    name, data = (str(source), _read(source)) if isinstance(source, Path) else ("the model", source)
    _check_size(name, len(data))
    buffer = FlatBuffer(data, name)
    if buffer.identifier != IDENTIFIER:
        what, hint = _recognize(data)
        raise ModelRefused(f"{name}: this is {what}, not a TFLite model", hint=hint)
    return buffer


def _read(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():  # a folder cannot be read, and a named pipe would never end
            raise ModelRefused(f"{path} is no regular file", hint="give the path of the .tflite itself")
        _check_size(str(path), path.stat().st_size)
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ModelRefused(
            f"{path} cannot be read: {error.strerror}", hint="check the path and the permissions of the model file"
        ) from error


def _check_size(name: str, size_bytes: int) -> None:
    if size_bytes > MAX_FILE_BYTES:
        raise ModelRefused(
            f"{name} is larger than {MAX_FILE_BYTES >> 20} MiB, the limit for a model",
            hint="quantize the model: int8 weights take a quarter of float32",
        )


def _recognize(data: bytes) -> tuple[str, str]:
    """What the bytes are instead, and the next step."""
    if not data:
        return "an empty file", "the copy or download was cut off before it began; do it again"
    for magic, what, hint in _FOREIGN:
        if data.startswith(magic) or (magic.startswith(b"TFL") and data[4:8] == magic):
            return what, hint
    head = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith((b"<!doctype html", b"<html")):
        return "an HTML page", _FETCH_AGAIN
    if head.startswith(b"<?xml"):
        return "an XML document", _FETCH_AGAIN
    # ModelProto of onnx.proto: field 1 is the version, field 2 or 7 the producer or the graph.
    if data[:1] == b"\x08" and any(producer in data[:128].lower() for producer in _ONNX_PRODUCERS):
        return "an ONNX model", "convert it to .tflite, for instance with onnx2tf, and give that file"
    if b"\x00" not in data[:512] and head.isascii():
        return "a text file", "give the path of the .tflite itself"
    return f"a file without the identifier {IDENTIFIER.decode()} at byte 4", _EXPORT
