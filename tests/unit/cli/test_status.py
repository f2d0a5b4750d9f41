"""`lineside status`: what the running agent says, for a person and for a script."""

from __future__ import annotations

import json
import re

import pytest
from command import lineside
from reporting import Desk, active, failed, refused

from agent.cli.status import render
from agent.control import ControlServer
from agent.lock import StateLock
from agent.sources.runner import SourceStatus

CONFIG = """\
[device]
state_dir = "state"
[sources.cam]
type = "camera"
url = "0"
[models.parts]
path = "parts"
[pipelines.inspect]
source = "cam"
model = "parts"
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "agent.toml"
    path.write_text(CONFIG)
    (tmp_path / "state").mkdir()
    return path


@pytest.fixture
def answer(config):
    """What an agent answers at the control socket, degraded by a camera; made once, as its figures are of the last seconds."""
    desk = Desk(config.parent)
    desk.predict(2.0, 2.0, 4.0)
    desk.reporter.source("cam", failed())
    desk.reporter.model("parts", active())
    made = desk.snapshot() | {"pid": 4711}
    server = ControlServer(config.parent / "state", {"status": lambda _: made})
    server.start()
    yield made
    server.close()


def test_the_answer_is_shown_for_people(config, answer):
    """Aligned, with units, and with the reason on a line of its own."""
    ran = lineside("status", "-c", config)
    assert (ran.code, ran.err) == (0, "")
    head, *rest = ran.out.splitlines()
    assert head.startswith("press  degraded since ")
    assert "UTC  (lineside " in head
    assert ", pid 4711, up " in head
    rate = re.compile(r"(?<=  3  )[01]\.\d(?=  )")
    assert [rate.sub("R.R", line) for line in rest] == [
        "  ! source cam failed: no such device",
        "",
        "mqtt  connected, connected to mqtt://127.0.0.1:1883 with MQTT 5; 3 queued, 3 dropped",
        "spool 0 events wait, 0.0 MB",
        "",
        "pipeline  state  source  model  made  1/s  p50 ms  p99 ms  dropped",
        "inspect   ok     cam     parts     3  R.R     2.0     4.0        1",
        "",
        "source  state   frames  hung  reason",
        "cam     failed    1234     0  no such device",
        "",
        "model  state   version  digest               reason",
        "parts  active  1.2.0    sha256:abababababab  configured",
    ]


def test_the_answer_is_one_object_for_scripts(config, answer):
    """The same that the agent gave."""
    ran = lineside("status", "-c", config, "--json")
    assert (ran.code, ran.err) == (0, "")
    assert ran.json == json.loads(json.dumps(answer))
    assert ran.json["pid"] == 4711
    assert ran.json["status"]["reasons"] == ["source cam failed: no such device"]


def test_an_agent_that_has_just_begun_is_shown_too(tmp_path):
    """Nothing made yet, nothing known of sources and models."""
    text = render(Desk(tmp_path).snapshot() | {"pid": 1})
    assert "inspect   starting  cam     parts     0  0.0       -       -        1" in text
    assert text.splitlines()[0].startswith("press  online since ")


def test_a_refused_model_is_shown_with_its_reason(tmp_path):
    """A candidate, where nothing is active."""
    desk = Desk(tmp_path)
    desk.reporter.source("cam", SourceStatus("ok"))
    desk.reporter.model("parts", refused())
    last = render(desk.snapshot() | {"pid": 1}).splitlines()[-1]
    assert last == "parts  rejected  1.3.0    sha256:abababababab  3 classes, 2 labels"


def test_what_was_changed_by_command_is_seen_first(tmp_path):
    """A line that stands still on purpose does not look as if it worked."""
    desk = Desk(tmp_path)
    desk.predict(3.0)
    desk.pipeline.intake.hold("paused")
    desk.reporter.note("paused/inspect", "pipeline inspect is paused by command")
    desk.reporter.commands = lambda: {"accepted": 1, "not_allowed": 2}
    lines = render(desk.snapshot() | {"pid": 1}).splitlines()
    assert lines[1] == "  * pipeline inspect is paused by command"
    assert lines[4] == "commands  1 accepted, 2 not allowed"
    assert any(line.startswith("inspect   paused  cam") for line in lines)


@pytest.mark.parametrize(("seconds", "text"), [(3.9, "up 3 s"), (61, "up 1 min 1 s"), (7265, "up 2 h 1 min")])
def test_the_uptime_is_told_as_people_say_it(tmp_path, seconds, text):
    """Without digits that nobody needs."""
    assert f"{text})" in render(Desk(tmp_path).snapshot() | {"pid": 1, "uptime_s": seconds})


@pytest.mark.parametrize("state_dir", ["there", "missing"])
def test_where_no_agent_answers_the_command_exits_4_with_the_next_step(config, state_dir):
    """Whether it ran before or never did."""
    if state_dir == "missing":
        (config.parent / "state").rmdir()
    ran = lineside("status", "-c", config)
    assert (ran.code, ran.out) == (4, "")
    assert f"no agent answers on {config.parent / 'state'}" in ran.err
    assert "next: is it running" in ran.err
    assert lineside("status", "-c", config, "--json").json["error"]["code"] == "agent-unreachable"


def test_a_second_run_on_the_same_state_exits_1_and_names_the_pid(config):
    """Of the one that holds the lock."""
    with StateLock(config.parent / "state"):
        pid = (config.parent / "state" / "agent.lock").read_text().strip()
        ran = lineside("run", "-c", config)
    assert ran.code == 1
    assert f"an agent with pid {pid} already runs on {config.parent / 'state'}" in ran.err


def test_a_version_on_trial_is_shown_with_what_it_waits_for(tmp_path):
    """Who looks sees the frames that feedback would decide by, and the next step."""
    disputed = {"prediction": "0193", "pipeline": "inspect", "active": "accept", "candidate": "reject"}
    trial = {
        "version": "1.2.0",
        "state": "shadow",
        "reason": "it decides otherwise on 31 of 500 frames",
        "word": "hold",
        "spent_s": 372.0,
        "disputed": [disputed] * 9,
    }
    lines = render(Desk(tmp_path).snapshot() | {"pid": 1, "trials": {"parts": trial}}).splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("on trial"))
    assert lines[at] == (
        "on trial  parts 1.2.0, in its shadow for 6 min 12 s (hold is asked for): it decides otherwise on 31 of 500 frames"
    )
    assert lines[at + 1 :] == [
        *["          0193  inspect: accept, the candidate reject"] * 5,
        "  next: lineside model feedback ID right|wrong",
    ]
