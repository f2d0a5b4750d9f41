"""Embedding: a point in feature space, and how far it is from the nearest point that is known to be good."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from agent.core.errors import ModelRefused
from agent.core.results import Anomaly, Embedding
from agent.models.decoders.fitting import single

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from agent.models.decoders.contract import Context
    from agent.models.spec import ModelSpec
    from agent.models.tensors import TensorInfo

    Floats = npt.NDArray[np.float32]


class EmbeddingDecoder:
    """Flattens one output of any shape. For the task `anomaly` the distance is the score, for `embedding` it goes with it."""

    def __init__(self, spec: ModelSpec, outputs: Sequence[TensorInfo], references: npt.NDArray[Any] | None) -> None:
        """Check the references.

        Raises:
            ModelRefused: They are missing where a distance is needed, or do not fit the output.
        """
        self._info = single(spec.output, outputs, "a vector of any shape")
        self._is_anomaly = spec.task == "anomaly"
        self._threshold = spec.decision.reject.threshold if spec.decision else None
        self._cosine = spec.output.metric == "cosine"
        if references is None and (self._is_anomaly or self._threshold is not None):
            raise ModelRefused(
                "the score is the distance to reference vectors, and the bundle has none",
                hint="set output.references to a .npy file with the vectors of good parts",
            )
        self._references = None if references is None else self._checked(references)

    @np.errstate(invalid="ignore", over="ignore")
    def decode(self, outputs: Sequence[npt.NDArray[Any]], context: Context) -> Embedding | Anomaly:  # noqa: ARG002
        """The vector, or its distance alone where only strangeness is asked for."""
        vector = self._info.dequantize(outputs[0]).ravel()
        distance = None if self._references is None else self._distance(vector, self._references)
        if self._is_anomaly and distance is not None:
            return Anomaly(score=distance, threshold=self._threshold)
        return Embedding(vector=vector.tolist(), distance=distance)

    def _distance(self, vector: Floats, references: Floats) -> float:
        """To the nearest row: the length of the difference, or 1 - cos of the angle, where a zero vector gives NaN."""
        if self._cosine:
            nearest = np.max(references @ (vector / np.linalg.norm(vector)))
            return float(np.maximum(1 - nearest, 0))
        differences = references - vector
        return float(np.sqrt(np.einsum("ij,ij->i", differences, differences).min()))

    def _checked(self, references: npt.NDArray[Any]) -> Floats:
        """float32 rows, of length 1 where only their direction counts."""
        features = prod(self._info.shape)
        found = f"references are {references.dtype} {list(references.shape)}"
        if references.dtype.kind not in "fiu" or references.shape[1:] != (features,) or not references.size:
            raise ModelRefused(
                f"{found}; numbers [n, {features}] were expected for the output {self._info.describe()}",
                hint="make the references with the same model: one row per good part",
            )
        rows = references.astype(np.float32)
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        if not np.isfinite(lengths).all() or (self._cosine and not lengths.all()):
            raise ModelRefused(
                f"{found} and hold a row that is no {'direction' if self._cosine else 'number'}",
                hint="remove rows with NaN, infinity, or zeros only",
            )
        return rows / lengths if self._cosine else rows
