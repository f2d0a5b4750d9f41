"""Malformed, huge and hostile commands: the agent goes on, answers who asks properly, and starts again after a SIGKILL among them."""

from __future__ import annotations

import json
import threading
import time

import paho.mqtt.client as paho
import pytest
from broker import needs_mosquitto
from harness.hostile import VERBS, Command, command
from harness.plant import ROOT, Plant
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

pytestmark = [needs_mosquitto, pytest.mark.timeout(1200)]

ALLOWED = f"[commands]\nallow = {json.dumps(VERBS)}\n"
_BURST = 50


class Stranger:
    """Publishes straight at the broker, and hears every answer."""

    def __init__(self, port: int) -> None:
        self.answers: list[dict] = []
        self._came = threading.Condition()
        self._retained: set[str] = set()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.subscribe(f"{ROOT}/cmd/+/ack", qos=1)
        self._client.loop_start()

    def _on_message(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        if b"lineside.ack/" not in message.payload:
            return  # hostile commands go to such topics too
        with self._came:
            self.answers.append(json.loads(message.payload))
            self._came.notify_all()

    def say(self, said: Command) -> None:
        """Publish; returns when the broker has it."""
        if said.retain:
            self._retained.add(said.topic)
        self._client.publish(f"{ROOT}/{said.topic}", said.payload, qos=1, retain=said.retain).wait_for_publish(30)

    def ask(self, verb: str, name: str, timeout_s: float = 60.0) -> dict:
        """A proper command, said again while the agent is busy with other ones; its answer."""
        until_s, number = time.monotonic() + timeout_s, 0
        while time.monotonic() < until_s:
            number += 1
            asked = f"{name}-{number}"
            self.say(Command(f"cmd/{verb}", json.dumps({"id": asked}).encode(), retain=False))
            with self._came:
                self._came.wait_for(lambda asked=asked: self._of(asked), 2.0)
                answer = self._of(asked)
            if answer and answer[-1].get("reason") != "busy":
                return answer[-1]
        raise AssertionError(f"{verb} was not answered within {timeout_s:g} s; the last answers: {self.answers[-5:]}")

    def _of(self, asked: str) -> list[dict]:
        return [answer for answer in self.answers if answer.get("id") == asked]

    def close(self) -> None:
        """What the broker kept of it goes, too."""
        for topic in self._retained:
            self._client.publish(f"{ROOT}/{topic}", b"", qos=1, retain=True).wait_for_publish(30)
        self._client.disconnect()
        self._client.loop_stop()


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
