"""From the frames of a line to its next model: captured by policy, judged by people, exported, quantized, evaluated, packed."""

from __future__ import annotations

import json
import time

import cv2
import pytest
import tiny_models
from broker import needs_mosquitto
from deadlines import LONG_S
from drifting import part
from line import CLASSIFIER_TOML, Agent, configure, write_bundle
from typer.testing import CliRunner

from agent.capture.folder import SampleFolder
from agent.cli.main import app
from agent.control import ask

pytestmark = needs_mosquitto

LINE = (
    '[sources.folder]\ntype = "images"\nurl = "pictures"\nloop = true\n[models.tiny]\npath = "tiny"\n'
    '[pipelines.inspect]\nsource = "folder"\nmodel = "tiny"\nmax_rate_hz = 100\n'
    '[pipelines.inspect.capture]\nreasons = ["random", "feedback"]\nrandom_share = 1.0\nevery_s = 0\n'
    "[samples]\nreserve_bytes = 0\n"
)
GOLDEN = '[golden]\nfolder = "golden"\nmin_accuracy = 0.5\n'


def until(happens):
    """Wait for what the agent does beside us."""
    deadline_s = time.monotonic() + LONG_S
    while not happens():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)  # between two looks


def lineside(*arguments) -> str:
    """What a command says, which must end well."""
    ran = CliRunner().invoke(app, [*map(str, arguments)])
    assert ran.exit_code == 0, (ran.output, ran.exception)
    return ran.stdout


def judged(folder):
    return [sample for sample in folder.samples() if sample.truth is not None]


def test_what_a_line_kept_and_people_judged_makes_and_judges_the_next_version(tmp_path, broker):
    """Some were right, some wrong with the label, some with the decision: all of it is data, and nothing that only a model said."""
    pytest.importorskip("ai_edge_quantizer", reason="the LiteRT quantizer is in the extra [publish]")
    (tmp_path / "pictures").mkdir()
    for k in range(20):
        assert cv2.imwrite(str(tmp_path / "pictures" / f"{k:02}.png"), part(k))
    write_bundle(tmp_path / "tiny", toml=CLASSIFIER_TOML + GOLDEN, model=tiny_models.classifier(dtype="float32"))
    config, state_dir = configure(tmp_path, broker.port, LINE), tmp_path / "state"
    folder = SampleFolder(state_dir)
    with Agent(config) as agent:
        until(lambda: len(list(folder.samples())) >= 20)
        ids = [sample.id for sample in folder.samples()]
        assert lineside("model", "feedback", ids[0], "right", "-c", config) == "kept with the sample\n"
        for name in ids[1:10]:
            ask(state_dir, "model feedback", prediction=name, verdict="right")
        for name in ids[10:12]:
            ask(state_dir, "model feedback", prediction=name, verdict="wrong", label="bright")
        for name in ids[12:14]:
            ask(state_dir, "model feedback", prediction=name, verdict="wrong", decision="reject")
        until(lambda: len(judged(folder)) == 14)
        assert agent.stop() == 0, agent.log

    data, small = tmp_path / "dataset", tmp_path / "int8"
    exported = json.loads(lineside("samples", "export", data, "-c", config, "--json"))
    assert (exported["samples"], exported["labelled"]) == (20, 14)
    lineside("model", "quantize", tmp_path / "tiny", "--out", small, "--calibration", data, "--data", data)
    assert "ranges from 20 samples" in (tmp_path / "int8.html").read_text()
    report = json.loads(lineside("model", "evaluate", small, "--data", data, "--json", "--html", tmp_path / "e.html"))
    assert report["data"]["samples"] == 14
    assert set(report["data"]["labels"]) >= {"reject"}
    assert "statistics of 14 samples" in lineside("model", "pack", small, "--data", data)
