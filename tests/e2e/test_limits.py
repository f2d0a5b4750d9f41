"""A device that has too little: a real agent, whose limit is exceeded from the start."""

from __future__ import annotations

import subprocess
import sys

from broker import Mosquitto, Subscriber, needs_mosquitto
from clips import write_video
from line import Agent, configure, write_bundle

pytestmark = needs_mosquitto

CAMERA = (
    '[sources.cam]\ntype = "camera"\nurl = "belt.mp4"\nloop = true\nrealtime = true\n[models.tiny]\npath = "tiny"\n'
)


def test_the_lesser_pipeline_is_shed_and_the_other_goes_on(tmp_path):
    """`status` says what is short and what was done, `health` counts, and `lineside status` shows it."""
    write_video(tmp_path / "belt.mp4", 30)
    write_bundle(tmp_path / "tiny")
    tables = CAMERA + '[limits]\nmax_memory_bytes = 1_048_576\nreaction = "fewer"\ncheck_interval_s = 1\n'
    for name, priority in (("extra", 10), ("main", 90)):
        tables += f'[pipelines.{name}]\nsource = "cam"\nmodel = "tiny"\npriority = {priority}\n'
    with Mosquitto() as broker, Subscriber(broker.port, "lineside/#") as subscriber:
        config = configure(tmp_path, broker.port, tables, device="health_interval_s = 1")
        with Agent(config) as agent:
            status = subscriber.wait_for("status", lambda s: "limits: shed: extra" in s["reasons"]).body
            assert status["state"] == "degraded"
            assert any("more than limits.max_memory_bytes = 1,048,576" in reason for reason in status["reasons"])
            first = subscriber.wait_for("health", lambda h: h["pipelines"]["extra"]["holds"] == ["shed"]).body
            # Until then the frame that was on its way as the others were shed is counted too.
            first = subscriber.wait_for("health", lambda h: h["uptime_s"] > first["uptime_s"] + 1).body
            made = first["pipelines"]["main"]["predictions"]
            later = subscriber.wait_for(
                "health",
                lambda h: h["pipelines"]["main"]["predictions"] > made and h["uptime_s"] > first["uptime_s"] + 1,
            ).body["pipelines"]
            assert later["main"]["holds"] == []
            assert "shed" not in later["main"]["drops"]
            assert later["extra"]["drops"]["shed"] > 0
            assert later["extra"]["predictions"] == first["pipelines"]["extra"]["predictions"]
            command = [sys.executable, "-m", "agent", "status", "-c", str(config)]
            text = subprocess.run(command, capture_output=True, check=True, timeout=120, text=True).stdout
            assert "extra     shed " in text
            assert agent.stop() == 0, agent.log
    assert agent.log.count("limits: shed: extra") == 1


def test_a_slowed_camera_drops_and_a_slowed_file_waits(tmp_path):
    """Half of its rate, then a quarter: of the camera frames are let go and counted, of the file every one is looked at."""
    write_video(tmp_path / "belt.mp4", 30)
    write_video(tmp_path / "file.mp4", 1000)
    write_bundle(tmp_path / "tiny")
    tables = CAMERA + '[sources.file]\ntype = "camera"\nurl = "file.mp4"\n'
    tables += '[limits]\nmax_memory_bytes = 1_048_576\nreaction = "slower"\ncheck_interval_s = 1\nstep_after_s = 1\n'
    tables += '[pipelines.live]\nsource = "cam"\nmodel = "tiny"\n'
    tables += '[pipelines.all]\nsource = "file"\nmodel = "tiny"\nmax_rate_hz = 10\n'
    with (
        Mosquitto() as broker,
        Subscriber(broker.port, "lineside/#") as subscriber,
        Agent(configure(tmp_path, broker.port, tables, device="health_interval_s = 1")) as agent,
    ):
        quarter = "limits: pipelines run at 0.25 of their rate"
        subscriber.wait_for("status", lambda status: quarter in status["reasons"])
        slowed = subscriber.wait_for(
            "health",
            lambda h: "slowed" in h["pipelines"]["live"]["drops"] and h["pipelines"]["all"]["slowed_to_hz"],
        ).body["pipelines"]
        assert slowed["live"]["slowed_to_hz"] > 0
        made = slowed["all"]["predictions"]
        predictions = subscriber.wait_count("pipeline/all/prediction", made + 10)
        assert [p["seq"] for p in predictions] == list(range(len(predictions)))
        assert [p["frame"]["index"] for p in predictions] == list(range(len(predictions)))
        assert "slowed" not in slowed["all"]["drops"]
        assert agent.stop() == 0, agent.log
    assert agent.log.count(quarter) == 1
