"""Where a frame lies in a model's input, and the way back: boxes of the input become boxes of the frame.

Pure arithmetic. `pixels` plans with it before it resizes; decoders ask it where an object is in the source frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

Fit = Literal["stretch", "letterbox", "crop"]


class Size(NamedTuple):
    """Of a frame or of an input, in pixels."""

    height: int
    width: int


class Area(NamedTuple):
    """A rectangle of whole pixels."""

    top: int
    left: int
    height: int
    width: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the rectangle in an array [height, width, …]."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


class Region(NamedTuple):
    """A part of the source frame, in 0..1 of its width and height; the default is all of it."""

    x_min: float = 0.0
    y_min: float = 0.0
    x_max: float = 1.0
    y_max: float = 1.0

    def area(self, frame: Size) -> Area:
        """The pixels of a frame that the region covers, at least one."""
        top, left = (
            min(round(low * size), size - 1) for low, size in ((self.y_min, frame.height), (self.x_min, frame.width))
        )
        bottom, right = round(self.y_max * frame.height), round(self.x_max * frame.width)
        return Area(top, left, max(bottom - top, 1), max(right - left, 1))


@dataclass(frozen=True, slots=True)
class Placement:
    """The rectangle that the whole source frame covers, in units of the input's width and height.

    The default is a frame that fills the input. Under `letterbox` the rectangle lies inside the input, under `crop` it
    reaches beyond: `left` and `top` may be negative.
    """

    left: float = 0.0
    top: float = 0.0
    width: float = 1.0
    height: float = 1.0

    def to_source(self, boxes: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Boxes of the input as boxes of the source frame.

        Args:
            boxes: [n, 4] x_min, y_min, x_max, y_max in 0..1 of the input.

        Returns:
            float64 [n, 4], the same order, in 0..1 of the source frame, clipped to it. What is NaN or infinite becomes NaN:
            clipping would make a number of it that nobody measured.
        """
        origin = np.array([self.left, self.top, self.left, self.top])
        extent = np.array([self.width, self.height, self.width, self.height])
        finite = np.where(np.isfinite(boxes), boxes, np.nan)
        clipped: npt.NDArray[np.float64] = np.clip((finite - origin) / extent, 0.0, 1.0)
        return clipped

    def visible(self, height: int, width: int) -> tuple[slice, slice]:
        """The part of a map over the input that shows the frame: padding is outside of it. At least one cell.

        Args:
            height: Rows of the map.
            width: Columns of the map.
        """
        return _cells(self.top, self.height, height), _cells(self.left, self.width, width)


def plan(fit: Fit, frame: Size, target: Size, region: Region = Region()) -> tuple[Area, Area, Placement]:  # noqa: B008 - it is a constant
    """How a frame fits an input.

    Args:
        fit: `stretch` ignores the aspect ratio; `letterbox` keeps it, centred, with padding; `crop` keeps it and takes the largest
            centred part of the frame that has the input's aspect ratio.
        frame: Size of the source frame.
        target: Size of the model's input.
        region: The part of the frame that is looked at; the rest might as well not be there.

    Returns:
        The area of the frame that is read, the area of the input that it is resized to, and where the whole frame lies.
    """
    read, written = region.area(frame), Area(0, 0, *target)
    if fit == "letterbox":
        scale = min(target.height / read.height, target.width / read.width)
        written = _centred(Size(read.height, read.width), scale, within=target)
    elif fit == "crop":
        scale = min(read.height / target.height, read.width / target.width)
        inner = _centred(target, scale, within=Size(read.height, read.width))
        read = Area(read.top + inner.top, read.left + inner.left, inner.height, inner.width)
    zoom_x, zoom_y = written.width / read.width, written.height / read.height
    placement = Placement(
        left=(written.left - read.left * zoom_x) / target.width,
        top=(written.top - read.top * zoom_y) / target.height,
        width=frame.width * zoom_x / target.width,
        height=frame.height * zoom_y / target.height,
    )
    return read, written, placement


def _centred(size: Size, scale: float, *, within: Size) -> Area:
    """`size` times `scale`, at least one pixel and at most `within`, in its middle."""
    height = min(max(round(size.height * scale), 1), within.height)
    width = min(max(round(size.width * scale), 1), within.width)
    return Area((within.height - height) // 2, (within.width - width) // 2, height, width)


def _cells(start: float, length: float, count: int) -> slice:
    """Cells of `count` whose centres lie in start..start + length."""
    first = min(max(round(start * count), 0), count - 1)
    return slice(first, min(max(round((start + length) * count), first + 1), count))
