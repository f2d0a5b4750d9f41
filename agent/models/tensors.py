"""What one tensor of a model is: name, shape, type, and the scale between its integers and real values.

Pure arithmetic on NumPy arrays: knows no interpreter and no file, so that a description can cross a process boundary as JSON.
Built where the model is loaded; read by the image input, by every decoder, and by messages about models that do not fit.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt


@dataclass(frozen=True)
class TensorInfo:
    """One input or output tensor.

    A quantized tensor stands for real = scale * (raw - zero_point), with one pair for all or one pair per channel
    (TensorFlow Lite 8-bit quantization specification).

    Attributes:
        name: As in the model file; need not be unique.
        shape: All dimensions, the batch included.
        dtype: NumPy name: uint8, int8, int16, float16, float32, int32, int64, bool.
        scales: Empty where the tensor is not quantized; else one, or one per index of `quantized_dimension`.
        zero_points: As many as `scales`.
        quantized_dimension: The axis that `scales` runs along where there is more than one.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    quantized_dimension: int = 0

    @property
    def is_quantized(self) -> bool:
        """Whether raw values need a scale to become real ones."""
        return bool(self.scales)

    def describe(self) -> str:
        """Type and shape for a message, such as `int8 [1, 96, 96, 3]`."""
        return f"{self.dtype} {list(self.shape)}"

    def dequantize(self, raw: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Real values of raw ones.

        Args:
            raw: Values as the interpreter holds them, in the tensor's shape (any shape where there is one scale).

        Returns:
            float32, same shape. Values of a tensor that is not quantized are only converted; a float32 array is not copied.
        """
        if not self.scales:
            return raw.astype(np.float32, copy=False)
        scale, zero_point = self._steps(np.float32)
        real: npt.NDArray[np.float32] = (raw.astype(np.float32) - zero_point) * scale
        return real

    def quantize(self, values: npt.ArrayLike) -> npt.NDArray[Any]:
        """Raw values of real ones: round(value / scale) + zero_point in float64, half to even, saturating.

        Args:
            values: Real values, in the tensor's shape (any shape where there is one scale).

        Returns:
            Array of `dtype`. Integers beyond the range become its ends, and NaN, which integers lack, becomes 0. Values of a
            tensor that is not quantized are rounded to `dtype`.
        """
        real = np.asarray(values, dtype=np.float64)
        kind = np.dtype(self.dtype)
        if kind.kind not in "iu":
            return real.astype(kind)
        scale, zero_point = self._steps(np.float64) if self.scales else (1.0, 0.0)
        limits = np.iinfo(kind)
        steps = np.round(np.where(np.isnan(real), 0.0, real) / scale) + zero_point
        raw: npt.NDArray[Any] = np.clip(steps, limits.min, limits.max).astype(kind)
        return raw

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TensorInfo:
        """The reverse of `to_dict`, also after a way through JSON, which knows no tuples."""
        sequences = {key: tuple(data[key]) for key in ("shape", "scales", "zero_points")}
        return cls(**{**data, **sequences})

    def _steps(self, dtype: type[np.floating[Any]]) -> tuple[Any, Any]:
        """Scale and zero point, shaped to broadcast against the tensor."""
        if len(self.scales) == 1:
            return dtype(self.scales[0]), dtype(self.zero_points[0])
        along = [1] * len(self.shape)
        along[self.quantized_dimension] = -1
        return np.array(self.scales, dtype).reshape(along), np.array(self.zero_points, dtype).reshape(along)
