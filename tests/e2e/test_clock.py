"""A wall clock that is set back by an hour under a running agent: nothing falls silent, nothing is reordered, and it is told."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import datetime

from broker import Mosquitto, Subscriber, needs_mosquitto
from clips import write_video
from command import environment
from deadlines import LONG_S
from line import configure, write_bundle

LINE = (
    '[sources.cam]\ntype = "camera"\nurl = "belt.mp4"\nloop = true\nrealtime = true\n'
    '[models.tiny]\npath = "tiny"\n[pipelines.inspect]\nsource = "cam"\nmodel = "tiny"\n'
)
HOUR_S = 3600
AGENT = f"""
import signal, time
ahead_ns = 0
wall_ns = time.time_ns
time.time_ns = lambda: wall_ns() + ahead_ns
time.time = lambda: time.time_ns() / 1e9
def set_back(*_):
    global ahead_ns
    ahead_ns = -{HOUR_S} * 10**9
signal.signal(signal.SIGUSR1, set_back)
from agent.__main__ import main
main()
"""


def seconds_between(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later.rstrip("Z")) - datetime.fromisoformat(earlier.rstrip("Z"))).total_seconds()


@needs_mosquitto
def test_an_hour_back_silences_nothing_and_reorders_nothing(tmp_path):
    """`health` goes on each second and counts the jump; `seq` has no gap, ids sort, no prediction is late, the log tells it once."""
    write_video(tmp_path / "belt.mp4", 20)
    write_bundle(tmp_path / "tiny")
    log = tmp_path / "log"
    with Mosquitto() as broker, Subscriber(broker.port, "lineside/#") as subscriber, log.open("wb") as out:
        config = configure(tmp_path, broker.port, LINE + "deadline_ms = 60000\n", device="health_interval_s = 1")
        child = subprocess.Popen(
            [sys.executable, "-c", AGENT, "run", "-c", str(config)], env=environment(), stdout=out, stderr=out
        )
        try:
            before = subscriber.wait_for("health", lambda h: h["pipelines"]["inspect"]["predictions"] > 3).body
            assert before["clock_jumps"] == 0
            child.send_signal(signal.SIGUSR1)
            jumped = subscriber.wait_for("health", lambda h: h["clock_jumps"] == 1).body
            later = subscriber.wait_for("health", lambda h: h["uptime_s"] > jumped["uptime_s"] + 1.5).body
        finally:
            child.terminate()
            child.wait(LONG_S)
        predictions = subscriber.bodies("pipeline/inspect/prediction")
    assert seconds_between(before["at"], jumped["at"]) < -HOUR_S + 60
    assert later["clock_jumps"] == 1
    assert later["pipelines"]["inspect"]["predictions"] > jumped["pipelines"]["inspect"]["predictions"]
    assert later["pipelines"]["inspect"]["stale"] == 0
    assert 0 <= later["cpu_percent"] < 1000
    assert [p["seq"] for p in predictions] == list(range(len(predictions)))
    assert [p["id"] for p in predictions] == sorted(p["id"] for p in predictions)
    captured = [p["captured_at"] for p in predictions]
    assert captured != sorted(captured), "the clock went back, and the messages say so"
    assert log.read_text().count("the wall clock jumped back by 3600.0") == 1
