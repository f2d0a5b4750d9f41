"""Whether two models found the same in a frame, for models that decide nothing; each kind of result by a rule of its own. Pure.

Where a decision is made it alone counts: what is done with the part. Where none is, the result itself is the product, and the candidate's must be
as good as the same for whoever reads it. That it is not does not say which of the two is right: people do (`agent.core.feedback`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from agent.core import results

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.core.results import DetectedObject, Result, Segmentation

SHARE: Final = 0.1
"""How far two numbers may lie apart, as a share of the spread of the numbers: a gauge is trusted whose own error takes less than a tenth of the
spread of the process (AIAG, Measurement Systems Analysis, 4th edition 2010)."""
OVERLAP: Final = 0.5
"""Intersection over union from which on two boxes are of the same object, as PASCAL VOC and COCO count."""
AREA: Final = 0.02
"""How far the share of a class may lie apart, of the frame; and of small areas, by no more than `OVERLAP` of the larger one."""
SPECK: Final = 0.001
"""A class with less of the frame is noise along the edges of the others: 50 pixels of 224 by 224."""
COSINE: Final = 0.95
"""Of two vectors, which then point within 18 degrees. A model that is quantized anew stays far above; one that was trained anew has another
space, and its vectors say nothing beside stored ones."""


def same(one: Result, other: Result, spread: float | None = None) -> bool:
    """Whether two results say the same.

    Classification: the same label. Detection: the same objects, by label and overlap. Segmentation: as much of each class. Anomaly and
    regression: numbers within a tenth of the spread; so the distance of an embedding, and without one the direction of its vector. Tensors: each
    within a tenth of its length, as nobody here knows what they mean.

    Args:
        one: Finite.
        other: Finite.
        spread: Of the numbers of such results, in their own unit (`agent.core.statistics.Distribution.spread`). Without it, or where all are the
            same, numbers are compared with the larger of the two instead: right for lengths, lenient for what begins far from 0.
    """
    match one, other:
        case results.Classification(), results.Classification():
            return one.label == other.label
        case results.Detection(), results.Detection():
            return _same_objects(one.objects, other.objects)
        case results.Segmentation(), results.Segmentation():
            return _same_areas(one, other)
        case results.Anomaly(), results.Anomaly():
            return _near(one.score, other.score, spread)
        case results.Regression(), results.Regression():
            return _near(one.value, other.value, spread)
        case results.Embedding(), results.Embedding():
            if one.distance is not None and other.distance is not None:
                return _near(one.distance, other.distance, spread)
            return (one.distance is None) == (other.distance is None) and _same_direction(one.vector, other.vector)
        case results.Tensors(), results.Tensors():
            return one.tensors.keys() == other.tensors.keys() and all(
                _same_values(values, other.tensors[name]) for name, values in one.tensors.items()
            )
        case _:
            return False


def _near(one: float, other: float, spread: float | None) -> bool:
    return abs(one - other) <= SHARE * (spread or max(abs(one), abs(other)))


def _same_objects(some: Sequence[DetectedObject], others: Sequence[DetectedObject]) -> bool:
    """Each has a partner of its own, the surest objects choosing first, as COCO's evaluation matches."""
    if len(some) != len(others):
        return False
    left = list(others)
    for found in some:
        overlaps = [overlap(found.box, each.box) if each.label == found.label else 0.0 for each in left]
        best = max(range(len(left)), key=overlaps.__getitem__)
        if overlaps[best] < OVERLAP:
            return False
        del left[best]
    return True


def overlap(one: Sequence[float], other: Sequence[float]) -> float:
    """Intersection over union of two boxes, 0..1.

    Args:
        one: [x_min, y_min, x_max, y_max].
        other: Likewise.
    """
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = ((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return width * height / (sum(areas) - width * height)


def _same_areas(one: Segmentation, other: Segmentation) -> bool:
    some, others = ({area.label: area.score for area in each.areas} for each in (one, other))
    for label in some.keys() | others.keys():
        less, more = sorted((some.get(label, 0.0), others.get(label, 0.0)))
        if more >= SPECK and more - less > min(AREA, OVERLAP * more):
            return False
    return True


def _same_direction(one: Sequence[float], other: Sequence[float]) -> bool:
    if len(one) != len(other):
        return False
    lengths = math.hypot(*one) * math.hypot(*other)
    if not lengths:
        return not any(one) and not any(other)
    return math.fsum(a * b for a, b in zip(one, other, strict=True)) >= COSINE * lengths


def _same_values(one: Sequence[float], other: Sequence[float]) -> bool:
    if len(one) != len(other):
        return False
    return math.dist(one, other) <= SHARE * max(math.hypot(*one), math.hypot(*other))
