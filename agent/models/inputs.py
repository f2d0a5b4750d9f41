"""Which way a frame or an array takes into the input tensor, and whether the bundle's `mean` and `std` make sense for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from agent.core.errors import ModelRefused
from agent.core.findings import Finding
from agent.models.pixels import ImageInput
from agent.models.placement import Placement, Region, Size

if TYPE_CHECKING:
    import numpy.typing as npt

    from agent.models.spec import InputSpec
    from agent.models.tensors import TensorInfo

_LEAST_USED = 0.6
"""Share of an 8-bit tensor's codes that the 256 pixel values should reach: a model that takes -1..1 and is given 0..1 sees half."""
_MOST_CLIPPED = 0.05
"""Share of the pixel values that may lie beyond the ends of an 8-bit tensor."""


class ModelInput(Protocol):
    """Fills the one input tensor of a model."""

    size: Size | None
    """Pixels that are looked at; None for what is no picture."""

    def fill(self, pixels: npt.NDArray[Any], destination: npt.NDArray[Any]) -> Placement:
        """Write one frame into the interpreter's own buffer; see `agent.models.pixels.ImageInput.fill`."""
        ...


def make_input(spec: InputSpec, tensor: TensorInfo, region: Region = Region()) -> ModelInput:  # noqa: B008 - it is a constant
    """The way into `tensor` that `[input]` asks for.

    Args:
        spec: The bundle's `[input]`.
        tensor: The model's input.
        region: The part of a picture that the model sees; what is no picture has no part.

    Raises:
        ModelRefused: The tensor does not fit: says what was found and what was expected.
    """
    return ImageInput(spec, tensor, region) if spec.kind == "image" else ArrayInput(spec, tensor)


class ArrayInput:
    """Values that are no picture: a window of samples, or an array in the model's own shape."""

    size: Size | None = None

    def __init__(self, spec: InputSpec, tensor: TensorInfo) -> None:
        """Store.

        Raises:
            ModelRefused: `mean` and `std` have neither one value nor one per channel.
        """
        channels = tensor.shape[-1] if tensor.shape else 1
        if not {len(spec.mean), len(spec.std)} <= {1, channels}:
            raise ModelRefused(
                f"input.mean and input.std have {len(spec.mean)} and {len(spec.std)} values,"
                f" 1 or {channels} were expected for {tensor.describe()}"
            )
        self._tensor = tensor
        self._mean, self._std = np.array(spec.mean), np.array(spec.std)

    def fill(self, pixels: npt.NDArray[Any], destination: npt.NDArray[Any]) -> Placement:
        """Write (values - mean) / std, quantized, into `destination`.

        Args:
            pixels: Any real type, as many values as the tensor has, in its order.
            destination: The interpreter's own buffer, in the tensor's shape.

        Raises:
            ModelRefused: There are fewer or more values than the tensor takes.
        """
        if pixels.size != destination.size:
            raise ModelRefused(
                f"an array of shape {list(pixels.shape)} was given, {self._tensor.describe()} was expected",
                hint='input.kind = "image" for a model that looks at pictures',
            )
        values = (pixels.reshape(destination.shape).astype(np.float64) - self._mean) / self._std
        destination[...] = self._tensor.quantize(values)
        return Placement()


def range_findings(title: str, spec: InputSpec, tensor: TensorInfo) -> list[Finding]:
    """Whether pixel values from 0 to 255 use the range of an 8-bit input, or leave half of it empty or clip.

    The most frequent mistake in a bundle: the model was trained on -1..1 and is given 0..1. It runs, and is wrong.
    """
    if spec.kind != "image" or not tensor.is_quantized or tensor.dtype not in ("uint8", "int8"):
        return []
    limits = np.iinfo(tensor.dtype)
    scale, zero_point = tensor.scales[0], tensor.zero_points[0]
    ends = (np.array([0.0, 255.0])[:, None] - np.array(spec.mean)) / np.array(spec.std) / scale + zero_point
    low, high = np.clip(ends, limits.min, limits.max)
    used = float(np.min(np.abs(high - low)) / 255)
    wanted = float(np.max(np.abs(ends[1] - ends[0])) / 255)
    takes = [round(scale * (code - zero_point), 3) for code in (limits.min, limits.max)]
    gets = [round((pixel - spec.mean[0]) / spec.std[0], 3) for pixel in (0, 255)]
    if used >= _LEAST_USED and used >= wanted * (1 - _MOST_CLIPPED):
        return []
    return [
        Finding(
            "input-range",
            "warning",
            f"{title}: input.mean and input.std turn pixels into {gets[0]} … {gets[1]}, the model takes {takes[0]} … {takes[1]}",
            "use the mean and std that the model was trained with",
        )
    ]
