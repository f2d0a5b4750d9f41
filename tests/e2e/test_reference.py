"""From an evaluation set to an alarm: a bundle packed with data, an agent on its line, darker parts, restarts."""

from __future__ import annotations

import shutil

import cv2
import pytest
from broker import needs_mosquitto
from drifting import part
from line import Agent, configure, write_bundle
from typer.testing import CliRunner

from agent.cli.main import app

pytestmark = needs_mosquitto

LINE = (
    '[sources.folder]\ntype = "images"\nurl = "pictures"\nloop = true\n[models.tiny]\npath = "tiny"\n'
    '[pipelines.inspect]\nsource = "folder"\nmodel = "tiny"\nmax_rate_hz = 400\n'
)
WATCHED = LINE + "[pipelines.inspect.drift]\nevery_s = 0\nwindow = 50\n"


def show(folder, *, gain):
    """What the line makes from here on."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for k in range(100):
        assert cv2.imwrite(str(folder / f"{k:03}.png"), part(k, gain=gain))


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """A bundle whose reference statistics `model pack` made of pictures that the line never shows."""
    folder = tmp_path_factory.mktemp("packed")
    for k in range(100_000, 100_200):
        picture = part(k)
        label = folder / "data" / ("bright" if picture.mean() > 127 else "dark")
        label.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(label / f"{k}.png"), picture)
    write_bundle(folder / "tiny")
    ran = CliRunner().invoke(app, ["model", "pack", str(folder / "tiny"), "--data", str(folder / "data")])
    assert ran.exit_code == 0, ran.output
    assert "statistics of 200 samples" in ran.stdout
    return folder / "tiny"


def test_a_packed_reference_stays_quiet_on_its_line_and_tells_of_darker_parts_over_restarts(
    tmp_path, packed, broker, subscriber
):
    """Quiet for three windows; alarm; the same alarm after a restart, before any window."""
    shutil.copytree(packed, tmp_path / "tiny")
    show(tmp_path / "pictures", gain=1.0)
    with Agent(configure(tmp_path, broker.port, WATCHED)) as agent:
        topic = "pipeline/inspect/drift"
        quiet = subscriber.wait_for(topic, lambda d: d["statistics"]["brightness"]["windows"] >= 3).body
        assert set(quiet["statistics"]) == {"score", "brightness", "contrast", "sharpness"}
        assert agent.stop() == 0, agent.log
    assert {told["state"] for told in subscriber.bodies(topic)} == {"ok"}

    show(tmp_path / "pictures", gain=0.5)
    with Agent(tmp_path / "agent.toml") as agent:
        alarm = subscriber.wait_for(topic, lambda d: d["statistics"]["brightness"]["state"] == "drifting").body
        agent.kill()

    with Agent(tmp_path / "agent.toml") as agent:
        again = subscriber.wait_for(topic, lambda d: d["session"] not in (quiet["session"], alarm["session"])).body
        assert (again["state"], again["since"]) == ("drifting", alarm["since"])
        assert again["statistics"]["brightness"]["windows"] == 0
        assert agent.stop() == 0, agent.log
