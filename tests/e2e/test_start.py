"""What a start of the agent does without, and what becomes of the rest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import tiny_models
from broker import Mosquitto, Subscriber, needs_mosquitto
from clips import write_video
from command import environment
from deadlines import LONG_S
from line import Agent, configure, write_bundle

import agent.cli.main
from agent.cli import run
from agent.cli.serve import DEFAULT_CONFIG, plain_run
from agent.models.bundle import open_unpacked
from cloud_sync import manifest

NOT_BEFORE_THE_FIRST_PREDICTION = {
    "typer",
    "click",
    "rich",
    "pydantic_settings",
    "asyncio",
    "psutil",
    "agent.models.tflite_file",
    "agent.models.bare",
}
LATE = (
    "-c",
    "import agent.app; agent.app._SETTLE_S = 3600.0\nfrom agent.__main__ import main\nmain()",
)
"""An agent that does not begin with the rest a second after its sources, when a slow machine may not have made a prediction yet."""
LINE = (
    '[sources.cam]\ntype = "camera"\nurl = "belt.mp4"\nloop = true\nrealtime = true\n'
    '[models.tiny]\npath = "tiny"\n[pipelines.inspect]\nsource = "cam"\nmodel = "tiny"\n'
)


@pytest.fixture
def line(tmp_path):
    """The configuration of a packed model on a looped file, and the broker it names."""
    write_video(tmp_path / "belt.mp4", 20)
    bundle = open_unpacked(write_bundle(tmp_path / "tiny", model=tiny_models.classifier()))
    manifest.write(bundle.folder, manifest.describe(bundle.folder, bundle.spec.name, bundle.spec.version))
    with Mosquitto() as broker:
        yield configure(tmp_path, broker.port, LINE), broker


@needs_mosquitto
def test_a_start_imports_only_what_the_first_prediction_needs(line):
    """The command line's parser, pydantic-settings, the scheduler and the readers of foreign models come when they are asked for."""
    config, broker = line
    imported = set()
    for _ in range(2):  # the first start tries the model, the second one knows it
        with (
            Subscriber(broker.port, "lineside/#") as subscriber,
            Agent(config, env={"PYTHONPROFILEIMPORTTIME": "1"}, program=LATE) as child,
        ):
            subscriber.wait_count("pipeline/inspect/prediction", 2)  # one may be the last start's, retained
            child.stop()
            before, ready, _ = child.log.partition("pipeline inspect: ok")
            imported = {row.rsplit("|", 1)[-1].strip() for row in before.splitlines() if row.startswith("import time:")}
    assert ready
    assert {"agent.app", "numpy", "cv2", "pydantic"} <= imported, "else the list of imports is not what it seems"
    assert imported & NOT_BEFORE_THE_FIRST_PREDICTION == set()


@needs_mosquitto
def test_after_the_start_garbage_is_looked_for_again_and_health_is_told(line, tmp_path):
    """What was left out for the first prediction is made up for."""
    config, broker = line
    script = (
        "import gc, sys\nfrom agent.app import App\nsettle = App._settle\n"
        "def told(self):\n settle(self)\n print('gc', gc.isenabled(), gc.get_freeze_count() > 10_000, file=sys.stderr)\n"
        "App._settle = told\nfrom agent.__main__ import main\nmain()\n"
    )
    log = tmp_path / "log"
    with Subscriber(broker.port, "lineside/#") as subscriber, log.open("wb") as out:
        child = subprocess.Popen(
            [sys.executable, "-c", script, "run", "-c", str(config)], env=environment(), stdout=out, stderr=out
        )
        try:
            subscriber.wait_count("health", 1)
        finally:
            child.terminate()
            child.wait(LONG_S)
    assert "gc True True" in log.read_text()


@pytest.mark.parametrize(
    "arguments", [["run"], ["run", "-c", "a.toml"], ["run", "--config", "/etc/a b.toml"]], ids=" ".join
)
def test_a_services_call_means_the_same_with_and_without_typer(monkeypatch, arguments):
    """The short way reads no other file than the long one."""
    asked = []
    monkeypatch.setattr(run, "serve", lambda config, *, once: asked.append((config, once)))
    agent.cli.main.app(arguments, standalone_mode=False)
    assert asked == [(Path(plain_run(arguments)), False)]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["check", "a.toml"],
        ["run", "--once"],
        ["run", "-c"],
        ["run", "-c", "--once"],
        ["run", "--help"],
        ["run", "a"],
    ],
    ids=lambda arguments: " ".join(arguments) or "nothing",
)
def test_any_other_call_is_read_by_typer(arguments):
    """With its options, its help and its complaints."""
    assert plain_run(arguments) is None


def test_without_a_file_the_default_is_meant():
    """As the help says."""
    assert plain_run(["run"]) == DEFAULT_CONFIG
