"""Decoders: from the raw output tensors of a model to a result, one file per kind of model. Pure, and strict at load."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.models.decoders.contract import Context, Decoder
from agent.models.decoders.fitting import check_spec

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from agent.models.spec import ModelSpec
    from agent.models.tensors import TensorInfo

__all__ = ["Context", "Decoder", "make_decoder"]


def make_decoder(
    spec: ModelSpec,
    inputs: Sequence[TensorInfo],
    outputs: Sequence[TensorInfo],
    labels: Sequence[str] | None,
    references: npt.NDArray[Any] | None,
) -> Decoder:
    """The decoder that `output.decode` names, fitted to a model.

    Args:
        spec: What the bundle says of the model, with the decision that will be applied to its results.
        inputs: The model's inputs.
        outputs: The model's outputs, in the order in which `decode` gets them.
        labels: Line k is class k; None where the bundle has none, and classes are then named by their number.
        references: [n, features], for embeddings.

    Raises:
        ModelRefused: Tensors, labels, references or decision do not fit the decoder; the message says what was found and
            what was expected.
    """
    # ruff: noqa: PLC0415 - a device has one or two kinds of model; all eight take 9 ms
    check_spec(spec, outputs)
    match spec.output.decode:
        case "classifier":
            from agent.models.decoders.classifier import Classifier

            return Classifier(spec, outputs, labels)
        case "ssd":
            from agent.models.decoders.ssd import Ssd

            return Ssd(spec, outputs, labels)
        case "yolo":
            from agent.models.decoders.yolo import Yolo

            return Yolo(spec, inputs, outputs, labels)
        case "segmenter":
            from agent.models.decoders.segmenter import Segmenter

            return Segmenter(spec, outputs, labels)
        case "autoencoder":
            from agent.models.decoders.autoencoder import Autoencoder

            return Autoencoder(spec, inputs, outputs)
        case "regressor":
            from agent.models.decoders.regressor import Regressor

            return Regressor(spec, outputs)
        case "embedding":
            from agent.models.decoders.embedding import EmbeddingDecoder

            return EmbeddingDecoder(spec, outputs, references)
        case "raw":
            from agent.models.decoders.raw import Raw

            return Raw(outputs)
