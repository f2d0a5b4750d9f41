"""SSD: the outputs of the operator TFLite_Detection_PostProcess, which has chosen the boxes already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from agent.core.results import DetectedObject, Detection
from agent.models.decoders.fitting import check_reject_label, refuse

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from agent.models.decoders.contract import Context
    from agent.models.spec import ModelSpec
    from agent.models.tensors import TensorInfo

_PARTS = ("boxes [1, n, 4]", "classes [1, n]", "scores [1, n]", "count [1]")
_EXPECTED = ", ".join(_PARTS)
_XY_OF_YX = [1, 0, 3, 2]


class Ssd:
    """Reads four tensors; a class beyond the labels is named by its number."""

    def __init__(self, spec: ModelSpec, outputs: Sequence[TensorInfo], labels: Sequence[str] | None) -> None:
        """Check shapes and labels.

        Raises:
            ModelRefused: The model or its decision do not fit.
        """
        self._order = spec.output.tensors or [0, 1, 2, 3]
        places = set(self._order) & set(range(len(outputs)))
        if len(places) != len(_PARTS) or len(self._order) != len(_PARTS):
            refuse(spec.output, f"four outputs at the places {self._order}: {_EXPECTED}", outputs)
        self._infos = [outputs[place] for place in self._order]
        match [info.shape for info in self._infos]:
            case [(1, n, 4), (1, classes), (1, scores), (1,) | ()] if n == classes == scores:
                self._slots = n
            case _:
                refuse(spec.output, f"{_EXPECTED} at the places {self._order} (output.tensors)", outputs)
        self._names = list(labels or [])
        check_reject_label(spec.decision, self._names)
        self._threshold = spec.output.threshold

    def decode(self, outputs: Sequence[npt.NDArray[Any]], context: Context) -> Detection:
        """Objects whose score reaches the threshold, highest first. Those with a score that is NaN lead."""
        boxes, classes, scores, count = (
            info.dequantize(outputs[place]).ravel() for info, place in zip(self._infos, self._order, strict=True)
        )
        trusted = np.isfinite(classes) & np.isfinite(count)  # without a class or a count, a score says nothing
        scores = np.where(trusted, scores, np.nan)
        filled = int(min(max(count[0], 0), self._slots)) if np.isfinite(count[0]) else self._slots
        chosen = np.flatnonzero(~(scores[:filled] < self._threshold))
        chosen = chosen[np.argsort(-np.where(np.isnan(scores), np.inf, scores)[chosen], kind="stable")]
        places = context.placement.to_source(boxes.reshape(-1, 4)[chosen][:, _XY_OF_YX])
        return Detection(
            objects=[
                DetectedObject(label=self._label(number), score=score, box=box)
                for number, score, box in zip(
                    classes[chosen].tolist(), scores[chosen].tolist(), places.tolist(), strict=True
                )
            ]
        )

    def _label(self, number: float) -> str:
        if not np.isfinite(number):
            return "unknown"
        k = round(number)
        return self._names[k] if 0 <= k < len(self._names) else str(k)
