"""Non-maximum suppression: of boxes of one class that overlap, only the strongest stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt


def suppress(
    boxes: npt.NDArray[np.floating[Any]], classes: npt.NDArray[np.integer[Any]], *, iou: float, at_most: int
) -> list[int]:
    """Greedy suppression per class.

    The strongest box left is kept, and those of its class whose intersection over union with it is greater than `iou` go;
    and so on. A comparison with NaN is false, so that a box with a NaN neither suppresses nor is suppressed.

    Args:
        boxes: [n, 4] x_min, y_min, x_max, y_max in any unit, strongest first.
        classes: [n], the class of each box.
        iou: 0..1.
        at_most: Stop after so many boxes.

    Returns:
        Indices of the boxes that stay, strongest first.
    """
    x_min, y_min, x_max, y_max = boxes.T
    areas = (x_max - x_min) * (y_max - y_min)
    left = np.arange(len(boxes))
    kept: list[int] = []
    while len(left) and len(kept) < at_most:
        best, left = left[0], left[1:]
        kept.append(int(best))
        width = np.minimum(x_max[best], x_max[left]) - np.maximum(x_min[best], x_min[left])
        height = np.minimum(y_max[best], y_max[left]) - np.maximum(y_min[best], y_min[left])
        shared = np.maximum(width, 0) * np.maximum(height, 0)
        overlaps = shared > iou * (areas[best] + areas[left] - shared)
        left = left[~(overlaps & (classes[left] == classes[best]))]
    return kept
