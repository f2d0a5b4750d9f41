"""What kind of numbers a model computes with: one word for programs, one sentence for people.

A pure rule over the element types that occur; `tflite_file` collects them. The sentences are shown by `model inspect`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

Quantization = Literal["int8", "uint8", "int16", "dynamic-range", "float16", "float32", "mixed", "none"]
"""`int8`, `uint8`, `int16`: integer activations. `dynamic-range`: integer weights, float activations. `none`: nothing real-valued."""

_INTEGER_ACTIVATIONS: tuple[Literal["int8", "uint8", "int16"], ...] = ("int8", "uint8", "int16")
_INTEGERS = {"int2", "int4", "uint4", *_INTEGER_ACTIVATIONS}
_FLOATS = {"float16", "bfloat16", "float32", "float64"}
REAL_TYPES = _INTEGERS | _FLOATS
"""Types that hold real values, the integers among them only with a scale; others are indices, shapes, biases and texts."""


def describe_precision(weights: Iterable[str], inside: Iterable[str], edges: Iterable[str]) -> tuple[Quantization, str]:
    """Name the arithmetic of a model.

    Args:
        weights: Types of constant tensors.
        inside: Types of computed tensors between the operators.
        edges: Types of the model's inputs and outputs.
        All of them out of `REAL_TYPES`; integers only where the tensor has a scale.

    Returns:
        The word, and a sentence such as `full integer (int8)`.
    """
    weight_types, edge_types = set(weights), set(edges)
    computed = set(inside) or edge_types
    if not computed:
        return "none", "neither quantized nor float tensors"
    for kind in _INTEGER_ACTIVATIONS:
        if computed == {kind}:
            return kind, _integer(kind, weight_types & _INTEGERS, edge_types & _FLOATS)
    if not computed <= _FLOATS:
        return "mixed", f"mixed ({_join(weight_types)} weights, {_join(computed)} activations)"
    if weight_types & _INTEGERS:
        return (
            "dynamic-range",
            f"dynamic range ({_join(weight_types & _INTEGERS)} weights, {_join(computed)} activations)",
        )
    if "float16" in weight_types | computed:
        return "float16", f"float16 weights, {_join(computed)} activations"
    return "float32", _join(computed)


def _integer(kind: str, weights: set[str], float_edges: set[str]) -> str:
    inside = kind if weights <= {kind} else f"{kind} activations, {_join(weights)} weights"
    if float_edges:
        return f"integer inside ({inside}), {_join(float_edges)} inputs or outputs"
    return f"full integer ({inside})"


def _join(types: Iterable[str]) -> str:
    return " and ".join(sorted(types)) or "no"
