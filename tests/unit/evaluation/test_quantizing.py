"""A float model made int8: it is one, it agrees, and what it lost is said."""

from __future__ import annotations

import numpy as np
import pytest
import tiny_models
from evaluating import write_pictures
from line import write_bundle

from agent.core.errors import BadData
from agent.evaluation.data import read_data
from agent.evaluation.evaluating import Order
from agent.evaluation.quantizing import relative_loss
from agent.evaluation.smaller import make_smaller, pictures
from agent.evaluation.smaller_page import smaller_page
from agent.models.tflite_file import read_tflite

pytest.importorskip("ai_edge_quantizer", reason="the LiteRT quantizer is in the extra [publish]")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("smaller")
    write_bundle(folder / "float", model=tiny_models.classifier(dtype="float32"))
    write_pictures(write_pictures(folder / "data", "dark", range(10, 110, 5)), "bright", range(150, 250, 5))
    return folder


def test_static_int8_agrees_with_the_float_model(place):
    """Ranges reach over all samples: the mean brightness is one number a picture, and an average range would clip it."""
    out, data = place / "static", place / "data"
    report = make_smaller(place / "float", out, None, "static", data, read_data(data), Order())
    assert read_tflite(out / "model.tflite").quantization == "int8"
    assert 'version = "1.0.0-int8"' in (out / "model.toml").read_text()
    assert report["calibration_samples"] == 40
    assert report["agreement"]["same_decision"] == 1.0
    assert report["evaluation"]["measures"]["accuracy"]["value"] == 1.0
    assert [layer["operator"] for layer in report["layers"]] != []
    assert max(layer["loss"] for layer in report["layers"]) < 0.1
    assert "No difference to the float model" in smaller_page(report)


def test_dynamic_range_needs_no_samples(place):
    """Weights are int8, inputs and outputs stay real."""
    report = make_smaller(place / "float", place / "dynamic", "1.1.0", "dynamic", None, None, Order())
    assert read_tflite(place / "dynamic" / "model.tflite").inputs[0].dtype == "float32"
    assert (report["agreement"], report["evaluation"]) == (None, None)


@pytest.mark.parametrize(
    ("name", "mode", "said"),
    [
        ("int8", "static", "int8 already"),
        ("float", "static", "come from samples"),
        ("float", "dynamic", "something in"),
    ],
)
def test_what_cannot_be_quantized_says_why(place, name, mode, said):
    """A model that is int8 already, static ranges from nothing, a folder that is not empty."""
    if name == "int8":
        write_bundle(place / "int8")
    out = place / "data" if said == "something in" else place / f"out-{name}-{mode}"
    with pytest.raises(BadData, match=said):
        make_smaller(place / name, out, None, mode, None, None, Order())


def test_of_many_pictures_some_are_taken_evenly(tmp_path):
    """Whatever folders they lie in; what is no picture is left."""
    for k in range(1001):
        (tmp_path / f"{k:04}.png").touch()
    (tmp_path / "labels.csv").touch()
    found = pictures(tmp_path)
    assert (len(found), found[0].name, found[-1].name) == (500, "0000.png", "1000.png")


def test_noise_is_told_as_a_share_of_the_signal():
    """And of nothing, all of it."""
    assert relative_loss(np.array([1.1, -1.1]), np.array([1.0, -1.0])) == pytest.approx(0.1)
    assert (relative_loss(np.zeros(2), np.zeros(2)), relative_loss(np.ones(2), np.zeros(2))) == (0.0, 1.0)
