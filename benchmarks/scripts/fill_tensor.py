"""fill_tensor.py VIDEO DTYPE COUNT: milliseconds to bring a frame into a [1, 224, 224, 3] tensor, three ways, as JSON.

DTYPE is `uint8` (the pixels as they are) or `int8` (pixels in [-1, 1], scale 1/127.5, zero point -1). The three ways take turns. Before
each the frame is copied into the buffer that is then read, untimed: so it lies in the processor's caches as it does after a decoder.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from agent.models.pixels import ImageInput
from agent.models.spec import InputSpec
from agent.models.tensors import TensorInfo

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

FRAMES = 12
SHAPE = (1, 224, 224, 3)
MEAN = STD = {"uint8": 128.0, "int8": 127.5}
SCALE = {"uint8": 1 / 128, "int8": 1 / 127.5}
ZERO_POINT = {"uint8": 128, "int8": -1}
LIMITS = {"uint8": (0, 255), "int8": (-128, 127)}


def agent_way(dtype: str, tensor: npt.NDArray[Any]) -> Callable[[npt.NDArray[np.uint8]], object]:
    """The agent's own."""
    spec = InputSpec(mean=[MEAN[dtype]], std=[STD[dtype]])
    info = TensorInfo("input", SHAPE, dtype, (float(np.float32(SCALE[dtype])),), (ZERO_POINT[dtype],))
    image_input = ImageInput(spec, info)
    return lambda pixels: image_input.fill(pixels, tensor)


def naive_way(dtype: str, tensor: npt.NDArray[Any]) -> Callable[[npt.NDArray[np.uint8]], object]:
    """Convert, resize, normalize in float32, quantize, write: in the order in which one thinks of it."""

    def fill(pixels: npt.NDArray[np.uint8]) -> None:
        small = cv2.resize(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), SHAPE[1:3])
        values = (small.astype(np.float32) - MEAN[dtype]) / STD[dtype]
        codes = np.round(values / SCALE[dtype]) + ZERO_POINT[dtype]
        tensor[0] = np.clip(codes, *LIMITS[dtype]).astype(dtype)

    return fill


def blob_way(dtype: str, tensor: npt.NDArray[Any]) -> Callable[[npt.NDArray[np.uint8]], object]:
    """OpenCV's own preparation, which gives normalized float32 in planes; then quantize, turn and write."""

    def fill(pixels: npt.NDArray[np.uint8]) -> None:
        blob = cv2.dnn.blobFromImage(pixels, 1 / STD[dtype], SHAPE[1:3], (MEAN[dtype],) * 3, swapRB=True)
        codes = np.round(blob / SCALE[dtype]) + ZERO_POINT[dtype]
        tensor[...] = np.clip(codes, *LIMITS[dtype]).astype(dtype).transpose(0, 2, 3, 1)

    return fill


def frames(video: str) -> list[npt.NDArray[Any]]:
    """The first frames of the clip."""
    capture = cv2.VideoCapture(video)
    return [capture.read()[1] for _ in range(FRAMES)]


def main() -> None:
    """Check that the three agree, then measure."""
    cv2.setNumThreads(1)
    video, dtype, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    pictures = frames(video)
    ways = {"agent": agent_way, "naive NumPy": naive_way, "blobFromImage": blob_way}
    tensors = {name: np.zeros(SHAPE, dtype) for name in ways}
    fills = {name: way(dtype, tensors[name]) for name, way in ways.items()}
    for fill in fills.values():
        fill(pictures[0])
    for name, tensor in tensors.items():
        apart = np.abs(tensor.astype(int) - tensors["agent"].astype(int)).max()
        if apart > 1:
            sys.exit(f"{name} differs from the agent's tensor by {apart}")
    pixels = np.empty_like(pictures[0])
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(count):
        for name, fill in fills.items():
            np.copyto(pixels, pictures[number % FRAMES])
            began = time.perf_counter()
            fill(pixels)
            taken[name].append(time.perf_counter() - began)
    print(json.dumps({f"{name} ms": statistics.median(values) * 1e3 for name, values in taken.items()}))


main()
