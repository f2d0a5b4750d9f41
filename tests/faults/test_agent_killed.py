"""The agent dies without a word, at random moments and at each fsync: its state opens, and no accepted event is missing."""

from __future__ import annotations

import shutil
import time

import pytest
from broker import needs_mosquitto
from harness.plant import ORDERLY, Plant

pytestmark = [needs_mosquitto, pytest.mark.timeout(1800)]

needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None, reason="strace is not installed; see tests/install-tools"
)


@pytest.mark.parametrize("lane", range(4))
def test_no_accepted_event_is_lost_by_sigkill(tmp_path, chance, row, lane):
    """From its first moment to seconds of work. Four lanes, so that they can run beside each other."""
    if lane and not chance.runs_all:
        pytest.skip("one lane is the slice; --faults=all runs four")
    kills = chance.pick(3, 50)
    with Plant(tmp_path, rate_hz=50) as plant:
        for _ in range(kills):
            since_s = plant.start(wait=False)
            if chance.random.random() < 0.8:  # the others may die before they have done anything
                plant.heal(since_s)
            time.sleep(chance.wait_s(0.0, 1.0))
            plant.kill()
        plant.start()
        assert plant.stop() == 0, plant.agent.log
        verdict = plant.verdict()
    row("agent killed (SIGKILL)", kills, plant, verdict, "from the start of its process")
    assert not verdict.waiting


def test_no_accepted_event_is_lost_by_sigkill_while_the_broker_is_away(tmp_path, chance, row):
    """Several sessions pile up in the spool and come out in order."""
    kills = chance.pick(1, 20)
    with Plant(tmp_path, rate_hz=50, broker_options=ORDERLY) as plant:
        plant.start()
        plant.broker.stop()
        for _ in range(kills):
            plant.wait_made(chance.random.randrange(5, 200))  # the first after 5 s, as the broker is awaited
            plant.kill()
            plant.start(wait=False)
        plant.broker.start()
        plant.heal(time.monotonic())
        assert plant.stop() == 0, plant.agent.log
        verdict = plant.verdict()
    row("agent killed, broker away", kills, plant, verdict)
    assert not verdict.waiting


def test_no_accepted_event_is_lost_by_sigkill_while_the_agent_catches_up(tmp_path, chance, row):
    """A long outage is over, thousands of events leave, and most of them have left when the agent dies."""
    kills = chance.pick(2, 20)
    with Plant(tmp_path, pipelines=4, rate_hz=100, broker_options=ORDERLY) as plant:
        plant.start()
        for _ in range(kills):
            plant.broker.stop()
            plant.wait_made(chance.pick(400, 1000))
            plant.broker.start()
            plant.wait_confirmed_after(time.monotonic())
            time.sleep(chance.wait_s(0.0, 1.0))
            plant.kill()
            plant.heal(plant.start(wait=False))
        plant.wait_drained()
        assert plant.stop() == 0, plant.agent.log
        verdict = plant.verdict(heard_s=60)
    row("agent killed, catching up", kills, plant, verdict)
    assert not verdict.waiting


def _kill_at_fsync(plant: Plant, number: int) -> None:
    """Run the agent until its n-th fsync, before which the kernel ends it."""
    inject = f"inject=fsync,fdatasync:signal=KILL:when={number}"
    plant.start(
        under=["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", inject], wait=False
    )
    plant.agent.wait(90)
    plant.note_killed()


@needs_strace
@pytest.mark.parametrize("lane", range(3))
def test_no_accepted_event_is_lost_by_sigkill_at_each_fsync(tmp_path, chance, row, lane):
    """For each n that seconds of work come to. The broker is slow to confirm, so that every event is written."""
    if lane and not chance.runs_all:
        pytest.skip("one lane is the slice; --faults=all runs three")
    numbers = chance.pick(chance.random.sample(range(1, 20), 2), range(1 + lane, 61, 3))
    with Plant(tmp_path, rate_hz=5, tables="[spool]\nflush_ms = 10\n") as plant:
        plant.start()
        plant.kill()
        plant.way.delay_s = 0.03
        for number in numbers:
            _kill_at_fsync(plant, number)
        plant.way.delay_s = 0.0
        plant.heal(plant.start(wait=False))
        assert plant.stop() == 0, plant.agent.log
        verdict = plant.verdict()
    row("agent killed at the n-th fsync", len(numbers), plant, verdict, f"n up to {max(numbers)}")
    assert not verdict.waiting


@needs_strace
def test_a_first_start_that_is_killed_at_any_fsync_leaves_a_state_that_opens(tmp_path, chance, row):
    """The files of the state are not there yet, or half of them."""
    numbers = chance.pick(chance.random.sample(range(1, 8), 1), range(1, 13))
    with Plant(tmp_path, rate_hz=5, tables="[spool]\nflush_ms = 10\n") as plant:
        for number in numbers:
            plant.way.delay_s = 0.03
            _kill_at_fsync(plant, number)
            plant.way.delay_s = 0.0
            plant.heal(plant.start(wait=False))
            assert plant.stop() == 0, plant.agent.log
            shutil.rmtree(plant.state_dir)
        verdict = plant.verdict()
    row("first start killed at the n-th fsync", len(numbers), plant, verdict, f"n up to {max(numbers)}")
