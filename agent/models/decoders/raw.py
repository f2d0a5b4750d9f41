"""Raw: every output as it is, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from agent.core.results import Tensors

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from agent.models.decoders.contract import Context
    from agent.models.tensors import TensorInfo


class Raw:
    """Outputs of one name are told apart by a number: `scores`, `scores_1`, `scores_2`."""

    def __init__(self, outputs: Sequence[TensorInfo]) -> None:
        self._infos = dict(zip(_unique([info.name for info in outputs]), outputs, strict=True))

    def decode(self, outputs: Sequence[npt.NDArray[Any]], context: Context) -> Tensors:  # noqa: ARG002
        """Dequantized values, flattened in row-major order; integers without a scale keep all their digits up to 2 ** 53."""
        tensors = {}
        for (name, info), raw in zip(self._infos.items(), outputs, strict=True):
            real = info.dequantize(raw) if info.is_quantized else raw.astype(np.float64)
            tensors[name] = real.ravel().tolist()
        return Tensors(tensors=tensors)


def _unique(names: Sequence[str]) -> list[str]:
    """The names in their order, the second of a kind with the first number that makes it unlike all others."""
    unique: list[str] = []
    for name in names:
        candidate, number = name, 0
        while candidate in unique or (number and candidate in names):
            number += 1
            candidate = f"{name}_{number}"
        unique.append(candidate)
    return unique
