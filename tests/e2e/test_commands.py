"""Commands to a running agent, as an operator's program sends them, over a real broker."""

from __future__ import annotations

import hashlib
import itertools
import time

import cv2
import pytest
from asking import Asker
from broker import needs_mosquitto
from clips import picture
from commanding import audited
from deadlines import LONG_S
from line import Agent, configure, write_bundle

pytestmark = needs_mosquitto

ROOT = "lineside/v1/plant/line/press"
BRIGHT = 27
LINE = """\
[sources.cam]
type = "images"
url = "pictures"
loop = true
realtime = true
rate_hz = 30
[models.tiny]
path = "tiny"
[pipelines.inspect]
source = "cam"
model = "tiny"
[pipelines.inspect.bounds]
min_score = [0.5, 1.0]
[commands]
allow = ["pause", "resume", "snapshot", "set"]
"""


@pytest.fixture
def asker(broker):
    with Asker(broker.port, ROOT) as asking:
        yield asking


@pytest.fixture
def config(tmp_path, broker):
    """A line on which every part is bright, and thereby rejected."""
    (tmp_path / "pictures").mkdir()
    cv2.imwrite(str(tmp_path / "pictures/part.png"), picture(BRIGHT))
    write_bundle(tmp_path / "tiny")
    return configure(tmp_path, broker.port, LINE, device="health_interval_s = 1")


def newest(subscriber) -> int:
    return subscriber.bodies("inspect/prediction")[-1]["seq"]


def later(subscriber, seq: int, condition=lambda _: True) -> dict:
    """A prediction after `seq` that fulfils the condition."""
    return subscriber.wait_for("inspect/prediction", lambda p: p["seq"] > seq and condition(p)).body


def wait_for_line(state_dir, text: str) -> None:
    """Until the audit file says so; a person would look again and again, too."""
    until_s = time.monotonic() + LONG_S
    while text not in (state_dir / "commands.jsonl").read_text():
        assert time.monotonic() < until_s
        time.sleep(0.01)  # between two looks


def test_a_paused_line_stops_shows_it_and_goes_on_without_a_gap(config, subscriber, asker):
    """No prediction while it is paused; `seq` has none missing; the agent is not degraded; a restart ends it."""
    with Agent(config) as agent:
        later(subscriber, 3)
        answer = asker.ask("pause", {"id": "p1", "pipeline": "inspect"}, correlation=b"c")
        assert (answer.verdict, answer.correlation) == ((True, None), b"c")
        assert answer.body["result"] == {"pipelines": {"inspect": ["paused"]}, "until": "restart"}
        noted = subscriber.wait_for("status", lambda s: s["notes"]).body
        assert (noted["state"], noted["notes"]) == ("online", ["pipeline inspect is paused by command"])
        health = subscriber.wait_for("health", lambda h: h["pipelines"]["inspect"]["drops"].get("paused", 0) > 20).body
        assert health["pipelines"]["inspect"]["holds"] == ["paused"]
        assert health["commands"] == {"accepted": 1}
        last = newest(subscriber)
        assert asker.ask("resume", {"id": "r1"}).verdict == (True, None)
        assert later(subscriber, last)["seq"] == last + 1
        assert subscriber.wait_for("status", lambda s: not s["notes"] and s["since"] == noted["since"])
        later(subscriber, last + 5)
        assert asker.ask("pause", {"id": "p2"}).verdict == (True, None)
        assert agent.stop() == 0, agent.log
    events = [e["event_seq"] for e in subscriber.bodies("inspect/event")]
    assert events == list(range(len(events)))
    session = subscriber.bodies("inspect/prediction")[-1]["session"]
    with Agent(config):
        subscriber.wait_for("inspect/prediction", lambda p: p["session"] != session and p["seq"] > 3)


def test_a_threshold_is_set_within_its_bounds_until_the_restart(config, subscriber, asker):
    """The decision changes from one frame to the next; what is out of bounds changes nothing."""
    with Agent(config) as agent:
        assert later(subscriber, 3)["decision"] == "reject"
        answer = asker.ask("set", {"id": "s1", "pipeline": "inspect", "min_score": 1.0})
        assert answer.body["result"] == {"pipeline": "inspect", "set": {"min_score": 1.0}, "until": "restart"}
        first_unsure = later(subscriber, 3, lambda p: p["decision"] == "unsure")["seq"]
        for value in (0.4, 1.5, True, "0.7", None):
            key = "unsure_below" if value is None else "min_score"
            assert asker.ask("set", {"pipeline": "inspect", key: value}).body["ok"] is False
        assert asker.ask("set", b'{"pipeline": "inspect", "min_score": NaN}').verdict == (False, "malformed")
        health = subscriber.wait_for("health", lambda h: h["pipelines"]["inspect"]["set"]).body
        assert health["pipelines"]["inspect"]["set"] == {"min_score": 1.0}
        later(subscriber, newest(subscriber) + 3)
        assert agent.stop() == 0, agent.log
    decisions = [p["decision"] for p in subscriber.bodies("inspect/prediction")]
    assert decisions == ["reject"] * first_unsure + ["unsure"] * (len(decisions) - first_unsure)
    session = subscriber.bodies("inspect/prediction")[-1]["session"]
    with Agent(config):
        again = subscriber.wait_for("inspect/prediction", lambda p: p["session"] != session).body
        assert again["decision"] == "reject"


def snapshot(asker, subscriber) -> tuple[int, dict, dict]:
    """Snapshots n1, n2 and so on, until one is of a frame that was inspected too: how many, the last one's result, and the prediction.

    A camera does not wait for the pipeline, so the very frame may be let go.
    """
    for number in itertools.count(1):
        result = asker.ask("snapshot", {"id": f"n{number}", "source": "cam"}).body["result"]
        index = result["frame_index"]
        found = subscriber.wait_for("inspect/prediction", lambda p, index=index: p["frame"]["index"] >= index).body
        if found["frame"]["index"] == index:
            return number, result, found
    raise AssertionError


def test_a_snapshot_is_what_the_answer_says_and_everything_stands_in_the_audit_file(
    config, tmp_path, subscriber, asker
):
    """The file, its size and sha256, and the frame's number; then each thing that was asked, in order."""
    with Agent(config) as agent:
        later(subscriber, 3)
        count, result, taken = snapshot(asker, subscriber)
        file = tmp_path / "state" / result["file"]
        content = file.read_bytes()
        assert (result["size_bytes"], result["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
        assert abs(float(cv2.imread(str(file)).mean()) - float(picture(BRIGHT).mean())) < 3
        assert taken["captured_at"] == result["captured_at"]
        asker.ask("snapshot", {"id": "n1", "source": "cam"})
        asker.ask("reboot", {"id": "b1"})
        asker.ask("pause", b"\x1b[2Jjunk")
        asker.ask("pause", b"x" * 10_000)
        asker.ask("pause", {"id": "k1"}, retain=True)
        assert agent.stop() == 0, agent.log
    assert [(line["verb"], line["id"], line["outcome"]) for line in audited(tmp_path / "state")] == [
        *(("snapshot", f"n{number}", outcome) for number in range(1, count + 1) for outcome in ("begun", "done")),
        ("snapshot", "n1", "repeated"),
        ("reboot", "b1", "not_allowed"),
        ("pause", None, "malformed"),
        ("pause", None, "too_large"),
        ("pause", "k1", "retained"),
    ]
    assert "Traceback" not in agent.log


def test_an_agent_that_was_killed_in_the_middle_of_a_command_starts_again(config, tmp_path, subscriber, asker):
    """The command does not come back, and the audit file shows that it was begun. A retained one is refused at each start."""
    config.write_text(
        config.read_text() + "snapshot_timeout_s = 60\n" + '[sources.gone]\ntype = "camera"\nurl = "/dev/video99"\n'
        '[pipelines.second]\nsource = "gone"\nmodel = "tiny"\n'
    )
    asker.send("pause", {"id": "kept"}, retain=True)
    with Agent(config) as agent:
        later(subscriber, 3)
        assert asker.wait("pause", 1)[0].verdict == (False, "retained")
        asker.send("snapshot", {"id": "poison", "source": "gone"})
        wait_for_line(tmp_path / "state", '"begun"')
        agent.kill()
    session = subscriber.bodies("inspect/prediction")[-1]["session"]
    with Agent(config) as agent:
        subscriber.wait_for("inspect/prediction", lambda p: p["session"] != session and p["seq"] > 3)
        assert asker.wait("pause", 2)[1].verdict == (False, "retained")
        assert asker.ask("resume", {"id": "after"}).verdict == (True, None)
        assert agent.stop() == 0, agent.log
    lines = [(line["id"], line["outcome"]) for line in audited(tmp_path / "state")]
    assert lines.count(("poison", "begun")) == 1
    assert [line for line in lines if line[0] == "after"] == [("after", "begun"), ("after", "done")]
    assert asker.acks("snapshot") == []


def test_without_an_allow_list_nothing_is_heard(config, subscriber, asker):
    """Off unless it is switched on: no answer either, as nobody listens."""
    config.write_text(config.read_text().replace('allow = ["pause", "resume", "snapshot", "set"]', ""))
    with Agent(config) as agent:
        later(subscriber, 3)
        asker.send("pause", {"id": "p1"})
        later(subscriber, newest(subscriber) + 5)
        health = subscriber.wait_for("health", lambda _: True).body
        assert health["commands"] == {}
        assert agent.stop() == 0, agent.log
    assert asker.acks() == []
