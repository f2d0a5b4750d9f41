"""Autoencoder: how badly the model reproduces its input tells how strange the input is."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from agent.core.results import Anomaly
from agent.models.decoders.fitting import refuse, single

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from agent.models.decoders.contract import Context
    from agent.models.spec import ModelSpec
    from agent.models.tensors import TensorInfo


class Autoencoder:
    """Score = mean((input - output) ** 2) over the real values of both tensors."""

    def __init__(self, spec: ModelSpec, inputs: Sequence[TensorInfo], outputs: Sequence[TensorInfo]) -> None:
        """Check that input and output can be compared.

        Raises:
            ModelRefused: They differ in their number of elements.
        """
        expected = f"as many values as the input {', '.join(info.describe() for info in inputs)}"
        self._output = single(spec.output, outputs, expected)
        if len(inputs) != 1 or prod(inputs[0].shape) != prod(self._output.shape):
            refuse(spec.output, expected, outputs)
        self._input = inputs[0]
        self._threshold = spec.decision.reject.threshold if spec.decision else None

    @np.errstate(invalid="ignore", over="ignore")
    def decode(self, outputs: Sequence[npt.NDArray[Any]], context: Context) -> Anomaly:
        """The mean squared error."""
        error = self._input.dequantize(context.input).ravel() - self._output.dequantize(outputs[0]).ravel()
        return Anomaly(score=float(np.square(error).mean()), threshold=self._threshold)
