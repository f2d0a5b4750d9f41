"""An evaluation from pictures to report: by the agent's own way, honest about files, and readable without a network."""

from __future__ import annotations

import json
import re

import pytest
import tiny_models
from evaluating import write_pictures
from line import CLASSIFIER_TOML, write_bundle
from typer.testing import CliRunner

from agent.cli.main import app
from agent.evaluation.data import read_data
from agent.evaluation.evaluating import Order, evaluate
from agent.evaluation.page import evaluation_page
from agent.models.bundle import open_unpacked
from cloud_sync.evaluation import Report
from cloud_sync.manifest import file_sha256

DARK, BRIGHT = range(10, 110, 5), range(150, 250, 5)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Data, and a bundle evaluated against one that takes bright for dark."""
    folder = tmp_path_factory.mktemp("evaluated")
    data = write_pictures(write_pictures(folder / "data", "dark", DARK), "bright", BRIGHT)
    write_bundle(folder / "right")
    write_bundle(folder / "wrong", labels=("bright", "dark"))
    return folder, data


@pytest.fixture(scope="module")
def report(place):
    folder, data = place
    wrong = open_unpacked(folder / "wrong")
    return evaluate(open_unpacked(folder / "right"), read_data(data), Order(), wrong)


def test_a_model_that_is_right_is_found_right_and_better(report):
    """And the report is what a gate can read."""
    assert report["measures"]["accuracy"]["value"] == report["measures"]["auc"]["value"] == 1.0
    assert report["measures"]["accuracy"]["low"] < 1.0
    assert report["against"]["verdict"] == "better"
    assert report["against"]["measures"]["accuracy"]["value"] == 0.0
    read = Report.decode(json.dumps(report).encode())
    assert set(read.hits) == {"decision_accuracy", "caught"}
    assert read.hits["caught"].count("-") == len(DARK)


def test_it_holds_for_the_files_that_decide_and_no_other(place, report):
    """Model, description and labels; not what is added afterwards."""
    folder = place[0] / "right"
    expected = {name: file_sha256(folder / name) for name in ("model.tflite", "model.toml", "labels.txt")}
    assert report["model"]["files"] == expected


def test_the_page_needs_nothing_from_elsewhere(report):
    """A plant network has no CDN; and a name in the data is text, whatever it looks like."""
    hostile = {**report, "notes": ["<script>alert(1)</script>"], "classes": [dict(report["classes"][0], label="<b>")]}
    page = evaluation_page(hostile)
    assert not re.search(r"<script|src=|href=|url\(|@import|https?:", page)
    assert "&lt;script&gt;" in page
    assert page.count("<svg") >= 3


def test_the_command_writes_both_reports_and_says_what_misses_a_bound(place):
    """Exit code 3, as for every finding that is an error; the bundle has the report all the same."""
    folder, data = place
    bundle = write_bundle(folder / "bounded", toml=f"{CLASSIFIER_TOML}[bounds]\naccuracy = 0.99\n")
    page = folder / "page.html"
    ran = CliRunner().invoke(
        app, ["model", "evaluate", str(bundle), "--data", str(data), "--html", str(page), "--json"]
    )
    assert ran.exit_code == 3
    assert "accuracy is 1, with confidence only at least 0.9" in ran.stderr
    assert json.loads(ran.stdout) == json.loads((bundle / "evaluation.json").read_bytes())
    assert "Bound missed" in page.read_text()


def test_pack_says_that_an_evaluation_is_of_other_files(place):
    """Before a registry refuses it."""
    folder, data = place
    bundle = write_bundle(folder / "stale")
    page = str(folder / "page.html")
    assert (
        CliRunner().invoke(app, ["model", "evaluate", str(bundle), "--data", str(data), "--html", page]).exit_code == 0
    )
    assert "evaluation-stale" not in CliRunner().invoke(app, ["model", "pack", str(bundle)]).stderr
    (bundle / "labels.txt").write_text("dark\nbright\n\n")
    assert "another labels.txt" in CliRunner().invoke(app, ["model", "pack", str(bundle)]).stderr


def test_a_model_without_a_decoder_cannot_be_judged(place, tmp_path):
    """Bare tensors are neither right nor wrong."""
    toml = CLASSIFIER_TOML.split("[output]")[0].replace("classification", "tensor") + '[output]\ndecode = "raw"\n'
    bundle = write_bundle(tmp_path / "raw", toml=toml, model=tiny_models.classifier())
    ran = CliRunner().invoke(app, ["model", "evaluate", str(bundle), "--data", str(place[1])])
    assert "bare tensors" in str(ran.exception)


def test_boxes_are_asked_for_below_the_threshold_and_decided_at_it(tmp_path):
    """Average precision looks at every score; the decision is the one that the line would see, where a weak box is not reported."""
    pytest.importorskip("pycocotools", reason="boxes are judged by pycocotools, extra [publish]")
    toml = CLASSIFIER_TOML.replace("classification", "detection").replace("classifier", "ssd")
    weak = tiny_models.ssd_like([((0.0, 0.0, 0.5, 0.5), 1, 0.3)])
    bundle = open_unpacked(write_bundle(tmp_path / "b", toml=toml, model=weak))
    data = write_pictures(tmp_path / "data", "images", [10, 20])
    said = {
        "images": [{"id": k, "file_name": f"{k}.png", "width": 8, "height": 8} for k in (10, 20)],
        "categories": [{"id": 1, "name": "bright"}],
        "annotations": [{"id": k, "image_id": k, "category_id": 1, "bbox": [0, 0, 4, 4]} for k in (10, 20)],
    }
    (data / "annotations.json").write_text(json.dumps(said))
    report = evaluate(bundle, read_data(data), Order())
    assert report["measures"]["map"]["value"] == pytest.approx(1.0)
    assert report["measures"]["recall"]["value"] == 0.0
    assert report["decisions"]["reject"] == {"accept": 2, "unsure": 0, "reject": 0}
