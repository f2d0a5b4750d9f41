"""Every example and the tutorial as a reader follows them: the files where the page says, the real agent, a real broker."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from broker import Mosquitto, Subscriber, needs_mosquitto
from clips import write_pictures
from line import Agent

ROOT = Path(__file__).parents[2]
BOTTLES = ROOT / "examples" / "bottles"
CONFIGURATIONS = sorted(ROOT.glob("examples/*/agent.toml"))
ASSETS = os.environ.get("LINESIDE_TEST_ASSETS")
BOTTLE_FILES = {
    "coco-ssd/detect.tflite": "models/coco_ssd_mobilenet_v1_1.0_quant_detect.tflite",
    "labelmap.txt": "models/coco_ssd_labelmap.txt",
    "bottle-detection.mp4": "videos/bottle-detection.mp4",
}

needs_assets = pytest.mark.skipif(not ASSETS, reason="LINESIDE_TEST_ASSETS is not set: the example's model and video")


def lineside(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agent", *words], cwd=cwd, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture
def bottles(tmp_path):
    """A copy of the example with the files that its README names."""
    folder = tmp_path / "bottles"
    shutil.copytree(BOTTLES, folder)
    for name, asset in BOTTLE_FILES.items():
        shutil.copyfile(Path(ASSETS) / asset, folder / name)
    labels = (folder / "labelmap.txt").read_text().splitlines(keepends=True)
    (folder / "coco-ssd" / "labels.txt").write_text("".join(labels[1:]))
    return folder


@pytest.mark.parametrize("config", CONFIGURATIONS, ids=lambda config: config.parent.name)
def test_every_example_is_a_valid_configuration(config):
    """Also before its files are there: `check --quick` finds no error and no warning."""
    checked = lineside("check", "--quick", config.name, cwd=config.parent)
    assert checked.returncode == 0, checked.stderr
    assert not checked.stderr


def test_every_example_is_run_by_a_test():
    """Whoever adds one adds it here."""
    assert [config.parent for config in CONFIGURATIONS] == [BOTTLES]


@needs_assets
def test_the_files_of_the_bottles_are_those_that_the_page_names():
    """By their digests."""
    page = (BOTTLES / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([0-9a-f]{64})`", page))
    there = {hashlib.sha256((Path(ASSETS) / asset).read_bytes()).hexdigest() for asset in BOTTLE_FILES.values()}
    assert named
    assert named <= there


@needs_assets
@needs_mosquitto
def test_the_bottles_are_found(bottles):
    """The bundle packs, the configuration has no error, and the first frame has a bottle of at least 0.5."""
    packed = lineside("model", "pack", "coco-ssd", cwd=bottles)
    assert packed.returncode == 0, packed.stderr
    checked = lineside("check", "agent.toml", cwd=bottles)
    assert checked.returncode == 0, checked.stderr
    with Mosquitto() as broker, Subscriber(broker.port, "lineside/#") as subscriber:
        with Agent(bottles / "agent.toml", "--once", env={"LINESIDE_MQTT__URL": broker.url}) as agent:
            assert agent.wait() == 0, agent.log
        prediction = subscriber.wait_count("pipeline/bottles/prediction", 1)[0]
    best = {found["label"]: found["score"] for found in reversed(prediction["result"]["objects"])}
    assert best["bottle"] >= 0.5
    assert prediction["decision"] == "accept"


@needs_mosquitto
def test_the_tutorial_gives_verdicts(tmp_path):
    """Its configuration, as it stands on the page, with the shipped bundle and any pictures."""
    page = (ROOT / "docs/tutorial/first-line.md").read_text(encoding="utf-8")
    config = tmp_path / "agent.toml"
    config.write_text(re.search(r"^```toml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL).group(1), encoding="utf-8")
    shutil.copytree(ROOT / "agent/demo/solar-cell", tmp_path / "solar-cell")
    write_pictures(tmp_path / "photographs", 4)
    with Mosquitto() as broker, Subscriber(broker.port, "lineside/#") as subscriber:
        with Agent(config, env={"LINESIDE_MQTT__URL": broker.url}) as agent:
            prediction = subscriber.wait_for("home/lab/bench-1/pipeline/inspect/prediction", lambda _: True).body
            assert agent.stop() == 0, agent.log
        assert subscriber.wait_for("bench-1/status", lambda status: status["state"] == "stopped")
    assert prediction["decision"] in {"accept", "reject", "unsure"}
    assert prediction["model"]["name"] == "solar-cell"
