"""Decoders: from the raw output tensors of a model to a result, one file per kind of model. Pure, and strict at load."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent.models.decoders.autoencoder import Autoencoder
from agent.models.decoders.classifier import Classifier
from agent.models.decoders.contract import Context, Decoder
from agent.models.decoders.embedding import EmbeddingDecoder
from agent.models.decoders.fitting import check_spec
from agent.models.decoders.raw import Raw
from agent.models.decoders.regressor import Regressor
from agent.models.decoders.segmenter import Segmenter
from agent.models.decoders.ssd import Ssd
from agent.models.decoders.yolo import Yolo

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
    check_spec(spec, outputs)
    match spec.output.decode:
        case "classifier":
            return Classifier(spec, outputs, labels)
        case "ssd":
            return Ssd(spec, outputs, labels)
        case "yolo":
            return Yolo(spec, inputs, outputs, labels)
        case "segmenter":
            return Segmenter(spec, outputs, labels)
        case "autoencoder":
            return Autoencoder(spec, inputs, outputs)
        case "regressor":
            return Regressor(spec, outputs)
        case "embedding":
            return EmbeddingDecoder(spec, outputs, references)
        case "raw":
            return Raw(outputs)
