"""`lineside run` as a person meets it: a child process, a real broker, real files, and what a subscriber sees."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import tiny_models
from broker import Mosquitto, Subscriber, needs_mosquitto
from clips import picture, write_pictures, write_video
from deadlines import LONG_S
from line import CLASSIFIER_TOML, Agent, configure, write_bundle
from ports import HeldPort

pytestmark = needs_mosquitto

PICTURES = '[sources.folder]\ntype = "images"\nurl = "pictures"\n'
TINY = '[models.tiny]\npath = "tiny"\n'
INSPECT = '[pipelines.inspect]\nsource = "folder"\nmodel = "tiny"\n'


def test_every_picture_of_a_folder_gives_one_numbered_prediction(tmp_path, broker, subscriber):
    """In name order, `seq` from 0 without a gap, the true label, exit code 0, and `stopped` at the end."""
    write_pictures(tmp_path / "pictures", 24)
    write_bundle(tmp_path / "tiny")
    with Agent(configure(tmp_path, broker.port, PICTURES + TINY + INSPECT)) as agent:
        predictions = subscriber.wait_count("pipeline/inspect/prediction", 24)
        assert agent.wait() == 0, agent.log
    assert [p["seq"] for p in predictions] == list(range(24))
    assert [p["frame"]["file"] for p in predictions] == [f"part-{k:03d}.png" for k in range(24)]
    foretold = [tiny_models.class_scores(picture(k)) for k in range(24)]
    clear = [k for k, (dark, bright) in enumerate(foretold) if abs(dark - bright) > 0.2]
    assert len(clear) >= 20
    labels = [p["result"]["label"] for p in predictions]
    assert [labels[k] for k in clear] == [("dark", "bright")[int(foretold[k].argmax())] for k in clear]
    assert (
        subscriber.wait_for("status", lambda s: s["state"] == "stopped").topic == "lineside/v1/plant/line/press/status"
    )
    events = subscriber.bodies("pipeline/inspect/event")
    assert [e["event_seq"] for e in events] == list(range(len(events)))
    judged = [p["seq"] for p in predictions if p["decision"] in ("reject", "unsure")]
    assert [e["seq"] for e in events] == judged != []


@pytest.mark.parametrize(("end", "state"), [(Agent.stop, "stopped"), (Agent.kill, "offline")])
def test_a_late_subscriber_sees_the_state_at_once(tmp_path, broker, end, state):
    """Status, source, model and the last prediction are retained; SIGTERM gives `stopped`, SIGKILL the will's `offline`."""
    write_video(tmp_path / "belt.mp4", 20)
    write_bundle(tmp_path / "tiny")
    source = '[sources.folder]\ntype = "camera"\nurl = "belt.mp4"\nloop = true\nrealtime = true\n'
    endings = {"status", "source/folder/state", "model/tiny/state", "pipeline/inspect/prediction"}
    with Agent(configure(tmp_path, broker.port, source + TINY + INSPECT)) as agent:
        with Subscriber(broker.port, "lineside/#") as early:
            early.wait_for("prediction", lambda p: p["seq"] > 2)
        with Subscriber(broker.port, "lineside/#") as late:
            for ending in endings:
                late.wait_for(ending, lambda _: True)
            assert endings <= {heard.topic.split("/press/")[1] for heard in late.all() if heard.is_retained}
            end(agent)
            late.wait_for("status", lambda s: s["state"] == state)


def test_four_pipelines_run_while_a_fifth_has_no_camera(tmp_path, broker, subscriber):
    """Two clips, each read by two pipelines, all frames of both; the missing camera is `failed` and the agent `degraded`."""
    write_video(tmp_path / "a.mp4", 30)
    write_video(tmp_path / "b.mp4", 20)
    write_bundle(tmp_path / "tiny")
    tables = "".join(f'[sources.{name}]\ntype = "camera"\nurl = "{name}.mp4"\n' for name in ("a", "b"))
    tables += '[sources.gone]\ntype = "camera"\nurl = "/dev/video99"\n' + TINY
    pipelines = {"a1": "a", "a2": "a", "b1": "b", "b2": "b", "fifth": "gone"}
    tables += "".join(f'[pipelines.{name}]\nsource = "{s}"\nmodel = "tiny"\n' for name, s in pipelines.items())
    with Agent(configure(tmp_path, broker.port, tables)) as agent:
        for name, count in (("a1", 30), ("a2", 30), ("b1", 20), ("b2", 20)):
            predictions = subscriber.wait_count(f"pipeline/{name}/prediction", count)
            assert [p["seq"] for p in predictions] == list(range(count)), name
        failed = subscriber.wait_for("source/gone/state", lambda s: s["state"] == "failed").body
        assert "/dev/video99" in failed["reason"]
        assert subscriber.wait_for("status", lambda s: s["state"] == "degraded").body["reasons"]
        assert agent.process.poll() is None, "the camera may still be plugged in"
        assert agent.stop() == 0, agent.log
    assert agent.log.count("source gone: failed") == 1, "a state is logged once per change"


@pytest.mark.parametrize("fault", ["refused", "crashes", "hangs", "changed", "misfit"])
def test_a_bad_model_stops_its_own_pipeline_only(tmp_path, broker, subscriber, fault):
    """It is `rejected` with a reason, the agent is `degraded`, and the other pipeline gives all its predictions."""
    model, reason = {
        "refused": (tiny_models.unresolved_custom_op(), "NoSuchOperator"),
        "crashes": (tiny_models.crashing(), "SIGSEGV"),
        "hangs": (tiny_models.endless(), "15 s while being invoked"),
        "changed": (tiny_models.classifier(), "labels.txt has"),
        "misfit": (tiny_models.classifier(classes=3), "3 classes"),
    }[fault]
    bad = write_bundle(tmp_path / "bad", model=model)
    if fault == "changed":
        subprocess.run([sys.executable, "-m", "agent", "model", "pack", str(bad)], check=True, capture_output=True)
        (bad / "labels.txt").write_text("dark\nlight\n")
    write_pictures(tmp_path / "pictures", 12)
    write_bundle(tmp_path / "tiny")
    tables = PICTURES + TINY + INSPECT + '[models.bad]\npath = "bad"\n'
    tables += '[pipelines.bad]\nsource = "folder"\nmodel = "bad"\n[runtime]\ntrial_timeout_s = 15\n'
    with Agent(configure(tmp_path, broker.port, tables)) as agent:
        predictions = subscriber.wait_count("pipeline/inspect/prediction", 12)
        assert [p["seq"] for p in predictions] == list(range(12))
        state = subscriber.wait_for("model/bad/state", lambda s: s["candidate"] is not None).body
        assert state["candidate"]["state"] == "rejected"
        assert reason in state["candidate"]["reason"]
        assert agent.wait() == 1, agent.log
    assert "Traceback" not in agent.log


def test_where_no_pipeline_can_ever_work_the_agent_says_so_at_once(tmp_path, broker):
    """Exit code 3, and 5 where every model is not to be trusted."""
    write_pictures(tmp_path / "pictures", 2)
    bundle = write_bundle(tmp_path / "tiny", model=b"no model at all")
    config = configure(tmp_path, broker.port, PICTURES + TINY + INSPECT)
    with Agent(config) as agent:
        assert agent.wait() == 3, agent.log
    write_bundle(bundle)
    subprocess.run([sys.executable, "-m", "agent", "model", "pack", str(bundle)], check=True, capture_output=True)
    (bundle / "labels.txt").write_text("other\nlabels\n")
    with Agent(config) as agent:
        assert agent.wait() == 5, agent.log


def test_an_invalid_configuration_ends_at_once_and_names_each_fault(tmp_path, broker):
    """Exit code 3; nothing is started."""
    config = configure(tmp_path, broker.port, PICTURES + TINY + INSPECT.replace("folder", "foldr") + "qso = 1\n")
    with Agent(config) as agent:
        assert agent.wait() == 3
        assert "qso is not known" in agent.log
        assert "did you mean qos?" in agent.log
    assert not (tmp_path / "state").exists()


def test_once_takes_one_frame_per_pipeline(tmp_path, broker, subscriber):
    """From a source that would go on for ever."""
    write_pictures(tmp_path / "pictures", 5)
    write_bundle(tmp_path / "tiny")
    second = INSPECT.replace("inspect", "second")
    sources = PICTURES + "loop = true\n"
    with Agent(configure(tmp_path, broker.port, sources + TINY + INSPECT + second), "--once") as agent:
        assert agent.wait() == 0, agent.log
    subscriber.wait_for("status", lambda s: s["state"] == "stopped")
    for name in ("inspect", "second"):
        assert [p["seq"] for p in subscriber.bodies(f"pipeline/{name}/prediction")] == [0]


def test_messages_that_stay_undelivered_are_counted_in_the_exit_code(tmp_path):
    """Exit code 4 when the broker never came; the agent waited for its grace and no longer."""
    write_pictures(tmp_path / "pictures", 3)
    write_bundle(tmp_path / "tiny")
    with HeldPort() as nobody:
        config = configure(tmp_path, nobody.number, PICTURES + TINY + INSPECT, device="shutdown_grace_s = 1")
        with Agent(config) as agent:
            assert agent.wait() == 4, agent.log
    assert "stayed undelivered" in agent.log


def test_nothing_of_a_file_is_lost_over_a_restart_of_the_broker(tmp_path, subscriber):
    """Predictions made while it is away come as backlog, late and marked; events come on their own topic."""
    write_pictures(tmp_path / "pictures", 60)
    write_bundle(tmp_path / "tiny", toml=CLASSIFIER_TOML.replace("min_score = 0.6", "min_score = 0.0"))
    paced = PICTURES + "realtime = true\nrate_hz = 20\n"
    with Mosquitto() as own, Subscriber(own.port, "lineside/#") as listening:
        with Agent(configure(tmp_path, own.port, paced + "loop = true\n" + TINY + INSPECT)) as agent:
            listening.wait_for("prediction", lambda p: p["seq"] >= 10)
            own.stop()
            own.start()
            listening.wait_subscribed(2)
            listening.wait_for("prediction", lambda p: p["seq"] >= 70)
            assert agent.stop() == 0, agent.log
        events = listening.bodies("/event")
    first = list(dict.fromkeys(e["event_seq"] for e in events if e["schema"] == "lineside.prediction/1"))
    assert first == sorted(first)
    assert agent.log.count("connected to") == 2


def test_status_tells_what_the_running_agent_does(tmp_path, broker, subscriber):
    """`lineside status` asks over the socket in the state directory; a second agent on it is refused and names the first."""
    write_pictures(tmp_path / "pictures", 5)
    write_bundle(tmp_path / "tiny")
    config = configure(tmp_path, broker.port, PICTURES + "loop = true\nrealtime = true\n" + TINY + INSPECT)
    with Agent(config) as agent:
        subscriber.wait_for("prediction", lambda p: p["seq"] >= 3)
        command = [sys.executable, "-m", "agent", "status", "-c", str(config)]
        answer = json.loads(
            subprocess.run([*command, "--json"], capture_output=True, check=True, timeout=LONG_S).stdout
        )
        assert answer["pid"] == agent.process.pid
        assert answer["pipelines"]["inspect"]["predictions"] >= 3
        assert answer["models"]["tiny"]["active"]["version"] == "1.0.0"
        text = subprocess.run(command, capture_output=True, check=True, timeout=LONG_S, text=True).stdout
        assert text.startswith("press  degraded" if answer["status"]["reasons"] else "press  online")
        second = subprocess.run(
            [sys.executable, "-m", "agent", "run", "-c", str(config)],
            capture_output=True,
            timeout=LONG_S,
            text=True,
            check=False,
        )
        assert second.returncode == 1
        assert f"pid {agent.process.pid}" in second.stderr
        assert agent.stop() == 0


def test_every_line_of_the_log_is_json_where_that_is_asked_for(tmp_path, broker, subscriber):
    """Native code included, which likes to talk to stderr."""
    write_pictures(tmp_path / "pictures", 3)
    write_bundle(tmp_path / "tiny")
    tables = PICTURES + TINY + INSPECT + '[log]\nformat = "json"\n'
    with Agent(configure(tmp_path, broker.port, tables)) as agent:
        assert agent.wait() == 0, agent.log
    entries = [json.loads(line) for line in agent.log.splitlines()]
    assert any(entry["message"] == "pipeline inspect: ok" for entry in entries)
