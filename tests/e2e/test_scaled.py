"""The agent with `decode = "scaled"` and `"auto"`: as many predictions as frames, and what is decided stands in the log."""

from __future__ import annotations

import subprocess
from shutil import which

import pytest
import tiny_models
from broker import Mosquitto, Subscriber, needs_mosquitto
from line import Agent, configure, write_bundle

FFMPEG = which("ffmpeg")
pytestmark = [
    needs_mosquitto,
    pytest.mark.skipif(FFMPEG is None, reason="no ffmpeg (tests/install-tools installs it)"),
]
PATIENT = (
    "-c",
    "import agent.wiring; agent.wiring.MODELS_S = 600.0\nfrom agent.__main__ import main\nmain()",
)
"""An agent whose source waits for the models for as long as their trial takes on a slow machine; ten seconds are its own patience."""
TABLES = '[sources.cam]\ntype = "camera"\nurl = "belt.mp4"\n[models.tiny]\npath = "tiny"\n'
PIPELINE = '[pipelines.{}]\nsource = "cam"\nmodel = "tiny"\n'


def run(tmp_path, tables, count=20, code=0):
    """All predictions of the pipeline `one`, and the agent's log."""
    source = ["-f", "lavfi", "-i", f"color=white:s=2560x1440:r=25:d={count / 25}"]
    subprocess.run([FFMPEG, "-v", "error", "-y", *source, str(tmp_path / "belt.mp4")], check=True, timeout=60)
    write_bundle(tmp_path / "tiny", model=tiny_models.classifier(height=32, width=64))
    with Mosquitto() as broker, Subscriber(broker.port, "lineside/#") as subscriber:
        with Agent(configure(tmp_path, broker.port, tables), program=PATIENT) as agent:
            predictions = subscriber.wait_count("pipeline/one/prediction", count)
            assert agent.wait() == code, agent.log
        return predictions, agent.log


@pytest.mark.parametrize("decode", ["scaled", "auto"])
def test_every_frame_of_a_file_gives_one_prediction(tmp_path, decode):
    """The source waits for the models; then none is lost, and the verdict is the same."""
    tables = TABLES.replace("belt.mp4", f'belt.mp4"\ndecode = "{decode}')
    predictions, log = run(tmp_path, tables + PIPELINE.format("one"))
    assert [p["seq"] for p in predictions] == list(range(20))
    assert {p["result"]["label"] for p in predictions} == {"bright"}
    assert ("frames scaled from 2560 x 1440 to 64 x 36" in log) == (decode == "auto")
    assert "full frames" not in log


def test_a_region_that_needs_the_pixels_keeps_the_frames_full(tmp_path):
    """A small part of the frame for a second pipeline; the reason is said once."""
    tables = TABLES.replace("belt.mp4", 'belt.mp4"\ndecode = "auto')
    tables += PIPELINE.format("one") + PIPELINE.format("two") + "region = [0.0, 0.0, 0.02, 0.02]\n"
    predictions, log = run(tmp_path, tables)
    assert len(predictions) == 20
    assert log.count("3200 x 1600 of 2560 x 1440 pixels are needed, more than half") == 1


def test_a_pipeline_whose_model_is_refused_keeps_the_frames_full(tmp_path):
    """Nobody knows what it will need once it can be loaded."""
    write_bundle(tmp_path / "bad", model=b"no model at all")
    tables = TABLES.replace("belt.mp4", 'belt.mp4"\ndecode = "scaled') + PIPELINE.format("one")
    tables += '[models.bad]\npath = "bad"\n' + PIPELINE.format("bad").replace('"tiny"', '"bad"')
    predictions, log = run(tmp_path, tables, code=1)
    assert len(predictions) == 20
    assert "full frames, not every pipeline has its model, or one needs full frames" in log
