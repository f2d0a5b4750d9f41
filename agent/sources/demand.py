"""How many pixels of a source's frames are needed, and by how much a frame may be smaller than the source gives it. Pure.

The composition asks the pipelines; a source that decodes on demand asks through `Demand`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable

_SLACK = 1e-6
"""What a product of floats may miss a whole number by: 1080 * (224 / 1080) is 224 and a little."""
_JPEG_REDUCTIONS = (8, 4, 2)


@dataclass(frozen=True, slots=True)
class Needed:
    """The fewest pixels that the whole frame must have; each side counts for itself.

    Attributes:
        width: Pixels from left to right.
        height: Pixels from top to bottom.
    """

    width: float
    height: float

    @classmethod
    def by_input(cls, width: int, height: int, *, seen_width: float, seen_height: float) -> Needed:
        """What a model needs that looks at a part of the frame.

        Args:
            width: Of the model's input, in pixels.
            height: Of the model's input, in pixels.
            seen_width: Share of the frame's width that the model sees, in 0..1.
            seen_height: Share of the frame's height.
        """
        return cls(width / seen_width, height / seen_height)

    def exceeds(self, other: Needed) -> bool:
        """Whether a frame that is good enough for `other` is too small for this."""
        return self.width > other.width or self.height > other.height

    def scale(self, width: int, height: int) -> float:
        """By what a frame of this size may be multiplied, in 0..1; its aspect ratio stays, so the greedier side decides."""
        return min(1.0, max(self.width / width, self.height / height))

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the smallest frame that will do: even, and never larger than the frame itself.

        `agent.sources.camera.ffmpeg_command` has FFmpeg work out the same.
        """
        scale = self.scale(width, height)
        return _even(width, scale), _even(height, scale)

    def jpeg_reduction(self, width: int, height: int) -> int:
        """By what a JPEG may be divided while it is decoded: 8, 4, 2, or 1 for not at all (OpenCV's IMREAD_REDUCED_COLOR)."""
        scale = self.scale(width, height)
        return next((divisor for divisor in _JPEG_REDUCTIONS if scale * divisor <= 1), 1)


WHOLE = Needed(1e9, 1e9)
"""More than any frame has."""


def largest(needs: Iterable[Needed | None]) -> Needed | None:
    """What serves all; None, the whole frame, where nobody asks or one of them needs all of it or cannot say yet."""
    known = list(needs)
    if not known or None in known:
        return None
    sure = [need for need in known if need is not None]
    return Needed(max(need.width for need in sure), max(need.height for need in sure))


def _even(size: int, scale: float) -> int:
    return min(size, 2 * math.ceil(size * scale / 2 - _SLACK))


class Demand(Protocol):
    """What one source may ask and tell while it decodes. Called by its capture thread."""

    def needed(self) -> Needed | None:
        """What all who read the source need now, or None for the whole frame. Quick: it is asked for each frame."""
        ...

    def tell(self, sentence: str) -> None:
        """Say how frames are decoded, and why; each sentence is said once, however often the source connects."""
        ...
