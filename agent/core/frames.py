"""What a source hands over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(slots=True)
class Frame:
    """One picture with its capture time. Whoever receives it reads the pixels and never writes them.

    Attributes:
        pixels: uint8, either [height, width, 3] in BGR order (OpenCV's own) or [height, width] for gray.
        index: Number of the frame in its source since the agent started, from 0; dropped frames count too.
        captured_ns: Wall clock in nanoseconds since the epoch: the driver's time where it gives one, else the moment
            the decoded picture was handed over.
        handed_over_ns: `time.perf_counter_ns()` when the source handed the frame over; latencies start here.
        age_ns: How long before the hand-over the driver took the picture; 0 where it does not say.
        file: Name of the file the frame is, for folders of images; None for streams.
    """

    pixels: npt.NDArray[np.uint8]
    index: int
    captured_ns: int
    handed_over_ns: int
    age_ns: int = 0
    file: str | None = None
