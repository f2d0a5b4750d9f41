"""Whether a model fits its decoder, and what is said when it does not. Shared by all decoders, used at load only."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, NoReturn

from agent.core.errors import ModelRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.models.spec import DecisionSpec, Decode, ModelSpec, OutputSpec
    from agent.models.tensors import TensorInfo

_ACTIVATIONS: dict[Decode, tuple[str, ...]] = {
    "classifier": ("none", "softmax", "sigmoid"),
    "segmenter": ("none", "softmax", "sigmoid"),
    "yolo": ("none", "sigmoid"),
}
_REJECT_KEYS: dict[Decode, tuple[str, ...]] = {
    "classifier": ("label",),
    "ssd": ("label",),
    "yolo": ("label",),
    "segmenter": ("label",),
    "autoencoder": ("threshold",),
    "embedding": ("threshold",),
    "regressor": ("above", "below"),
    "raw": (),
}
_NUMBERS = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "float16", "float32", "float64")


def refuse(output: OutputSpec, expected: str, found: Sequence[TensorInfo]) -> NoReturn:
    """Say what the decoder expects and what the model has.

    Raises:
        ModelRefused: Always.
    """
    tensors = ", ".join(info.describe() for info in found) or "no outputs"
    raise ModelRefused(
        f"decode = {output.decode!r} expects {expected}; the model gives {tensors}",
        hint="set output.decode to what the model gives, or export the model anew",
    )


def single(output: OutputSpec, outputs: Sequence[TensorInfo], expected: str) -> TensorInfo:
    """The only output of a model.

    Raises:
        ModelRefused: It has none or several.
    """
    if len(outputs) != 1:
        refuse(output, f"one output, {expected}", outputs)
    return outputs[0]


def check_spec(spec: ModelSpec, outputs: Sequence[TensorInfo]) -> None:
    """Refuse what no decoder can read, and keys that would silently do nothing.

    Raises:
        ModelRefused: An output holds no numbers or is quantized per channel, the decoder knows no such activation, or the
            decision asks for what the decoder never gives, so that it could never reject.
    """
    output = spec.output
    if any(info.dtype not in _NUMBERS for info in outputs):
        refuse(output, "numbers", outputs)
    if any(len(info.scales) > 1 for info in outputs):
        refuse(output, "outputs with one scale each, as TensorFlow Lite writes them", outputs)
    activations = _ACTIVATIONS.get(output.decode, ("none",))
    if output.activation not in activations:
        raise ModelRefused(
            f"decode = {output.decode!r} takes activation {' or '.join(activations)}, not {output.activation!r}",
            hint="remove output.activation",
        )
    if spec.decision is not None:
        _check_decision(output.decode, spec.decision)


def _check_decision(decode: Decode, decision: DecisionSpec) -> None:
    keys = _REJECT_KEYS[decode]
    if any(getattr(decision.reject, key) is not None for key in keys):
        return
    wanted = f"reject by {' or '.join(keys)}" if keys else "remove the decision"
    raise ModelRefused(f"the decision can never reject: decode = {decode!r} gives nothing it asks for", hint=wanted)


def class_names(labels: Sequence[str] | None, classes: int, found: TensorInfo) -> list[str]:
    """One name per class: the labels, or the numbers of the classes where there are none.

    Raises:
        ModelRefused: There are more or fewer labels than classes.
    """
    if labels is None:
        return [str(number) for number in range(classes)]
    if len(labels) != classes:
        raise ModelRefused(
            f"there are {len(labels)} labels for {classes} classes of the output {found.describe()}",
            hint="line k of the label file, counted from 0, is class k; a background class has a line too",
        )
    return list(labels)


def check_reject_label(decision: DecisionSpec | None, names: Sequence[str]) -> None:
    """Refuse a decision about a label that the model does not have.

    Args:
        decision: None for models that only observe.
        names: Of the classes. Empty where their number is not known: then any class number will do.

    Raises:
        ModelRefused: `decision.reject.label` is not among `names`.
    """
    label = decision.reject.label if decision else None
    if label is None or label in names or (not names and label.isdecimal()):
        return
    if not names:
        raise ModelRefused(
            f"the decision rejects {label!r}, and the model has no labels",
            hint="give the model a label file, or reject the number of a class",
        )
    close = get_close_matches(label, names, n=1)
    raise ModelRefused(
        f"the decision rejects {label!r}, which is none of the model's {len(names)} labels",
        hint=f"did you mean {close[0]!r}?"
        if close
        else f"the labels are {', '.join(names[:10])}{', …' if names[10:] else ''}",
    )
