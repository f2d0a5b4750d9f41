"""What is refused at load for every decoder, because it would be wrong without a word later."""

from __future__ import annotations

import pytest
from decoding import decoder_for, model_spec, tensor

from agent.core.errors import ModelRefused
from agent.models.tensors import TensorInfo

OUTPUTS = {
    "classifier": [tensor((1, 3))],
    "ssd": [tensor((1, 9, 4)), tensor((1, 9)), tensor((1, 9)), tensor((1,))],
    "yolo": [tensor((1, 7, 100))],
    "segmenter": [tensor((1, 8, 8, 3))],
    "autoencoder": [tensor((1, 64, 128, 3))],
    "regressor": [tensor((1, 1))],
    "embedding": [tensor((1, 64))],
    "raw": [tensor((1, 64))],
}
LABELLED = ["classifier", "ssd", "yolo", "segmenter"]
LABELS = ["fine", "scratch", "crack"]


@pytest.mark.parametrize("decode", OUTPUTS)
def test_every_decoder_takes_the_outputs_it_is_for(decode):
    """One decoder for each value of `output.decode`."""
    labels = LABELS if decode in LABELLED else None
    assert callable(decoder_for(model_spec(decode), OUTPUTS[decode], labels=labels).decode)


@pytest.mark.parametrize("decode", LABELLED)
def test_a_reject_label_that_is_misspelt_is_found(decode):
    """A label that the model never gives would accept every part."""
    with pytest.raises(ModelRefused, match="'crak'") as refused:
        decoder_for(model_spec(decode, reject={"label": "crak"}), OUTPUTS[decode], labels=LABELS)
    assert refused.value.hint == "did you mean 'crack'?"


def test_a_reject_label_like_no_other_is_answered_with_the_labels():
    """Where nothing is close, the labels there are help."""
    with pytest.raises(ModelRefused) as refused:
        decoder_for(model_spec("classifier", reject={"label": "Kratzer!"}), OUTPUTS["classifier"], labels=LABELS)
    assert refused.value.hint == "the labels are fine, scratch, crack"


@pytest.mark.parametrize(
    ("decode", "reject", "hint"),
    [
        ("regressor", {"label": "crack"}, "reject by above or below"),
        ("autoencoder", {"label": "crack"}, "reject by threshold"),
        ("embedding", {"above": 1.0}, "reject by threshold"),
        ("classifier", {"threshold": 1.0}, "reject by label"),
        ("ssd", {"above": 1.0}, "reject by label"),
        ("raw", {"threshold": 1.0}, "remove the decision"),
    ],
)
def test_a_decision_that_could_never_reject_is_refused(decode, reject, hint):
    """Asking a number for a label, or a label for a number, accepts every part."""
    with pytest.raises(ModelRefused, match="never reject") as refused:
        decoder_for(model_spec(decode, reject=reject), OUTPUTS[decode])
    assert refused.value.hint == hint


def test_a_distance_that_decides_needs_references():
    """An embedding without references has no distance to reject by."""
    with pytest.raises(ModelRefused, match="the bundle has none"):
        decoder_for(model_spec("embedding", reject={"threshold": 1.0}), OUTPUTS["embedding"])


@pytest.mark.parametrize(
    ("decode", "activation"),
    [("ssd", "sigmoid"), ("yolo", "softmax"), ("autoencoder", "sigmoid"), ("regressor", "softmax"), ("raw", "softmax")],
)
def test_an_activation_that_would_do_nothing_is_refused(decode, activation):
    """A key without an effect hides a misunderstanding."""
    with pytest.raises(ModelRefused, match=activation):
        decoder_for(model_spec(decode, activation=activation), OUTPUTS[decode])


@pytest.mark.parametrize("decode", OUTPUTS)
def test_outputs_quantized_per_channel_are_refused(decode):
    """The order of raw values is that of real ones only where there is one scale."""
    outputs = [TensorInfo(o.name, o.shape, "int8", (0.5, 0.25), (0, 0), 1) for o in OUTPUTS[decode]]
    with pytest.raises(ModelRefused, match="one scale"):
        decoder_for(model_spec(decode), outputs)
