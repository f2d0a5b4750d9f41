"""A frame as a picture that anybody can open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_QUALITY = 90


def jpeg(pixels: npt.NDArray[np.uint8]) -> bytes:
    """A JPEG of a frame.

    Args:
        pixels: uint8, [height, width, 3] in BGR order or [height, width] for gray; not changed.

    Raises:
        ValueError: It cannot be one, such as a side of more than 65,535 pixels.
    """
    ok, encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not ok:
        raise ValueError(f"a frame of {pixels.shape[1]} x {pixels.shape[0]} pixels is no JPEG")
    return encoded.tobytes()
