"""What a model found in one frame: the `result` of a prediction, one class per `kind` (design, section 4.3).

The same classes are encoded into messages and generate the JSON Schema, so the text under a field is the reference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(kw_only=True)
class Scored:
    """A label and how sure the model is of it."""

    label: str
    """One line of the model's label file."""
    score: float
    """0..1."""


@dataclass(kw_only=True)
class Classification:
    """One label for the whole frame."""

    kind: Literal["classification"] = "classification"
    label: str
    """The label with the highest score."""
    score: float
    """Score of that label, 0..1."""
    top: list[Scored]
    """The best labels, highest score first; the label that the decision asks for is always among them."""


@dataclass(kw_only=True)
class DetectedObject:
    """One object in the frame."""

    label: str
    """One line of the model's label file."""
    score: float
    """0..1."""
    box: list[float]
    """[x_min, y_min, x_max, y_max] in 0..1 of the source frame."""


@dataclass(kw_only=True)
class Detection:
    """Objects with boxes, highest score first."""

    kind: Literal["detection"] = "detection"
    objects: list[DetectedObject]
    """Objects whose score reaches the model's `threshold`."""


@dataclass(kw_only=True)
class Segmentation:
    """How much of the frame each class covers."""

    kind: Literal["segmentation"] = "segmentation"
    areas: list[Scored]
    """Share of the frame's pixels per class, 0..1, largest first; classes that do not occur are left out."""
    mask: str | None = None
    """Reference to the mask, or null where no mask is kept."""


@dataclass(kw_only=True)
class Anomaly:
    """How far the frame is from what the model was trained on."""

    kind: Literal["anomaly"] = "anomaly"
    score: float
    """Reconstruction error or distance; larger is stranger."""
    threshold: float | None
    """Score from which on the decision is `reject`, or null without a rule."""


@dataclass(kw_only=True)
class Regression:
    """A number with a unit."""

    kind: Literal["regression"] = "regression"
    value: float
    """The model's output in `unit`."""
    unit: str | None
    """Unit of `value`, or null where the bundle names none."""


@dataclass(kw_only=True)
class Embedding:
    """A point in the model's feature space."""

    kind: Literal["embedding"] = "embedding"
    vector: list[float]
    """Dequantized output."""
    distance: float | None = None
    """Distance to the nearest reference vector of the bundle, or null where it has none."""


@dataclass(kw_only=True)
class Tensors:
    """Every output as it is."""

    kind: Literal["tensor"] = "tensor"
    tensors: dict[str, list[float]]
    """Name of the output tensor to its dequantized values, flattened in row-major order."""


Result = Classification | Detection | Segmentation | Anomaly | Regression | Embedding | Tensors


def is_finite(result: Result) -> bool:
    """Whether every number of the result is one; a model that gives NaN or infinity is never believed."""
    match result:
        case Classification():
            return math.isfinite(result.score) and all(math.isfinite(s.score) for s in result.top)
        case Detection():
            return all(math.isfinite(o.score) and all(map(math.isfinite, o.box)) for o in result.objects)
        case Segmentation():
            return all(math.isfinite(a.score) for a in result.areas)
        case Anomaly():
            return math.isfinite(result.score)
        case Regression():
            return math.isfinite(result.value)
        case Embedding():
            return all(map(math.isfinite, result.vector)) and (
                result.distance is None or math.isfinite(result.distance)
            )
        case Tensors():
            return all(math.isfinite(value) for values in result.tensors.values() for value in values)


def label_of(result: Result) -> str | None:
    """What the result names first; None for kinds that name nothing, and where nothing was found."""
    match result:
        case Classification():
            return result.label
        case Detection():
            return result.objects[0].label if result.objects else None
        case Segmentation():
            return result.areas[0].label if result.areas else None
        case _:
            return None


def score_of(result: Result) -> float | None:
    """The one number by which results of a kind are compared; None for kinds that have none, and where nothing was found.

    Classification and detection: the leading score; segmentation: the largest share; anomaly: the score; regression: the value;
    embedding: the distance.
    """
    match result:
        case Classification() | Anomaly():
            return result.score
        case Detection():
            return result.objects[0].score if result.objects else None
        case Segmentation():
            return result.areas[0].score if result.areas else None
        case Regression():
            return result.value
        case Embedding():
            return result.distance
        case _:
            return None
