"""The other end of the broker: every prediction and every state of the model in the order they came, and a way to say what was right."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

import paho.mqtt.client as paho
from line import PIPELINE, ROOT, TABLE

if TYPE_CHECKING:
    from collections.abc import Callable

Message = dict[str, Any]
_CONNECT_S = 10.0


class Silent(Exception):
    """What was waited for did not come."""


class Subscriber:
    """Any thread reads; ended by `close`.

    Attributes:
        predictions: Every one, first in, first out.
        states: What `model/<name>/state` said, likewise, and the monotonic time when it came.
    """

    def __init__(self, port: int) -> None:
        """Connect and subscribe.

        Args:
            port: Of a broker on the loopback.
        """
        self.predictions: list[Message] = []
        self.states: list[Message] = []
        self._kept: dict[str, Callable[[Message], None]] = {
            f"{ROOT}/pipeline/{PIPELINE}/prediction": self.predictions.append,
            f"{ROOT}/model/{TABLE}/state": lambda state: self.states.append((time.monotonic(), state)),
        }
        self._changed = threading.Condition()
        subscribed = threading.Event()
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self._client.on_connect = lambda client, *_: client.subscribe([(topic, 1) for topic in self._kept])
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        if not subscribed.wait(_CONNECT_S):
            raise Silent("the broker does not answer")

    def _on_message(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        with self._changed:
            self._kept[message.topic](json.loads(message.payload))
            self._changed.notify_all()

    def wait(self, what: str, has_come: Callable[[], bool], timeout_s: float) -> None:
        """Wait for something that can be seen here.

        Args:
            what: In words.
            has_come: Looked at with each message.
            timeout_s: Then it is given up.

        Raises:
            Silent: It did not come.
        """
        until_s = time.monotonic() + timeout_s
        with self._changed:
            while not has_come():
                if (left_s := until_s - time.monotonic()) <= 0:
                    raise Silent(f"{what}: not within {timeout_s:g} s; last {self.states[-1:]}")
                self._changed.wait(left_s)

    def feedback(self, prediction: str, decision: str | None) -> None:
        """Say that a prediction was right, or which decision would have been."""
        body = {"prediction": prediction, "verdict": "wrong" if decision else "right"}
        if decision:
            body["decision"] = decision
        self._client.publish(f"{ROOT}/cmd/feedback", json.dumps(body), qos=1)

    def close(self) -> None:
        """Hear no more."""
        self._client.disconnect()
        self._client.loop_stop()
