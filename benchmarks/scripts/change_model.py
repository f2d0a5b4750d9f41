"""`python change_model.py KIND MODEL OUT`: a model as its owner would publish it next. Always the same bytes for the same model.

metadata: a word of its description. last-layer: the weights of the last operator that has any, drawn anew with the same values. fine-tune: a
fifth of all weights, by one up or down.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema

_DATA = 4
_LEAST = 256
_SEED = 7
_SHARE = 0.2


def main(kind: str, model: Path, out: Path) -> None:
    """Write the changed model."""
    content = bytearray(model.read_bytes())
    chance = np.random.default_rng(_SEED)
    if kind == "metadata":
        at, length = _description(content)
        content[at : at + length] = (b"Retouched. " * length)[:length]
    elif kind == "last-layer":
        weights = _view(content, _weights(content)[-1])
        weights[:] = chance.permutation(weights)
    elif kind == "fine-tune":
        for place in _weights(content):
            weights = _view(content, place)
            chosen = chance.random(weights.size) < _SHARE
            steps = chance.choice(np.array([1, 255], dtype=np.uint8), weights.size)
            weights[chosen] += steps[chosen]
    else:
        sys.exit(f"no such change: {kind}")
    out.write_bytes(content)


def _view(content: bytearray, place: tuple[int, int]) -> np.ndarray:
    begin, length = place
    return np.frombuffer(content, np.uint8, length, begin)


def _description(content: bytearray) -> tuple[int, int]:
    """Where the description stands, and its length."""
    root = schema.Model.GetRootAs(content, 0)
    text = root.Description()
    return content.index(text), len(text)


def _weights(content: bytearray) -> list[tuple[int, int]]:
    """Where the 8-bit constants of the operators stand, in the order of the operators, and their lengths."""
    root = schema.Model.GetRootAs(content, 0)
    graph = root.Subgraphs(0)
    found: list[tuple[int, int]] = []
    for number in range(graph.OperatorsLength()):
        for index in graph.Operators(number).InputsAsNumpy():
            tensor = graph.Tensors(index)
            buffer = root.Buffers(tensor.Buffer())
            is_8_bit = tensor.Type() in (schema.TensorType.UINT8, schema.TensorType.INT8)
            if is_8_bit and buffer.DataLength() >= _LEAST:
                table = buffer._tab  # noqa: SLF001 - the accessors give copies, and places are wanted
                found.append((table.Vector(table.Offset(_DATA)), buffer.DataLength()))
    return found


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
