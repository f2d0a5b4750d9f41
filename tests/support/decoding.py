"""Short ways to describe a model and to decode what it would have given."""

from __future__ import annotations

import numpy as np

from agent.models.decoders import Context, make_decoder
from agent.models.placement import Placement
from agent.models.spec import TASKS_OF_DECODE, DecisionSpec, InputSpec, ModelSpec, OutputSpec, RejectSpec
from agent.models.tensors import TensorInfo

IMAGE = TensorInfo("image", (1, 64, 128, 3), "uint8", (1 / 255,), (0,))
WHOLE = Placement()


def tensor(shape, dtype="float32", scale=None, zero_point=0, name="tensor") -> TensorInfo:
    """A tensor with at most one scale, which is float32 as in a model file."""
    scales = () if scale is None else (float(np.float32(scale)),)
    return TensorInfo(name, tuple(shape), dtype, scales, (zero_point,) if scales else ())


def model_spec(decode, *, task=None, reject=None, **output) -> ModelSpec:
    """A whole spec around `[output]`; `reject` holds the keys of `decision.reject`."""
    return ModelSpec(
        name="model",
        version="1",
        task=task or TASKS_OF_DECODE[decode][0],
        model="model.tflite",
        input=InputSpec(kind="image"),
        output=OutputSpec(decode=decode, **output),
        decision=DecisionSpec(reject=RejectSpec(**reject)) if reject else None,
    )


def decoder_for(spec, outputs, *, labels=None, inputs=(IMAGE,), references=None):
    """What `make_decoder` gives for such a model."""
    return make_decoder(spec, list(inputs), list(outputs), labels, references)


def decode(spec, *raws, infos=None, labels=None, inputs=(IMAGE,), references=None, placement=WHOLE, given=None):
    """Decode arrays; without `infos` they are outputs that are not quantized."""
    raws = [np.asarray(raw) for raw in raws]
    infos = infos or [tensor(raw.shape, raw.dtype.name) for raw in raws]
    decoder = decoder_for(spec, infos, labels=labels, inputs=inputs, references=references)
    return decoder.decode(raws, Context(input=given, placement=placement))
