"""From a photograph to what the model takes: the agent's own way for judging, a varied one for learning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from agent.demo.cells import Cell

SIZE = 150
"""Half of the photographs' 300: the linear resize is then the mean of 2x2 pixels, so nothing aliases."""
STD = 255.0

_TURN_DEG = 2.0
_ZOOM = (0.97, 1.06)
_SHIFT_PX = 6.0
_CONTRAST = 0.04
_BRIGHTNESS = 0.012


def photograph(cell: Cell) -> npt.NDArray[np.uint8]:
    """The grey pixels of a cell, [300, 300].

    Raises:
        OSError: The file cannot be decoded.
    """
    image = cv2.imread(str(cell.path), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise OSError(f"cannot decode {cell.path}")
    return np.asarray(image, np.uint8)


def resized(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The picture in the model's size, [SIZE, SIZE]."""
    return np.asarray(cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR), np.uint8)


def values(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """The model's float input for a picture, [SIZE, SIZE, 1] in 0..1."""
    return np.asarray(resized(image)[..., np.newaxis] / STD, np.float32)


def varied(image: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """The model's input as another camera might have seen the cell: mirrored, moved, a little brighter or darker.

    Never by a quarter turn, because busbars always run from left to right; and little in brightness, because a dark cell
    is a defective one.
    """
    side = image.shape[0]
    turn_deg, zoom = rng.uniform(-_TURN_DEG, _TURN_DEG), rng.uniform(*_ZOOM)
    move = np.asarray(cv2.getRotationMatrix2D((side / 2, side / 2), turn_deg, zoom), np.float64)
    move[:, 2] += rng.uniform(-_SHIFT_PX, _SHIFT_PX, 2)
    moved = cv2.warpAffine(image, move, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    upright, leftright = rng.choice((1, -1), 2)
    mirrored = np.ascontiguousarray(moved[::upright, ::leftright], np.uint8)
    contrast, brightness = 1 + rng.uniform(-_CONTRAST, _CONTRAST), rng.uniform(-_BRIGHTNESS, _BRIGHTNESS)
    return np.asarray(np.clip(values(mirrored) * contrast + brightness, 0, 1), np.float32)
