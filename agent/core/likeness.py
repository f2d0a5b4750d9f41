"""Whether two pictures show nearly the same: a difference hash, as an integer that can be kept and compared. Pure.

Each bit says whether one of 16 x 16 fields is brighter than the one to its left (the dHash of Krawetz, 2013, at four times its
resolution: parts of a line differ in less than photographs do).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from agent.core.statistics import luma_grid

if TYPE_CHECKING:
    import numpy.typing as npt

SIDE: Final = 16
BITS: Final = SIDE * SIDE


def likeness_hash(pixels: npt.NDArray[np.uint8]) -> int:
    """The hash of a picture, BITS bits.

    Args:
        pixels: uint8, [height, width, 3] in BGR order or [height, width] for gray; at least 17 by 16 or its fields are points.

    Raises:
        ValueError: It is no such picture.
    """
    fields = _fields(_fields(luma_grid(pixels), SIDE).T, SIDE + 1).T
    return int.from_bytes(np.packbits(fields[:, 1:] > fields[:, :-1]).tobytes(), "big")


def _fields(luma: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.float32]:
    """Means of so many strips of rows; with fewer rows some strips are the same row."""
    starts = np.arange(count) * len(luma) // count
    sizes = np.maximum(np.diff(starts, append=len(luma)), 1)
    return np.asarray(np.add.reduceat(luma, starts, axis=0) / sizes[:, None], np.float32)


def differing_bits(one: int, other: int) -> int:
    """In how many fields two pictures differ."""
    return (one ^ other).bit_count()
