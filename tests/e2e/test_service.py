"""The agent as systemd meets it: ready, how it is, alive, stopping; and what it does about calls that hang for good."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from broker import needs_mosquitto
from clips import write_pictures
from deadlines import LONG_S
from line import Agent, configure, write_bundle
from manager import Manager

pytestmark = needs_mosquitto

LIVE = '[sources.cam]\ntype = "images"\nurl = "pictures"\nloop = true\nrealtime = true\nrate_hz = 20\n'
MODELS = '[models.tiny]\npath = "tiny"\n'
HANGING = (str(Path(__file__).parents[1] / "support" / "hanging_agent.py"),)


def pipelines(*names):
    return "".join(f'[pipelines.{name}]\nsource = "cam"\nmodel = "tiny"\n' for name in names)


@pytest.fixture
def manager(tmp_path):
    with Manager(tmp_path) as running:
        yield running


@pytest.fixture
def line(tmp_path, broker):
    """Writes a configuration over pictures and a tiny model."""
    write_pictures(tmp_path / "pictures", 12)
    write_bundle(tmp_path / "tiny")
    return lambda tables: configure(
        tmp_path, broker.port, LIVE + MODELS + tables, device="shutdown_grace_s = 2\nhealth_interval_s = 1"
    )


def test_a_service_is_ready_alive_and_says_how_it_is(line, manager, subscriber):
    """From the start of its sources until it is asked to stop."""
    env = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "2000000"}
    with Agent(line(pipelines("inspect", "second")), env=env) as agent:
        manager.wait_for("READY")
        manager.wait_for("STATUS", lambda text: text.startswith("2 of 2 pipelines inspect, "))
        subscriber.wait_for("prediction", lambda p: p["seq"] >= 10)
        began_s = time.monotonic()
        manager.wait_for("WATCHDOG", times=len(manager.of("WATCHDOG")) + 6)
        # Five times a second lie between them; the first was under way, and some may have waited to be heard.
        assert time.monotonic() - began_s >= 3.5, "at half of its time, not at every look"
        assert agent.stop() == 0, agent.log
    manager.wait_for("STOPPING")
    assert manager.of("EXTEND_TIMEOUT_USEC") == ["12000000"]
    assert "READY" in manager.told[0], "nothing is said before"


def test_a_pipeline_whose_interpreter_hangs_is_replaced_and_nothing_else_notices(line, manager, subscriber, tmp_path):
    """Its numbers go on without a gap, its neighbour goes on, the watchdog is fed, and the stop does not wait for the thread."""
    env = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "2000000", "LINESIDE_TEST_HANG": str(tmp_path)}
    tables = pipelines("one", "two") + "[supervision]\nstall_after_s = 5\n"
    with Agent(line(tables), env=env, program=HANGING) as agent:
        for name in ("one", "two"):
            subscriber.wait_for(f"{name}/prediction", lambda p: p["seq"] >= 5)
        (tmp_path / "hang-1").touch()
        health = subscriber.wait_for("/health", lambda h: h["abandoned_threads"] == 1).body
        (hung,) = (name for name, p in health["pipelines"].items() if "hung" in p["drops"])
        subscriber.wait_for(
            "/health", lambda h: h["abandoned_threads"] == 1 and h["pipelines"][hung]["state"] == "ok", 60
        )
        before = len(subscriber.bodies(f"{hung}/prediction"))
        subscriber.wait_count(f"{hung}/prediction", before + 10)
        manager.wait_for("WATCHDOG", times=len(manager.of("WATCHDOG")) + 2)
        assert agent.stop() == 0, agent.log
    for name in ("one", "two"):
        numbers = [p["seq"] for p in subscriber.bodies(f"{name}/prediction")]
        assert numbers == list(range(len(numbers))), name
    last = subscriber.bodies("/health")[-1]
    assert last["abandoned_threads"] == 1
    assert last["pipelines"][hung]["drops"]["hung"] == 1
    assert agent.log.count("infer() did not return for ") == 1
    assert agent.log.count("is given a fresh thread") == 1


@pytest.mark.parametrize(("pictures", "hangs"), [(12, 1), (3, 2)])
def test_a_folder_waits_for_the_pipeline_that_is_replaced_and_is_read_to_its_end(
    tmp_path, broker, subscriber, pictures, hangs
):
    """What hung is lost and counted, everything else is inspected, also if the folder has ended before the next try."""
    write_pictures(tmp_path / "pictures", pictures)
    write_bundle(tmp_path / "tiny")
    for k in range(hangs):
        (tmp_path / f"hang-{k}").touch()
    folder = '[sources.cam]\ntype = "images"\nurl = "pictures"\n'
    tables = folder + MODELS + pipelines("inspect") + "[supervision]\nstall_after_s = 5\n"
    config = configure(tmp_path, broker.port, tables)
    with Agent(config, env={"LINESIDE_TEST_HANG": str(tmp_path)}, program=HANGING) as agent:
        assert agent.wait(2 * LONG_S) == 0, agent.log
    subscriber.wait_for("status", lambda s: s["state"] == "stopped")
    assert [p["seq"] for p in subscriber.bodies("inspect/prediction")] == list(range(pictures - hangs))
    assert subscriber.bodies("/health")[-1]["pipelines"]["inspect"]["drops"] == {"hung": hangs}


def test_with_too_many_threads_that_hang_the_agent_ends_to_be_started_afresh(line, subscriber, tmp_path):
    """Exit code 1, which systemd restarts; the last word is that of the will, with the reason."""
    tables = pipelines("one", "two") + "[supervision]\nstall_after_s = 5\nmax_abandoned = 2\n"
    with Agent(line(tables), env={"LINESIDE_TEST_HANG": str(tmp_path)}, program=HANGING) as agent:
        subscriber.wait_for("two/prediction", lambda p: p["seq"] >= 5)
        for k in range(2):
            (tmp_path / f"hang-{k}").touch()
        assert agent.wait(2 * LONG_S) == 1, agent.log
    last = subscriber.wait_for("status", lambda s: s["state"] == "offline").body
    assert last["reasons"][-1] == "2 abandoned threads still hang; only a fresh process helps"
    assert "stopped" not in [s["state"] for s in subscriber.bodies("/status")]
