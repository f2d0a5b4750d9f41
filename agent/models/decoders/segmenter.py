"""Segmenter: a class for every cell of a map over the input, reported as shares of the frame's area."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from agent.core.errors import ModelRefused
from agent.core.results import Scored, Segmentation
from agent.models.decoders.fitting import check_reject_label, class_names, refuse, single

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from agent.models.decoders.contract import Context
    from agent.models.spec import ModelSpec
    from agent.models.tensors import TensorInfo

_MAX_AREAS = 1000
"""A map of class numbers may hold anything; no result names more classes than this, the largest first."""
_EXPECTED = "scores [1, height, width, classes] or class numbers [1, height, width]"


class Segmenter:
    """Reads scores [1, h, w, classes], or class numbers [1, h, w]; one score alone stands for background and one class.

    Cells of the padding that `letterbox` adds do not count.
    """

    def __init__(self, spec: ModelSpec, outputs: Sequence[TensorInfo], labels: Sequence[str] | None) -> None:
        """Check shapes and labels.

        Raises:
            ModelRefused: The model, its labels or its decision do not fit.
        """
        info = self._info = single(spec.output, outputs, _EXPECTED)
        match info.shape:
            case (1, _, _):
                channels = 0
            case (1, _, _, channels) if channels > 0:
                pass
            case _:
                refuse(spec.output, _EXPECTED, outputs)
        self._has_scores, self._binary = channels > 0, channels == 1
        if self._binary and spec.output.activation == "softmax":
            raise ModelRefused(
                f"softmax of the one score of {info.describe()} is always 1", hint='set output.activation = "sigmoid"'
            )
        # sigmoid(x) > 0.5 where x > 0; softmax changes no order: neither has to be computed.
        self._foreground_above = 0.0 if spec.output.activation == "sigmoid" else 0.5
        if self._binary and labels is not None and len(labels) == 1:
            labels = ["background", *labels]
        if self._has_scores:
            self._names = class_names(labels, 2 if self._binary else channels, info)
        else:
            self._names = list(labels or [])
        check_reject_label(spec.decision, self._names)

    def decode(self, outputs: Sequence[npt.NDArray[Any]], context: Context) -> Segmentation:
        """Share of each class that occurs, largest first. If any cell is not a number, no share is."""
        cells = outputs[0][0]
        cells = cells[context.placement.visible(*cells.shape[:2])]
        if cells.dtype.kind == "f" and not np.isfinite(cells).all():
            return Segmentation(areas=[Scored(label=self._label(0), score=float("nan"))])
        numbers, counts = _count(self._numbers(cells))
        order = np.argsort(-counts, kind="stable")[:_MAX_AREAS]
        shares = counts[order] / counts.sum()
        return Segmentation(
            areas=[
                Scored(label=self._label(number), score=share)
                for number, share in zip(numbers[order].tolist(), shares.tolist(), strict=True)
            ]
        )

    def _numbers(self, cells: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The class of each cell. Raw scores have the order of the real ones, so the highest is found among them."""
        if self._binary:
            numbers: npt.NDArray[Any] = self._info.dequantize(cells) > self._foreground_above
        elif self._has_scores:
            numbers = cells.argmax(axis=-1)
        elif cells.dtype.kind == "f" or self._info.is_quantized:
            numbers = np.rint(self._info.dequantize(cells))
        else:
            numbers = cells
        return numbers

    def _label(self, number: float) -> str:
        k = round(number)
        return self._names[k] if 0 <= k < len(self._names) else str(k)


def _count(numbers: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[np.intp]]:
    """Which numbers occur, and how often. Counting small ones, as classes should be, costs a tenth of sorting."""
    if numbers.min() < 0 or numbers.max() >= _MAX_AREAS:
        return np.unique(numbers, return_counts=True)
    counts = np.bincount(numbers.ravel().astype(np.intp))
    present = np.flatnonzero(counts)
    return present, counts[present]
