"""What is known of a bare .tflite: what the configuration says, else what the file says of itself, else what its tensors show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.core.errors import ModelRefused
from agent.models.spec import TASKS_OF_DECODE, BudgetSpec, Decode, InputSpec, ModelSpec, OutputSpec
from agent.models.tflite_file import TfliteFile, read_tflite
from agent.models.tflite_metadata import ModelMetadata, read_metadata

if TYPE_CHECKING:
    from pathlib import Path

    from agent.models.settings import ModelSettings

_DETECTION_OPERATOR = "TFLite_Detection_PostProcess"


def bare_spec(name: str, settings: ModelSettings, path: Path) -> tuple[ModelSpec, list[str] | None]:
    """The description of a bare model, and the labels of its metadata.

    Args:
        name: Name of the table under `models`, which the model is called by unless it says otherwise.
        settings: The table.
        path: The .tflite file.

    Raises:
        ModelRefused: The file cannot be read, or nobody says how its output is to be read.
    """
    file, metadata = read_tflite(path), read_metadata(path)
    output = settings.output or _output(name, path, file, metadata)
    return ModelSpec(
        name=settings.name or name,
        version=settings.version or "0",
        task=settings.task or TASKS_OF_DECODE[output.decode][0],
        model=path.name,
        labels=str(settings.labels) if settings.labels else None,
        input=_input(settings.input, metadata),
        output=output,
        decision=settings.decision,
        golden=settings.golden,
        budget=settings.budget or BudgetSpec(),
    ), (list(metadata.labels) or None if metadata else None)


def _input(given: InputSpec | None, metadata: ModelMetadata | None) -> InputSpec:
    """Key by key: what a person wrote, else what the file says, else the default."""
    told: dict[str, Any] = {"kind": "image"}
    if metadata is not None and metadata.mean and metadata.std:
        told |= {"mean": list(metadata.mean), "std": list(metadata.std)}
    if metadata is not None and metadata.color is not None:
        told["color"] = metadata.color
    return InputSpec(**told | (given.model_dump(exclude_unset=True) if given else {}))


def _output(name: str, path: Path, file: TfliteFile, metadata: ModelMetadata | None) -> OutputSpec:
    decode: Decode
    if _DETECTION_OPERATOR in file.operators:
        decode = "ssd"
    elif metadata is not None and metadata.labels and len(file.outputs) == 1:
        decode = "classifier"
    else:
        found = ", ".join(tensor.describe() for tensor in file.outputs)
        raise ModelRefused(
            f"{path} does not say how its output ({found}) is to be read",
            hint=f'models.{name}.output = {{ decode = "classifier" }}, or another decoder; lineside model inspect {path}',
        )
    if metadata is not None and metadata.score_threshold is not None:
        return OutputSpec(decode=decode, threshold=metadata.score_threshold)
    return OutputSpec(decode=decode)
