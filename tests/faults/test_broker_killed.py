"""The broker is killed at random moments and comes back, with its memory and without."""

from __future__ import annotations

import time

import pytest
from broker import needs_mosquitto
from harness.plant import PERSISTENT, Plant

pytestmark = [needs_mosquitto, pytest.mark.timeout(900)]

DUEL_S = 320.0
"""A broker that dies each time soon after the agent is back looks like another client with the agent's id, and is tried more slowly."""


@pytest.mark.parametrize("memory", ["persistence", "no persistence"])
def test_no_event_is_lost_when_the_broker_is_killed_again_and_again(tmp_path, chance, row, memory):
    """Whatever it had not confirmed comes again, in order; what it forgot after its word is its own loss, and told apart."""
    kills = chance.pick(2, 50)
    options = PERSISTENT if memory == "persistence" else ""
    with Plant(tmp_path, rate_hz=chance.pick(50, 25), broker_options=options) as plant:
        plant.start()
        for _ in range(kills):
            time.sleep(chance.wait_s(0.0, chance.pick(1.5, 8.0)))
            plant.broker.kill()
            time.sleep(chance.wait_s(0.0, 1.0))
            plant.broker.start()
            plant.heal(time.monotonic(), DUEL_S)
        assert plant.stop() == 0, plant.agent.log
        verdict = plant.verdict(heard_s=2.0)
    row(f"broker killed, {memory}", kills, plant, verdict)
