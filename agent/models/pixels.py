"""From a frame's 8-bit pixels to a model's input tensor, written into the interpreter's own buffer.

A pixel has 256 values, so mean, std, scale and zero point are one table worked out at load; nothing is computed in floating
point per frame. The picture is resized first and its colour converted after, on the few pixels that are left.
Knows no interpreter: the runner of a model gives the buffer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from agent.core.errors import ModelRefused
from agent.models.placement import Placement, Region, Size, plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from agent.models.spec import InputSpec
    from agent.models.tensors import TensorInfo

PADDING = 114
"""Pixel value beside a letterboxed frame: the grey that YOLO models are trained with."""

_DTYPES = ("uint8", "int8", "int16", "float16", "float32")
_CHANNELS = {"gray": 1, "rgb": 3, "bgr": 3}
_INTERPOLATIONS = {"linear": cv2.INTER_LINEAR, "area": cv2.INTER_AREA, "nearest": cv2.INTER_NEAREST}
_CONVERSIONS = {
    ("color", "rgb"): cv2.COLOR_BGR2RGB,
    ("color", "gray"): cv2.COLOR_BGR2GRAY,
    ("gray", "rgb"): cv2.COLOR_GRAY2RGB,
    ("gray", "bgr"): cv2.COLOR_GRAY2BGR,
}
_CARRIERS = {1: np.uint8, 2: np.uint16, 4: np.float32}
"""What cv2.LUT moves a value of so many bytes as; it does not look at the value."""
_SIGN_BIT = 0x80


def quantization_table(mean: Sequence[float], std: Sequence[float], tensor: TensorInfo) -> npt.NDArray[Any]:
    """What each pixel value becomes: clip(round(((v - mean) / std) / scale) + zero_point) for v in 0..255.

    All of it in float64 with the scale as the file has it, rounded once, half to even; for floating-point tensors
    (v - mean) / std, rounded once to the tensor's type. So the table is the same on every machine.

    Args:
        mean: One value, or one per channel.
        std: One value, or one per channel; none is 0.
        tensor: Gives type, scale and zero point; its last dimension is the channels.

    Returns:
        [256, channels] of the tensor's type.
    """
    pixels = np.arange(256, dtype=np.float64)[:, None]
    with np.errstate(over="ignore"):
        values = (pixels - np.array(mean)) / np.array(std)
        return tensor.quantize(np.broadcast_to(values, (256, tensor.shape[-1])))


class ImageInput:
    """Fills one input tensor with frames. Not thread-safe: one per interpreter."""

    def __init__(self, spec: InputSpec, tensor: TensorInfo, region: Region = Region()) -> None:  # noqa: B008 - it is a constant
        """Check that frames can fill the tensor, and work out the table.

        Args:
            spec: The bundle's `[input]`.
            tensor: The model's input.
            region: The part of each frame that the model sees.

        Raises:
            ModelRefused: The tensor is no image, its type is not supported, or colour, mean or std do not fit it.
        """
        _check(spec, tensor)
        self._spec = spec
        self._region = region
        self._shape, self._dtype = tensor.shape, np.dtype(tensor.dtype)
        self._size = Size(*tensor.shape[1:3])
        self.size: Size | None = self._size
        self._interpolation = _INTERPOLATIONS[spec.interpolation]
        table = quantization_table(spec.mean, spec.std, tensor)
        self.distinct_values = min(len(set(column.tolist())) for column in table.T)  # np.unique imports numpy.ma, 1 MB
        """How many of the 256 pixel values the model can tell apart; few are a sign of a wrong `mean` or `std`."""
        if self.distinct_values == 1 or not np.isfinite(table).all():
            raise ModelRefused(
                f"with mean = {spec.mean} and std = {spec.std} the pixels 0, 1 … 255 become "
                f"{table[0, 0]}, {table[1, 0]} … {table[255, 0]} in the input {tensor.describe()}: nothing can be seen",
                hint="set input.mean and input.std as the model was trained, such as std = [1.0] for raw pixel values",
            )
        size = table.dtype.itemsize
        codes = table.view(f"u{size}")  # as bits: 0.0 and -0.0 are two
        pixel = np.arange(256)[:, None]
        self._identity = size == 1 and bool((codes == pixel).all())
        self._flip_sign = size == 1 and bool((codes == pixel ^ _SIGN_BIT).all())
        if (codes == codes[:, :1]).all():
            codes = np.ascontiguousarray(codes[:, :1])
        self._carrier = _CARRIERS[size]
        self._table = codes.view(self._carrier).reshape(256, 1, -1)
        self._codes = np.empty((*self._size, tensor.shape[3]), np.uint8)
        self._frame_shape: tuple[int, ...] = ()

    def fill(self, pixels: npt.NDArray[np.uint8], destination: npt.NDArray[Any]) -> Placement:
        """Write one frame into the tensor.

        Args:
            pixels: uint8, [height, width, 3] BGR or [height, width] gray, any size.
            destination: The interpreter's own buffer, of the tensor's shape and type; it is written in place.

        Returns:
            Where the frame lies in the input.

        Raises:
            ValueError: `destination` is not the tensor this was made for.
        """
        if destination.shape != self._shape or destination.dtype != self._dtype:
            raise ValueError(f"destination is {destination.dtype} {destination.shape}, not {self._dtype} {self._shape}")
        if pixels.shape != self._frame_shape:
            self._adapt(pixels.shape)
        cv2.resize(pixels[self._read], self._written, dst=self._inner, interpolation=self._interpolation)
        target = destination[0]
        codes = target.view(np.uint8) if self._identity or self._flip_sign else self._codes
        if self._conversion is None:
            np.copyto(codes, self._canvas.reshape(codes.shape))
        else:
            cv2.cvtColor(self._canvas, self._conversion, dst=codes)
        if self._flip_sign:
            np.bitwise_xor(codes, _SIGN_BIT, out=codes)
        elif not self._identity:
            cv2.LUT(codes, self._table, dst=target.view(self._carrier))
        return self._placement

    def _adapt(self, frame_shape: tuple[int, ...]) -> None:
        """Plan for frames of another size or colour; cameras change them rarely."""
        read, written, self._placement = plan(self._spec.fit, Size(*frame_shape[:2]), self._size, self._region)
        self._read, self._written = read.slices, (written.width, written.height)
        self._conversion = _CONVERSIONS.get(("gray" if len(frame_shape) == 2 else "color", self._spec.color))  # noqa: PLR2004
        self._canvas = np.full((*self._size, *frame_shape[2:]), PADDING, np.uint8)
        self._inner = self._canvas[written.slices]
        self._frame_shape = frame_shape


def _check(spec: InputSpec, tensor: TensorInfo) -> None:
    """Refuse a tensor that frames cannot fill."""
    found = f"the input {tensor.name!r} is {tensor.describe()}"
    match tensor.shape:
        case (1, height, width, 1 | 3 as channels) if height > 0 and width > 0:
            pass
        case _:
            raise ModelRefused(
                f"{found}, an image [1, height, width, 1 or 3] was expected",
                hint="export the model with batch 1 and the channels last",
            )
    if tensor.dtype not in _DTYPES:
        raise ModelRefused(
            f"{found}, one of {', '.join(_DTYPES)} was expected",
            hint="convert the model with an input of one of these types",
        )
    if len(tensor.scales) > 1:
        raise ModelRefused(
            f"{found} with {len(tensor.scales)} scales, at most one was expected",
            hint="convert the model anew: TensorFlow Lite quantizes inputs per tensor",
        )
    if _CHANNELS[spec.color] != channels:
        raise ModelRefused(
            f"{found}, color = {spec.color!r} has {_CHANNELS[spec.color]} channels",
            hint='set input.color to "gray" for one channel, "rgb" or "bgr" for three',
        )
    for key, values in (("mean", spec.mean), ("std", spec.std)):
        if len(values) not in (1, channels):
            raise ModelRefused(
                f"{found}, input.{key} has {len(values)} values, 1 or {channels} were expected",
                hint=f"give input.{key} one value for all channels, or one per channel",
            )
        if not np.isfinite(values).all():
            raise ModelRefused(f"input.{key} = {values} holds what is no number", hint=f"correct input.{key}")
