"""Versions of the demo's model whose last layer was trained anew, on other parts, with better or worse labels. Seconds, and no TensorFlow.

What comes before the last layer stays, so the features of a cell are those of the demo's model. The weights are fitted by logistic regression
and written into the place of the old ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from agent.demo.cells import truth

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from agent.demo.cells import Cell

    Floats = npt.NDArray[np.float64]

BASE = Path(str(resources.files("agent.demo") / "solar-cell"))
_SIZE = 150
_STEPS, _DECAY = 15, 0.2
_LEAST_SPREAD = 0.3
"""Of a feature: one that hardly ever speaks gets no large weight, for which int8 has no room."""


@dataclass(frozen=True, slots=True)
class _Layer:
    """Where the last layer lies: numbers of its tensors, and its constants in the file as (begin, length in bytes)."""

    features: int
    weights: int
    bias: int
    weights_at: tuple[int, int]
    bias_at: tuple[int, int]


class Heads:
    """Of one model.

    Args:
        model: An int8 classifier that ends in a fully connected layer of two outputs.
    """

    def __init__(self, model: Path = BASE / "model.tflite") -> None:
        self._content = model.read_bytes()
        self._layer = _last_layer(self._content)
        # XNNPACK keeps no tensor between its operators.
        self._interpreter = Interpreter(
            model_content=self._content,
            num_threads=1,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            experimental_preserve_all_tensors=True,
        )
        self._interpreter.allocate_tensors()
        details = {detail["index"]: detail for detail in self._interpreter.get_tensor_details()}
        self._scales = details[self._layer.weights]["quantization_parameters"]["scales"]
        self._bias_scales = details[self._layer.bias]["quantization_parameters"]["scales"]
        self._features_scale, self._features_zero = details[self._layer.features]["quantization"]
        self._known: dict[str, Floats] = {}

    def features(self, cells: Sequence[Cell]) -> Floats:
        """What the last layer sees of each cell, [cells, features]."""
        for cell in cells:
            if cell.name not in self._known:
                self._known[cell.name] = self._features_of(cell)
        return np.stack([self._known[cell.name] for cell in cells])

    def _features_of(self, cell: Cell) -> Floats:
        taken = self._interpreter.get_input_details()[0]
        scale, zero = taken["quantization"]
        pixels = cv2.resize(cv2.imread(str(cell.path), cv2.IMREAD_GRAYSCALE), (_SIZE, _SIZE))
        codes = np.clip(np.round(pixels / 255 / scale) + zero, -128, 127).astype(np.int8)
        self._interpreter.set_tensor(taken["index"], codes[np.newaxis, ..., np.newaxis])
        self._interpreter.invoke()
        codes = self._interpreter.get_tensor(self._layer.features)[0]
        return (codes.astype(np.float64) - self._features_zero) * self._features_scale

    def with_head(self, weights: Floats, bias: float) -> bytes:
        """The model with another last layer.

        Args:
            weights: For the logit of `defective`, [features].
            bias: Likewise.
        """
        content = bytearray(self._content)
        # Softmax sees differences only: half of the logit to one side, half to the other.
        signed = np.stack([-weights / 2, weights / 2]) / np.reshape(self._scales, (-1, 1))
        biases = np.array([-bias / 2, bias / 2]) / self._bias_scales
        _put(content, self._layer.weights_at, np.clip(np.round(signed), -127, 127).astype(np.int8))
        _put(content, self._layer.bias_at, np.round(biases).astype(np.int32))
        return bytes(content)


def fitted(features: Floats, defective: npt.NDArray[np.bool_]) -> tuple[Floats, float]:
    """Weights and bias of a logistic regression with an L2 penalty, by Newton's method (iteratively reweighted least squares).

    Args:
        features: [cells, features].
        defective: What each cell is said to be, [cells].
    """
    mean, spread = features.mean(axis=0), np.maximum(features.std(axis=0), _LEAST_SPREAD)
    x = np.hstack([(features - mean) / spread, np.ones((len(features), 1))])
    penalty = np.append(np.full(features.shape[1], _DECAY), 0.0) * len(x)
    found = np.zeros(x.shape[1])
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(x @ found, -30, 30)))
        curvature = (x * (chance * (1 - chance) + 1e-6)[:, np.newaxis]).T @ x + np.diag(penalty)
        found -= np.linalg.solve(curvature, x.T @ (chance - defective) + penalty * found)
    weights = found[:-1] / spread
    return weights, float(found[-1] - weights @ mean)


def said_defective(cells: Sequence[Cell]) -> npt.NDArray[np.bool_]:
    """What the experts say of cells that they were sure of, [cells]."""
    return np.array([truth(cell) == "defective" for cell in cells])


def _put(content: bytearray, place: tuple[int, int], values: npt.NDArray[np.generic]) -> None:
    begin, length = place
    written = values.tobytes()
    if len(written) != length:
        raise ValueError(f"{len(written)} bytes for a constant of {length}")
    content[begin : begin + length] = written


def _last_layer(content: bytes) -> _Layer:
    model = schema.Model.GetRootAs(content, 0)
    graph = model.Subgraphs(0)
    for number in reversed(range(graph.OperatorsLength())):
        operator = graph.Operators(number)
        code = model.OperatorCodes(operator.OpcodeIndex())
        if max(code.BuiltinCode(), code.DeprecatedBuiltinCode()) == schema.BuiltinOperator.FULLY_CONNECTED:
            features, weights, bias = (int(operator.Inputs(k)) for k in range(3))
            places = [_place(content, model, graph.Tensors(tensor).Buffer()) for tensor in (weights, bias)]
            return _Layer(features, weights, bias, *places)
    raise ValueError("the model has no fully connected layer")


def _place(content: bytes, model: schema.Model, buffer: int) -> tuple[int, int]:
    data = model.Buffers(buffer).DataAsNumpy().tobytes()
    if content.count(data) != 1:
        raise ValueError("a constant of the last layer cannot be told from others in the file")
    return content.index(data), len(data)
