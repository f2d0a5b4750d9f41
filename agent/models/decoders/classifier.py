"""Classifier: one score per class, the best labels of the frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from agent.core.errors import ModelRefused
from agent.core.results import Classification, Scored
from agent.models.decoders.activations import sigmoid, softmax
from agent.models.decoders.fitting import check_reject_label, class_names, refuse, single

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from agent.models.decoders.contract import Context
    from agent.models.spec import ModelSpec
    from agent.models.tensors import TensorInfo

_TOP = 5
"""How many of the best labels a result names."""
_ACTIVATIONS = {"softmax": softmax, "sigmoid": sigmoid}


class Classifier:
    """Reads [1, n], [n] or [1, 1, 1, n]; one value alone is the probability of the second of two classes."""

    def __init__(self, spec: ModelSpec, outputs: Sequence[TensorInfo], labels: Sequence[str] | None) -> None:
        """Check shapes and labels.

        Raises:
            ModelRefused: The model, its labels or its decision do not fit.
        """
        expected = "scores as [1, classes]"
        info = single(spec.output, outputs, expected)
        if not info.shape or any(size != 1 for size in info.shape[:-1]) or info.shape[-1] < 1:
            refuse(spec.output, expected, outputs)
        self._info = info
        self._binary = info.shape[-1] == 1
        if self._binary and spec.output.activation == "softmax":
            raise ModelRefused(
                f"softmax of the one value of {info.describe()} is always 1", hint='set output.activation = "sigmoid"'
            )
        self._activation = _ACTIVATIONS.get(spec.output.activation)
        self._score_of = None if self._binary else _score_table(info, spec.output.activation)
        self._names = class_names(labels, 2 if self._binary else info.shape[-1], info)
        check_reject_label(spec.decision, self._names)
        reject = spec.decision.reject.label if spec.decision else None
        self._reject = [k for k, name in enumerate(self._names) if name == reject]

    def decode(self, outputs: Sequence[npt.NDArray[Any]], context: Context) -> Classification:  # noqa: ARG002
        """The five best labels, highest score first and of equals the first class first, and the label to reject."""
        if self._score_of is None:
            return self._decode_real(outputs[0])
        return self._decode_codes(outputs[0], self._score_of)

    @np.errstate(invalid="ignore", over="ignore")
    def _decode_real(self, raw: npt.NDArray[Any]) -> Classification:
        scores = self._info.dequantize(raw).ravel()
        if self._activation:
            scores = self._activation(scores)
        if self._binary:
            scores = np.concatenate((1 - scores, scores))
        best = self._with_reject(_best(scores), scores)
        return self._named(best, scores[best].tolist())

    def _decode_codes(self, raw: npt.NDArray[Any], score_of: list[float]) -> Classification:
        """The same for 8-bit scores, ranked as they are: after an invoke the caches are cold, and each call of NumPy costs 10 µs."""
        codes = raw.ravel()
        best: list[int] = (~codes).argsort(kind="stable")[:_TOP].tolist()  # `~` turns the order round
        best = self._with_reject(best, codes)
        return self._named(best, [score_of[byte] for byte in codes.view(np.uint8)[best].tolist()])

    def _with_reject(self, best: list[int], ranked: npt.NDArray[Any]) -> list[int]:
        """The label that the decision asks for is always among them."""
        if self._reject and not any(k in best for k in self._reject):
            best.append(max(self._reject, key=ranked.__getitem__))
        return best

    def _named(self, classes: list[int], scores: list[float]) -> Classification:
        names = self._names
        top = [Scored(label=names[k], score=score) for k, score in zip(classes, scores, strict=True)]
        return Classification(label=top[0].label, score=top[0].score, top=top)


def _score_table(info: TensorInfo, activation: str) -> list[float] | None:
    """Score of each byte of an 8-bit tensor; None where codes do not rank as scores do, and for softmax, which needs them all."""
    if info.dtype not in ("uint8", "int8") or len(info.scales) > 1 or activation == "softmax":
        return None
    codes = np.arange(256, dtype=np.uint8).view(info.dtype)
    scores = info.dequantize(codes)
    if activation == "sigmoid":
        scores = sigmoid(scores)
    if not (np.diff(scores[np.argsort(codes)]) > 0).all():
        return None
    table: list[float] = scores.tolist()
    return table


def _best(scores: npt.NDArray[np.float32]) -> list[int]:
    """Indices of the highest scores in order. NaN leads, so that it is in the result whatever else is.

    Only those that reach the fifth highest are sorted: 1001 classes cost a tenth of sorting them all.
    """
    rank = np.where(np.isnan(scores), np.inf, scores)
    reach = np.partition(rank, -_TOP)[-_TOP] if len(rank) > _TOP else -np.inf
    candidates = np.flatnonzero(rank >= reach)
    best: list[int] = candidates[np.argsort(-rank[candidates], kind="stable")[:_TOP]].tolist()
    return best
