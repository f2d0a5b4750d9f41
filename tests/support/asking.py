"""Somebody who sends commands to an agent over a real broker, and hears what is answered."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass

import paho.mqtt.client as paho
from deadlines import LONG_S
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties


@dataclass(frozen=True)
class Ack:
    """One answer as it came."""

    topic: str
    body: dict
    qos: int
    is_retained: bool
    correlation: bytes | None

    @property
    def verdict(self) -> tuple[bool, str | None]:
        return self.body["ok"], self.body["reason"]


class Asker:
    """Publishes under `{root}/cmd` and subscribes to the answers. `with Asker(port, root) as asker:` ends it."""

    def __init__(self, port: int, root: str, *, protocol: str = "5") -> None:
        self._root = root
        self._is_5 = protocol == "5"
        self._acks: list[Ack] = []
        self._changed = threading.Condition()  # reentrant
        version = MQTTProtocolVersion.MQTTv5 if self._is_5 else MQTTProtocolVersion.MQTTv311
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=version)
        subscribed = threading.Event()
        self._client.on_connect = lambda client, *_: client.subscribe(f"{root}/#", qos=1)
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert subscribed.wait(LONG_S)

    def _on_message(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        with self._changed:
            if message.topic.endswith("/ack"):
                correlation = getattr(message.properties, "CorrelationData", None)
                body = json.loads(message.payload)
                self._acks.append(Ack(message.topic, body, message.qos, bool(message.retain), correlation))
                self._changed.notify_all()

    def send(
        self,
        verb: str,
        body: object = None,
        *,
        retain: bool = False,
        correlation: bytes | None = None,
        response_topic: str | None = None,
        qos: int = 1,
    ) -> None:
        """Publish a command and wait until the broker has it; a body that is no bytes is sent as JSON."""
        payload = body if isinstance(body, bytes) else json.dumps({} if body is None else body).encode()
        properties = Properties(PacketTypes.PUBLISH) if self._is_5 else None
        if properties is not None and correlation is not None:
            properties.CorrelationData = correlation
        if properties is not None and response_topic is not None:
            properties.ResponseTopic = response_topic
        topic = f"{self._root}/cmd/{verb}"
        self._client.publish(topic, payload, qos=qos, retain=retain, properties=properties).wait_for_publish(LONG_S)

    def ask(self, verb: str, body: object = None, timeout_s: float = LONG_S, **options) -> Ack:
        """The answer to a command; the next one on the verb's topic."""
        before = len(self.acks(verb))
        self.send(verb, body, **options)
        return self.wait(verb, before + 1, timeout_s)[-1]

    def acks(self, verb: str = "") -> list[Ack]:
        """The answers so far, to a verb or to all."""
        with self._changed:
            return [ack for ack in self._acks if ack.topic.endswith(f"/cmd/{verb}/ack" if verb else "/ack")]

    def wait(self, verb: str, count: int, timeout_s: float = LONG_S) -> list[Ack]:
        """The answers to a verb as soon as there are so many."""
        until_s = time.monotonic() + timeout_s
        with self._changed:
            while len(found := self.acks(verb)) < count:
                left_s = until_s - time.monotonic()
                assert left_s > 0, (
                    f"{len(found)} of {count} answers to {verb} within {timeout_s:g} s: {self._acks[-3:]}"
                )
                self._changed.wait(left_s)
        return found

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
