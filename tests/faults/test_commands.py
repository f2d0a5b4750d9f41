"""Malformed, huge and hostile commands: the agent goes on, answers who asks properly, and starts again after a SIGKILL among them."""

from __future__ import annotations

import json
import time

import pytest
from broker import needs_mosquitto
from harness.hostile import VERBS, command
from harness.plant import Plant
from harness.stranger import Stranger

pytestmark = [needs_mosquitto, pytest.mark.timeout(1200)]

ALLOWED = f"[commands]\nallow = {json.dumps(VERBS)}\n"
_BURST = 50


def test_hostile_commands_neither_stop_the_agent_nor_outlive_it(tmp_path, chance, row):
    """Half of them before a SIGKILL in the middle of the flood, half after it; what they paused can be resumed."""
    commands = chance.pick(400, 10_000)
    with Plant(tmp_path, rate_hz=20, tables=ALLOWED) as plant:
        plant.start()
        stranger = Stranger(plant.broker.port)
        for number in range(commands):
            if number == commands // 2:
                plant.kill()
                plant.heal(plant.start())
            stranger.say(command(chance.random))
            assert number % _BURST or plant.agent.process.poll() is None, plant.agent.log
        answer = stranger.ask("resume", "proper")
        plant.heal(time.monotonic())
        assert plant.agent.process.poll() is None, plant.agent.log
        stranger.close()
        assert plant.stop() == 0, plant.agent.log
        verdict = plant.verdict()
    assert answer["verb"] == "resume", answer
    row("hostile commands", commands, plant, verdict, f"{len(stranger.answers)} answered; one SIGKILL among them")
