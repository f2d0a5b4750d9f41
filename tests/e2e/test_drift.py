"""A line that gets darker: a real agent over pictures, and what its subscribers and `lineside status` are told."""

from __future__ import annotations

import subprocess
import sys

import cv2
from broker import needs_mosquitto
from drifting import part, reference
from line import Agent, configure, write_bundle

from agent.core.reference import NAME, encode

pytestmark = needs_mosquitto

LINE = (
    '[sources.folder]\ntype = "images"\nurl = "pictures"\nloop = true\n[models.tiny]\npath = "tiny"\n'
    '[pipelines.inspect]\nsource = "folder"\nmodel = "tiny"\nmax_rate_hz = 200\n'
)
QUICK = '[pipelines.inspect.drift]\nstatistics = ["brightness", "sharpness"]\nevery_s = 0\nwindow = 50\n'


def test_a_line_that_got_darker_is_told_to_subscribers_and_in_status(tmp_path, broker, subscriber):
    """`drifting` with the statistic that shows it, retained; the agent is degraded and says why; `status` shows the figures."""
    (tmp_path / "pictures").mkdir()
    for k in range(100):
        cv2.imwrite(str(tmp_path / "pictures" / f"{k:03}.png"), part(k, gain=0.5))
    (write_bundle(tmp_path / "tiny") / NAME).write_bytes(encode(reference()))
    config = configure(tmp_path, broker.port, LINE + QUICK)
    with Agent(config) as agent:
        heard = subscriber.wait_for("pipeline/inspect/drift", lambda d: d["state"] == "drifting")
        assert heard.body["statistics"]["brightness"]["state"] == "drifting"
        assert heard.body["statistics"]["sharpness"]["state"] == "ok"
        assert heard.body["model"].startswith("sha256:")
        status = subscriber.wait_for("status", lambda s: s["state"] == "degraded").body
        assert any("inspect drifts: brightness" in reason for reason in status["reasons"])
        command = [sys.executable, "-m", "agent", "status", "-c", str(config)]
        text = subprocess.run(command, capture_output=True, check=True, timeout=120, text=True).stdout
        assert "brightness" in text
        assert "drifting" in text
        assert agent.stop() == 0, agent.log


def test_a_bundle_without_a_reference_says_so_and_is_well(tmp_path, broker, subscriber):
    """Nothing can be compared; that is no fault of the agent."""
    (tmp_path / "pictures").mkdir()
    cv2.imwrite(str(tmp_path / "pictures" / "0.png"), part(0))
    write_bundle(tmp_path / "tiny")
    with Agent(configure(tmp_path, broker.port, LINE)) as agent:
        drift = subscriber.wait_for("pipeline/inspect/drift", lambda d: d["state"] == "no_reference").body
        assert "no reference.json" in drift["reason"]
        assert agent.stop() == 0, agent.log
    assert all(s["state"] != "degraded" for s in subscriber.bodies("status"))
