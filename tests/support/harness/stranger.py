"""Somebody at the broker who sends commands, proper ones and others, and hears the answers."""

from __future__ import annotations

import json
import threading
import time

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from harness.hostile import Command
from harness.plant import ROOT


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
