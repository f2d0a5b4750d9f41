"""YOLO: one candidate per cell of the grid, as the exports of YOLOv5 and YOLOv8 give them; suppression happens here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from agent.core.errors import ModelRefused
from agent.core.results import DetectedObject, Detection
from agent.models.decoders.activations import sigmoid
from agent.models.decoders.fitting import check_reject_label, class_names, refuse, single
from agent.models.decoders.nms import suppress

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from agent.models.decoders.contract import Context
    from agent.models.spec import ModelSpec
    from agent.models.tensors import TensorInfo

MAX_OBJECTS = 300
"""No frame gives more objects than this, the strongest first."""
_MAX_CANDIDATES = 3000
"""Of more boxes above the threshold only the strongest are compared, so that no output makes a frame take seconds."""
_BOX = 4
_EXPECTED = {
    "v5": 'one row per box, [1, n, 5 + classes], for layout = "v5"',
    "v8": 'one column per box, [1, 4 + classes, n], for layout = "v8"',
}


class Yolo:
    """Reads [1, n, 5 + classes] with objectness (v5) or [1, 4 + classes, n] without (v8).

    A box is centre x, centre y, width, height: in 0..1 of the input, as both exporters write them for TensorFlow Lite, or
    in its pixels (`output.boxes`). A candidate has its strongest class alone; its score is that class's, times objectness
    where there is one.
    """

    def __init__(
        self,
        spec: ModelSpec,
        inputs: Sequence[TensorInfo],
        outputs: Sequence[TensorInfo],
        labels: Sequence[str] | None,
    ) -> None:
        """Check shapes and labels.

        Raises:
            ModelRefused: The model, its labels or its decision do not fit.
        """
        output = spec.output
        self._objectness = output.layout == "v5"
        self._first_class = _BOX + self._objectness
        expected = _EXPECTED[output.layout]
        self._info = single(output, outputs, expected)
        match self._info.shape:
            case (1, cells, columns) if self._objectness:
                pass
            case (1, columns, cells):
                pass
            case _:
                refuse(output, expected, outputs)
        exchanged = labels is None and columns > cells  # with labels, their number shows it
        if columns <= self._first_class or exchanged:
            refuse(output, expected, outputs)
        self._names = class_names(labels, columns - self._first_class, self._info)
        check_reject_label(spec.decision, self._names)
        self._extent = _extent(inputs) if output.boxes == "pixel" else np.ones(_BOX, np.float32)
        self._sigmoid = output.activation == "sigmoid"
        self._threshold, self._iou = output.threshold, output.iou

    @np.errstate(invalid="ignore", over="ignore")
    def decode(self, outputs: Sequence[npt.NDArray[Any]], context: Context) -> Detection:
        """Objects that reach the threshold and that no stronger one of their class covers, highest score first.

        Those with a score that is NaN lead, so that the result shows them.
        """
        rows = outputs[0][0] if self._objectness else outputs[0][0].T
        scores = self._scores(rows)
        chosen = np.flatnonzero(~(scores < self._threshold))
        strength = np.where(np.isnan(scores), np.inf, scores)[chosen]
        chosen = chosen[np.argsort(-strength, kind="stable")[:_MAX_CANDIDATES]]
        classes = rows[chosen, self._first_class :].argmax(axis=1)
        boxes = _corners(self._info.dequantize(rows[chosen, :_BOX]) / self._extent)
        kept = suppress(boxes, classes, iou=self._iou, at_most=MAX_OBJECTS)
        places = context.placement.to_source(boxes[kept])
        return Detection(
            objects=[
                DetectedObject(label=self._names[k], score=score, box=box)
                for k, score, box in zip(
                    classes[kept].tolist(), scores[chosen[kept]].tolist(), places.tolist(), strict=True
                )
            ]
        )

    def _scores(self, rows: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Score of each candidate. The strongest class is found among raw values: their order is that of the real ones."""
        scores = self._real(rows[:, self._first_class :].max(axis=1))
        if not self._objectness:
            return scores
        joint: npt.NDArray[np.float32] = scores * self._real(rows[:, _BOX])
        return joint

    def _real(self, raw: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        values = self._info.dequantize(raw)
        return sigmoid(values) if self._sigmoid else values


def _extent(inputs: Sequence[TensorInfo]) -> npt.NDArray[np.float32]:
    """Width and height of the input in pixels, twice."""
    match inputs[0].shape:
        case (_, height, width, _):
            return np.array([width, height, width, height], np.float32)
    raise ModelRefused(
        f'boxes = "pixel" expects an image input [1, height, width, channels]; the model takes {inputs[0].describe()}',
        hint='set output.boxes = "unit" if the boxes are in 0..1',
    )


def _corners(boxes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """[n, 4] centre x, centre y, width, height to x_min, y_min, x_max, y_max."""
    centre, half = boxes[:, :2], boxes[:, 2:] / 2
    return np.concatenate((centre - half, centre + half), axis=1)
