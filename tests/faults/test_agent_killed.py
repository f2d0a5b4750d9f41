"""The agent dies without a word, at random moments and at each fsync: its state opens, and no accepted event is missing."""

from __future__ import annotations

import shutil
import time

import pytest
from broker import needs_mosquitto
from harness.plant import PERSISTENT, Plant
from harness.spool_rows import needs_spool

pytestmark = [needs_mosquitto, needs_spool, pytest.mark.timeout(1800)]

needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None, reason="strace is not installed; see tests/install-tools"
)


@pytest.mark.parametrize("lane", range(4))
def test_no_accepted_event_is_lost_by_sigkill(tmp_path, chance, row, lane):
    """From its first moment to seconds of work. Four lanes, so that they can run beside each other."""
    if lane and not chance.runs_all:
        pytest.skip("one lane is the slice; --faults=all runs four")
    kills = chance.pick(4, 50)
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
    kills = chance.pick(3, 20)
    with Plant(tmp_path, rate_hz=50, broker_options=PERSISTENT) as plant:
        plant.start()
        plant.broker.stop()
        for _ in range(kills):
            time.sleep(chance.wait_s(0.2, 1.5))
            plant.kill()
            plant.start(wait=False)
            time.sleep(1.0)
        plant.broker.start()
        plant.heal(time.monotonic())
        assert plant.stop() == 0, plant.agent.log
        verdict = plant.verdict()
    row("agent killed, broker away", kills, plant, verdict)
    assert not verdict.waiting


@needs_strace
def test_no_accepted_event_is_lost_by_sigkill_at_each_fsync(tmp_path, chance, row):
    """Before the n-th fsync returns, for each n that a short run comes to."""
    numbers = chance.pick(sorted(chance.random.sample(range(1, 40), 3)), range(1, 101))
    with Plant(tmp_path, rate_hz=50, device="health_interval_s = 1\n") as plant:
        plant.start()
        plant.kill()
        for number in numbers:
            inject = f"inject=fsync,fdatasync:signal=KILL:when={number}"
            under = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", inject]
            plant.start(under=under, wait=False)
            plant.agent.wait(60)
            plant.note_killed()
        since_s = plant.start(wait=False)
        plant.heal(since_s)
        assert plant.stop() == 0, plant.agent.log
        verdict = plant.verdict()
    row("agent killed at the n-th fsync", len(numbers), plant, verdict, f"n up to {max(numbers)}")
    assert not verdict.waiting
