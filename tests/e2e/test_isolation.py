"""`isolation = "process"` in the running agent: the child of one model is killed, and everything else goes on."""

from __future__ import annotations

import os
import signal

import psutil
import pytest
from broker import needs_mosquitto
from clips import write_video
from line import Agent, configure, write_bundle
from processes import wait_for_end

pytestmark = needs_mosquitto

TWO_STREAMS = """\
[sources.a]
type = "camera"
url = "a.mp4"
loop = true
[sources.b]
type = "camera"
url = "b.mp4"
loop = true
[models.plain]
path = "tiny"
[models.shaky]
path = "tiny"
isolation = "process"
invoke_timeout_s = 5
[pipelines.steady]
source = "a"
model = "plain"
max_rate_hz = 200
[pipelines.shaken]
source = "b"
model = "shaky"
max_rate_hz = 200
"""


@pytest.fixture
def line(tmp_path, broker):
    write_bundle(tmp_path / "tiny")
    write_video(tmp_path / "a.mp4", 100)
    write_video(tmp_path / "b.mp4", 100)
    return configure(tmp_path, broker.port, TWO_STREAMS, device="health_interval_s = 1")


def child_of(agent: Agent) -> int:
    """The process of the isolated model."""
    children = psutil.Process(agent.process.pid).children()
    return next(child.pid for child in children if "agent.models.isolated_child" in child.cmdline())


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGSTOP], ids=["crashes", "hangs"])
def test_a_crash_costs_one_frame_of_one_stream(line, subscriber, number):
    """The other stream has every frame; in both `seq` has no gap; the loss and the restart are counted, and said once."""
    with Agent(line) as agent:
        subscriber.wait_count("pipeline/shaken/prediction", 20)
        os.kill(child_of(agent), number)
        subscriber.wait_for("health", lambda h: h["pipelines"]["shaken"]["child_restarts"] == 1)
        for name in ("steady", "shaken"):
            before = len(subscriber.all(f"pipeline/{name}/prediction"))
            subscriber.wait_count(f"pipeline/{name}/prediction", before + 100)
        assert agent.stop() == 0, agent.log
        subscriber.wait_for("status", lambda s: s["state"] == "stopped")
    steady, shaken = (subscriber.bodies(f"pipeline/{name}/prediction") for name in ("steady", "shaken"))
    assert [p["frame"]["index"] for p in steady] == list(range(len(steady)))
    assert [p["seq"] for p in shaken] == list(range(len(shaken)))
    lost = set(range(len(shaken) + 1)) - {p["frame"]["index"] for p in shaken}
    assert len(lost) == 1
    health = subscriber.bodies("health")[-1]["pipelines"]
    assert (health["shaken"]["drops"], health["shaken"]["child_restarts"]) == ({"model_crashed": 1}, 1)
    assert (health["steady"]["drops"], health["steady"]["child_restarts"]) == ({}, 0)
    sentence = "SIGSEGV" if number == signal.SIGSEGV else "did not answer within 5 s"
    said = [row for row in agent.log.splitlines() if "pipeline shaken" in row and sentence in row]
    assert len(said) == 1, agent.log
    reasons = [reason for status in subscriber.bodies("/status") for reason in status["reasons"]]
    assert any(reason.startswith("pipeline shaken starting:") and sentence in reason for reason in reasons)


@pytest.mark.parametrize("end", [Agent.stop, Agent.kill], ids=["stopped", "killed"])
def test_no_child_outlives_its_agent(line, subscriber, end):
    """However the agent ends."""
    with Agent(line) as agent:
        subscriber.wait_count("pipeline/shaken/prediction", 20)
        child = child_of(agent)
        end(agent)
        wait_for_end(child)
