"""Regressor: one number with a unit."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from agent.core.results import Regression
from agent.models.decoders.fitting import refuse, single

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from agent.models.decoders.contract import Context
    from agent.models.spec import ModelSpec
    from agent.models.tensors import TensorInfo


class Regressor:
    """value = output * scale + offset."""

    def __init__(self, spec: ModelSpec, outputs: Sequence[TensorInfo]) -> None:
        """Check that there is one value.

        Raises:
            ModelRefused: The model gives none or several.
        """
        self._info = single(spec.output, outputs, "one value")
        if prod(self._info.shape) != 1:
            refuse(spec.output, "one value", outputs)
        self._scale, self._offset, self._unit = spec.output.scale, spec.output.offset, spec.output.unit

    def decode(self, outputs: Sequence[npt.NDArray[Any]], context: Context) -> Regression:  # noqa: ARG002
        """The value in its unit."""
        return Regression(value=self._info.dequantize(outputs[0]).item() * self._scale + self._offset, unit=self._unit)
