"""`lineside tap`: one line a message, until somebody has seen enough."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import asdict

import pytest
from broker import Mosquitto, needs_mosquitto
from command import environment, lineside
from deadlines import LONG_S
from paho.mqtt import publish
from ports import HeldPort

from agent.cli.tap import line, shown, what
from agent.core import results

PREDICTION = {
    "schema": "lineside.prediction/1",
    "captured_at": "2026-11-22T15:17:26.123456Z",
    "pipeline": "inspect",
    "seq": 18231,
    "decision": "reject",
    "quality": "good",
    "historical": False,
    "result": {"kind": "classification", "label": "crack", "score": 0.934},
    "latency_ms": {"total": 3.72},
}
TOPIC = "lineside/v1/press/pipeline/inspect/prediction"


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (results.Classification(label="crack", score=0.934, top=[]), "crack 0.93"),
        (results.Detection(objects=[results.DetectedObject(label="a", score=0.9, box=[0, 0, 1, 1])]), "a 0.90"),
        (results.Detection(objects=[]), "nothing"),
        (results.Segmentation(areas=[results.Scored(label="rust", score=0.25)]), "rust 25%"),
        (results.Anomaly(score=0.01234567, threshold=1), "anomaly 0.01235"),
        (results.Regression(value=81.25, unit="%"), "81.25 %"),
        (results.Regression(value=81.25, unit=None), "81.25"),
        (results.Embedding(vector=[1, 2]), "2 features"),
        (results.Embedding(vector=[1, 2], distance=0.5), "2 features, distance 0.5"),
        (results.Tensors(tensors={"a": [1], "b": [2]}), "a, b"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value,
)
def test_the_heart_of_each_kind_of_result_is_a_few_words(result, words):
    """Enough to see whether the line is well."""
    assert what(asdict(result)) == words


def test_a_prediction_is_one_line():
    """Time, pipeline, number, decision, result, latency."""
    words = line(PREDICTION).split()
    assert words == ["15:17:26.123", "inspect", "18231", "reject", "crack", "0.93", "3.7", "ms"]


def test_what_is_late_or_doubtful_says_so():
    """And a prediction without a decision has a dash."""
    odd = line(PREDICTION | {"historical": True, "quality": "stale", "decision": None})
    assert odd.endswith("ms  late  stale")
    assert " -  " in odd


@pytest.mark.parametrize(
    "payload", [b"", b"junk", b"\xff", b"3", b"[]", b"{}", b'{"schema": "lineside.prediction/1"}', b"[" * 10_000]
)
def test_a_message_that_is_no_prediction_is_shown_as_it_is(payload):
    """Anybody may publish there."""
    assert shown(payload).startswith("not understood: b'")
    assert len(shown(payload)) < 300


def test_a_gap_is_shown():
    """Lost events are news."""
    assert shown(b'{"schema": "lineside.gap/1", "first": 3, "last": 4}').startswith("lineside.gap/1: ")


@pytest.fixture(scope="module")
def broker():
    with Mosquitto() as broker:
        yield broker


def configure(folder, port: int):
    config = folder / "agent.toml"
    config.write_text(
        f'[device]\nid = "press"\n[mqtt]\nurl = "mqtt://127.0.0.1:{port}"\n[sources.c]\ntype = "camera"\nurl = "0"\n'
        '[models.m]\npath = "m"\n[pipelines.inspect]\nsource = "c"\nmodel = "m"\n'
    )
    return config


def say(broker, payload: bytes) -> None:
    publish.single(TOPIC, payload, retain=True, qos=1, hostname="127.0.0.1", port=broker.port)


@needs_mosquitto
def test_messages_are_results_and_the_rest_is_talk(tmp_path, broker):
    """With --json as they are on the wire."""
    say(broker, json.dumps(PREDICTION).encode())
    config = configure(tmp_path, broker.port)
    ran = lineside("tap", "-c", config, "-n", "1")
    assert (ran.code, ran.out) == (0, line(PREDICTION) + "\n")
    assert ran.err.startswith("listening on lineside/v1/press/pipeline/+/prediction at mqtt://")
    assert lineside("tap", "-c", config, "-n", "1", "--json").json == PREDICTION


@needs_mosquitto
@pytest.mark.parametrize("end", ["Ctrl-C", "closed pipe"])
def test_who_has_seen_enough_ends_it_well(tmp_path, broker, end):
    """Exit code 0, and no complaint."""
    say(broker, json.dumps(PREDICTION).encode())
    tap = subprocess.Popen(
        [sys.executable, "-m", "agent", "tap", "-c", str(configure(tmp_path, broker.port))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    try:
        assert tap.stdout.readline() == line(PREDICTION) + "\n"
        if end == "Ctrl-C":
            tap.send_signal(signal.SIGINT)
        else:
            tap.stdout.close()
            say(broker, b"one more")
        assert tap.wait(LONG_S) == 0
        assert len(tap.stderr.read().splitlines()) == 1, "no more than what it listens to"
    finally:
        tap.kill()
        tap.wait(LONG_S)
        tap.stderr.close()


@needs_mosquitto
def test_silence_ends_it_with_exit_code_4_where_that_is_asked_for(tmp_path, broker):
    """And names the topic."""
    ran = lineside("tap", "-c", configure(tmp_path, broker.port), "--pipeline", "other", "--timeout", "0.2")
    assert (ran.code, ran.out) == (4, "")
    assert "no message on lineside/v1/press/pipeline/other/prediction for 0.2 s" in ran.err


def test_a_broker_that_is_not_there_exits_4(tmp_path):
    """Nothing listens on the port."""
    with HeldPort() as nobody:
        ran = lineside("tap", "-c", configure(tmp_path, nobody.number), "-n", "1")
    assert (ran.code, ran.out) == (4, "")
    assert "next: " in ran.err


def test_a_ctrl_c_that_python_drops_is_not_forgotten():
    """It comes while an object is taken apart, where no exception gets out."""
    script = """
import signal
from agent.cli.output import until_left

class Fragile:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

before = signal.getsignal(signal.SIGINT)
with until_left() as left:
    thing = Fragile()
    del thing
    print("still here", left.is_set())
print(signal.getsignal(signal.SIGINT) == before)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=LONG_S, env=environment()
    )
    assert done.stdout.split("\n")[:2] == ["still here True", "True"]
    assert "KeyboardInterrupt" in done.stderr
