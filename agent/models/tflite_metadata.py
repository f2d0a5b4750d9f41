"""What a .tflite says of itself: labels, normalisation, author. The default where a bare model is run.

Optional and often sloppy, so a fault in it never refuses the model: `problem` names it, and what could be read is kept.
Called where a bare .tflite is opened, and by `model inspect`.

Source of the field numbers: tensorflow_lite_support/metadata/metadata_schema.fbs, schema 1.1.0 (fields are numbered in their order
in each table; the types of a union from 1). Associated files lie in a zip archive that is appended to the .tflite.
"""

from __future__ import annotations

import codecs
import io
import math
import zipfile
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from agent.core.errors import ModelRefused
from agent.models.flatbuffer import FlatBuffer, printable
from agent.models.tflite_bytes import open_flatbuffer
from agent.models.tflite_file import named_buffers

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from agent.models.flatbuffer import Table

BUFFER_NAME = "TFLITE_METADATA"
IDENTIFIER = b"M001"
MAX_LABELS_BYTES = 1 << 20
"""Of a label file, unpacked; ImageNet's 1,001 labels take 22 kB."""
ARCHIVE_TAIL_BYTES = 4 << 20
"""Only this much of the file's end is searched for the archive, so that a hostile directory of it stays small."""

_NAME, _DESCRIPTION, _VERSION, _SUBGRAPHS, _AUTHOR, _LICENSE = 0, 1, 2, 3, 4, 5  # ModelMetadata
_INPUT_TENSORS, _OUTPUT_TENSORS = 2, 3  # SubGraphMetadata
_CONTENT, _PROCESS_UNITS, _FILES = 3, 4, 6  # TensorMetadata
_PROPERTIES_TYPE, _PROPERTIES = 0, 1  # Content
_IMAGE, _COLOR_SPACE = 2, 0  # ContentProperties, ImageProperties
_OPTIONS_TYPE, _OPTIONS = 0, 1  # ProcessUnit
_NORMALIZATION, _MEAN, _STD = 1, 0, 1  # ProcessUnitOptions, NormalizationOptions
_THRESHOLDING, _THRESHOLD = 3, 0  # ProcessUnitOptions, ScoreThresholdingOptions
_FILE_NAME, _FILE_TYPE = 0, 2  # AssociatedFile
_AXIS_LABELS, _VALUE_LABELS = 2, 3  # AssociatedFileType: a label per place (classifier), per value (detector)
_COLORS: dict[int, Literal["rgb", "gray"]] = {1: "rgb", 2: "gray"}  # ColorSpaceType
_ENCRYPTED = 1  # general purpose bit flag of a zip entry


@dataclass(frozen=True)
class ModelMetadata:
    """What the model says of itself; every field may be empty.

    Attributes:
        name: Name of the model.
        description: What it does.
        version: As its author counts.
        author: Who made it.
        license: Name or text.
        mean: Normalisation of the first input: value = (pixel - mean) / std, before the tensor's own scale and zero point, for
            quantized models too; one value serves all channels.
        std: See `mean`; as long, or one of both is a single value.
        color: What the first input takes, where it is an image and says so.
        labels: Line k, counted from 0, is class k.
        score_threshold: Below it, the author says, results are not worth reporting.
        problem: What could not be read, for a person, or None.
    """

    name: str = ""
    description: str = ""
    version: str = ""
    author: str = ""
    license: str = ""
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    color: Literal["rgb", "gray"] | None = None
    labels: tuple[str, ...] = ()
    score_threshold: float | None = None
    problem: str | None = None


def read_metadata(source: Path | bytes) -> ModelMetadata | None:
    """Read the metadata of a model.

    Args:
        source: A .tflite file, or its content.

    Returns:
        None where the model carries none; broken metadata gives an object with `problem`.

    Raises:
        ModelRefused: The model itself cannot be read.
    """
    file = open_flatbuffer(source)
    content = named_buffers(file.root()).get(BUFFER_NAME)
    if content is None:
        return None
    buffer = FlatBuffer(content, "the metadata")
    if buffer.identifier != IDENTIFIER:
        return ModelMetadata(problem=f"the metadata lack the identifier {IDENTIFIER.decode()} at byte 4")
    found, problems = ModelMetadata(), []
    for read in (_texts, _color, _normalization, _threshold, _labels):
        try:
            found = read(found, buffer.root(), file.data)
        except (ModelRefused, _NotUsable) as error:  # noqa: PERF203 - five times, and each part stands for itself
            problems.append(str(error))
    return replace(found, problem="; ".join(dict.fromkeys(problems)) or None)


class _NotUsable(Exception):
    """Well-formed, but of no use; becomes part of `ModelMetadata.problem`."""


def _texts(found: ModelMetadata, root: Table, _model: memoryview) -> ModelMetadata:
    return replace(
        found,
        name=root.text(_NAME),
        description=root.text(_DESCRIPTION),
        version=root.text(_VERSION),
        author=root.text(_AUTHOR),
        license=root.text(_LICENSE),
    )


def _color(found: ModelMetadata, root: Table, _model: memoryview) -> ModelMetadata:
    content = next((tensor.table(_CONTENT) for tensor in _tensors(root, _INPUT_TENSORS)), None)
    if content is None or content.scalar(_PROPERTIES_TYPE, "B") != _IMAGE:
        return found
    image = content.table(_PROPERTIES)
    return replace(found, color=_COLORS.get(image.scalar(_COLOR_SPACE, "b"))) if image else found


def _normalization(found: ModelMetadata, root: Table, _model: memoryview) -> ModelMetadata:
    options = _process_options(_tensors(root, _INPUT_TENSORS)[:1], _NORMALIZATION)
    if options is None:
        return found
    mean, std = options.reals(_MEAN), options.reals(_STD)
    fits = mean and std and (len(mean) == len(std) or 1 in (len(mean), len(std)))
    if not fits or 0 in std or not all(map(math.isfinite, mean + std)):
        raise _NotUsable(f"the normalisation cannot be used: mean {list(mean[:4])}, std {list(std[:4])}")
    return replace(found, mean=mean, std=std)


def _threshold(found: ModelMetadata, root: Table, _model: memoryview) -> ModelMetadata:
    options = _process_options(_tensors(root, _OUTPUT_TENSORS), _THRESHOLDING)
    if options is None:
        return found
    if not math.isfinite(value := options.real(_THRESHOLD)):
        raise _NotUsable(f"the score threshold is {value}")
    return replace(found, score_threshold=value)


def _labels(found: ModelMetadata, root: Table, model: memoryview) -> ModelMetadata:
    name = _label_file(_tensors(root, _OUTPUT_TENSORS))
    return replace(found, labels=_read_labels(model, name)) if name else found


def _tensors(root: Table, field: int) -> list[Table]:
    """Inputs or outputs of the main subgraph, in the model's order."""
    main = next(root.tables(_SUBGRAPHS), None)
    return [] if main is None else list(main.tables(field))


def _process_options(tensors: Iterable[Table], kind: int) -> Table | None:
    """Options of the first process unit of a kind."""
    units = (unit for tensor in tensors for unit in tensor.tables(_PROCESS_UNITS))
    return next((unit.table(_OPTIONS) for unit in units if unit.scalar(_OPTIONS_TYPE, "B") == kind), None)


def _label_file(outputs: list[Table]) -> str | None:
    """Name of the first file with a label per place of an output, or else per value (the classes of a detector)."""
    files = [
        (file.scalar(_FILE_TYPE, "b"), file.text(_FILE_NAME)) for tensor in outputs for file in tensor.tables(_FILES)
    ]
    for kind in (_AXIS_LABELS, _VALUE_LABELS):
        for file_type, name in files:
            if file_type == kind:
                return name
    return None


def _read_labels(model: memoryview, name: str) -> tuple[str, ...]:
    tail = bytes(model[-ARCHIVE_TAIL_BYTES:])
    try:
        with zipfile.ZipFile(io.BytesIO(tail)) as archive:
            entry = archive.getinfo(name)
            # What deflate cannot do alone is refused, for each further method has its own exceptions.
            if entry.flag_bits & _ENCRYPTED or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise _NotUsable(f"the label file {name} is encrypted or compressed in an unusual way")
            with archive.open(entry) as file:
                content = file.read(MAX_LABELS_BYTES + 1)
    except KeyError as error:
        raise _NotUsable(f"the archive lacks the label file {name}, which the metadata name") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, OverflowError, NotImplementedError) as error:
        raise _NotUsable(f"the label file {name} cannot be unpacked: {error}") from error
    if len(content) > MAX_LABELS_BYTES:
        raise _NotUsable(f"the label file {name} is larger than {MAX_LABELS_BYTES >> 20} MiB")
    lines = [line.strip() for line in printable(content.removeprefix(codecs.BOM_UTF8)).split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        raise _NotUsable(f"the label file {name} is empty")
    return tuple(lines)
