"""`lineside demo`: real photographs, a real agent, a broker, and an honest score."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys

import pytest
from broker import Subscriber
from clips import write_pictures
from deadlines import LONG_S
from line import Agent, configure, write_bundle

from agent.demo import broker as demo_broker

needs_photographs = pytest.mark.skipif(
    importlib.util.find_spec("elpv_dataset") is None,
    reason="elpv_dataset is not installed: pip install 'lineside[demo]'",
)


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end; one that does not come to it takes its broker and its agent along, which nobody else would end."""
    command = [sys.executable, "-m", "agent", "demo", *arguments]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "NO_COLOR": "1"},
    ) as process:
        try:
            out, err = process.communicate(timeout=2 * LONG_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


@needs_photographs
def test_the_demo_inspects_parts_and_says_how_well():
    """One object with --json: parts at the belt's rate as far as the machine keeps up, latency, accuracy, missed and false rejects."""
    done = demo("--seconds", "4", "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert 30 <= summary["parts"] <= 150, "30 a second for 4 s; a camera does not wait for a slow machine"
    assert summary["judged"] == summary["defective"] + summary["functional"] > 0
    assert 0.5 < summary["accuracy"] <= 1
    assert summary["latency_ms"]["p99"] >= summary["latency_ms"]["p50"] > 0
    assert summary["missed"] + summary["false_rejects"] + summary["unsure"] + summary["right"] == summary["judged"]


@needs_photographs
def test_without_a_terminal_the_demo_talks_on_stderr_and_sums_up_on_stdout():
    """The broker's address with a line to watch it, the licence of the photographs, and the summary."""
    done = demo("--seconds", "2")
    assert done.returncode == 0, done.stderr
    assert "mosquitto_sub -v -p" in done.stderr
    assert "CC BY-NC-SA 4.0" in done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        "parts", "verdicts", "latency", "received", "accuracy", "missed", "false", "unsure",
    ]  # fmt: skip


def test_the_agent_works_with_the_broker_in_python(tmp_path):
    """Where mosquitto is missing, amqtt serves the demo: MQTT 3.1.1, so the agent falls back."""
    running = demo_broker.Amqtt()
    running.start()
    try:
        write_pictures(tmp_path / "pictures", 8)
        write_bundle(tmp_path / "tiny")
        tables = (
            '[sources.s]\ntype = "images"\nurl = "pictures"\n[models.tiny]\npath = "tiny"\n'
            '[pipelines.p]\nsource = "s"\nmodel = "tiny"\n'
        )
        with Subscriber(running.port, "lineside/#", protocol="3.1.1") as subscriber:
            with Agent(configure(tmp_path, running.port, tables)) as agent:
                assert agent.wait() == 0, agent.log
            predictions = subscriber.wait_count("pipeline/p/prediction", 8)
        assert [p["seq"] for p in predictions] == list(range(8))
        assert "3.1.1" in agent.log
    finally:
        running.close()


def test_mosquitto_is_taken_where_it_is_installed(monkeypatch):
    """Debian keeps it off the path of ordinary users, so its usual place is looked into as well."""
    found = {"mosquitto": "/somewhere/mosquitto"}
    monkeypatch.setattr(demo_broker.shutil, "which", lambda name, path=None: found.get(name) if path else None)
    assert type(demo_broker.chosen()) is demo_broker.Mosquitto
    found.clear()
    assert type(demo_broker.chosen()) is demo_broker.Amqtt
