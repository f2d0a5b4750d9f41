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

COUNT = 2000
TWO_STREAMS = """\
[sources.a]
type = "camera"
url = "a.mp4"
[sources.b]
type = "camera"
url = "b.mp4"
[models.plain]
path = "tiny"
[models.shaky]
path = "tiny"
isolation = "process"
invoke_timeout_s = 1
[pipelines.steady]
source = "a"
model = "plain"
[pipelines.shaken]
source = "b"
model = "shaky"
"""


@pytest.fixture
def line(tmp_path, broker):
    write_bundle(tmp_path / "tiny")
    write_video(tmp_path / "a.mp4", COUNT)
    write_video(tmp_path / "b.mp4", COUNT)
    return configure(tmp_path, broker.port, TWO_STREAMS)


def child_of(agent: Agent) -> int:
    """The process of the isolated model."""
    children = psutil.Process(agent.process.pid).children()
    return next(child.pid for child in children if "agent.models.isolated_child" in child.cmdline())


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGSTOP], ids=["crashes", "hangs"])
def test_a_crash_costs_one_frame_of_one_stream(line, subscriber, number):
    """The other stream has every frame; in both `seq` has no gap; the loss and the restart are counted, and said once."""
    with Agent(line) as agent:
        subscriber.wait_count("pipeline/shaken/prediction", 20, 60)
        os.kill(child_of(agent), number)
        steady = subscriber.wait_count("pipeline/steady/prediction", COUNT, 60)
        shaken = subscriber.wait_count("pipeline/shaken/prediction", COUNT - 1, 60)
        assert agent.wait() == 0, agent.log
    assert [p["frame"]["index"] for p in steady] == list(range(COUNT))
    assert [p["seq"] for p in shaken] == list(range(COUNT - 1))
    lost = set(range(COUNT)) - {p["frame"]["index"] for p in shaken}
    assert len(lost) == 1
    health = subscriber.bodies("health")[-1]["pipelines"]
    assert (health["shaken"]["drops"], health["shaken"]["child_restarts"]) == ({"model_crashed": 1}, 1)
    assert (health["steady"]["drops"], health["steady"]["child_restarts"]) == ({}, 0)
    sentence = "SIGSEGV" if number == signal.SIGSEGV else "did not answer within 1 s"
    said = [row for row in agent.log.splitlines() if "pipeline shaken" in row and sentence in row]
    assert len(said) == 1, agent.log
    reasons = [reason for status in subscriber.bodies("/status") for reason in status["reasons"]]
    assert any(reason.startswith("pipeline shaken starting:") and sentence in reason for reason in reasons)


@pytest.mark.parametrize("end", [Agent.stop, Agent.kill], ids=["stopped", "killed"])
def test_no_child_outlives_its_agent(line, subscriber, end):
    """However the agent ends."""
    line.write_text(line.read_text().replace('.mp4"', '.mp4"\nloop = true'))
    with Agent(line) as agent:
        subscriber.wait_count("pipeline/shaken/prediction", 20, 60)
        child = child_of(agent)
        end(agent)
        wait_for_end(child)
