"""Pixels, interpreter and decoder together, against the published answers of public models."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from decoding import model_spec

from agent.core.errors import ModelRefused
from agent.models.decoders import Context, make_decoder
from agent.models.pixels import ImageInput
from agent.models.spec import InputSpec
from agent.models.tensors import TensorInfo

litert = pytest.importorskip("ai_edge_litert.interpreter", reason="LiteRT has no wheel for this machine")
ASSETS = Path(os.environ.get("LINESIDE_TEST_ASSETS", ""))
pytestmark = pytest.mark.skipif(
    "LINESIDE_TEST_ASSETS" not in os.environ,
    reason="LINESIDE_TEST_ASSETS names no folder with public models and pictures",
)
SYMMETRIC = {"mean": [128.0], "std": [128.0]}


def described(details):
    quantization = details["quantization_parameters"]
    return TensorInfo(
        name=details["name"],
        shape=tuple(details["shape"].tolist()),
        dtype=np.dtype(details["dtype"]).name,
        scales=tuple(quantization["scales"].tolist()),
        zero_points=tuple(quantization["zero_points"].tolist()),
    )


class Loaded:
    """One model with the interpreter that runs it."""

    def __init__(self, name, spec, labels=None, references=None):
        self._interpreter = litert.Interpreter(str(ASSETS / "models" / name), num_threads=1)
        self._interpreter.allocate_tensors()
        (self._input,), self._outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        self.input = described(self._input)
        outputs = [described(details) for details in self._outputs]
        self._decoder = make_decoder(spec, [self.input], outputs, labels, references)

    def see(self, path, spec):
        """The result for one picture."""
        pixels = cv2.imread(str(ASSETS / "data" / path))
        placement = ImageInput(spec, self.input).fill(pixels, self._interpreter.tensor(self._input["index"])())
        return self._run(placement)

    def take(self, raw):
        """The result for one raw input tensor."""
        self._interpreter.set_tensor(self._input["index"], raw)
        return self._run(None)

    def _run(self, placement):
        self._interpreter.invoke()
        raws = [self._interpreter.get_tensor(details["index"]) for details in self._outputs]
        return self._decoder.decode(raws, Context(self._interpreter.get_tensor(self._input["index"]), placement))

    def output(self):
        return self._interpreter.get_tensor(self._outputs[0]["index"])


@pytest.mark.parametrize(
    ("picture", "label", "score"), [("cat.bmp", "Egyptian cat", 0.84), ("hot_dog.jpg", "hotdog", 0.96)]
)
def test_mobilenet_knows_its_pictures(picture, label, score):
    """A photo through resize, colour, table, interpreter and classifier gives the published answer."""
    labels = (ASSETS / "data/coral_images/imagenet_labels.txt").read_text("utf-8").splitlines()
    model = Loaded("mobilenet_v2_1.0_224_quant.tflite", model_spec("classifier"), labels)
    result = model.see(f"coral_images/{picture}", InputSpec(**SYMMETRIC))
    assert label in result.label
    assert result.score == pytest.approx(score, abs=0.03)


@pytest.mark.parametrize("fit", ["stretch", "letterbox"])
def test_coco_ssd_finds_what_is_on_the_table(fit):
    """Every object of the published list is found at its place, also where the frame is only part of the input."""
    labels = (ASSETS / "models/coco_ssd_labelmap.txt").read_text("utf-8").splitlines()[1:]
    model = Loaded("coco_ssd_mobilenet_v1_1.0_quant_detect.tflite", model_spec("ssd", threshold=0.3), labels)
    result = model.see("table_golden/table.jpg", InputSpec(fit=fit, **SYMMETRIC))
    height, width = cv2.imread(str(ASSETS / "data/table_golden/table.jpg")).shape[:2]
    for line in (ASSETS / "data/table_golden/table_results.txt").read_text("utf-8").splitlines():
        label, *numbers = line.split()
        *box, score = map(float, numbers)
        if score < 0.4:
            continue  # so close to the threshold, another resize decides
        expected = np.array(box) / [width, height, width, height]
        same = [o for o in result.objects if o.label == label.replace("_", " ")]
        assert any(np.abs(np.array(o.box) - expected).max() < 0.08 and abs(o.score - score) < 0.1 for o in same), label


def test_the_reconstruction_error_is_that_of_the_tensors():
    """The score equals the mean square of the differences of what went in and what came out, each by its own scale."""
    model = Loaded("ad01_int8.tflite", model_spec("autoencoder"))
    raw = np.random.default_rng(3).integers(-60, 60, (1, 640)).astype(np.int8)
    result = model.take(raw)
    scale_in, scale_out = 0.3910152316093445, 0.36449846625328064
    differences = (raw.astype(float) - 89) * scale_in - (model.output().astype(float) - 96) * scale_out
    assert result.score == pytest.approx(np.mean(differences**2), rel=1e-5)


def test_a_picture_is_at_no_distance_from_itself():
    """The embedding of a reference picture is the reference; another picture is further away."""
    name = "mobilenet_v1_1.0_224_quant_embedding_extractor.tflite"
    known = Loaded(name, model_spec("embedding")).see("coral_images/cat.bmp", InputSpec(**SYMMETRIC))
    spec = model_spec("embedding", task="anomaly", reject={"threshold": 1.0})
    model = Loaded(name, spec, references=np.array([known.vector]))
    assert model.see("coral_images/cat.bmp", InputSpec(**SYMMETRIC)).score == 0.0
    assert model.see("coral_images/hot_dog.jpg", InputSpec(**SYMMETRIC)).score > 1.0


def test_a_model_is_refused_by_a_decoder_it_is_not_for():
    """The message names the shape that was found."""
    with pytest.raises(ModelRefused, match=r"uint8 \[1, 1001\]"):
        Loaded("mobilenet_v2_1.0_224_quant.tflite", model_spec("ssd"))
