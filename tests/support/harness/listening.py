"""A subscriber that misses nothing that the broker keeps for it: a session that outlives its connections, straight at the broker."""

from __future__ import annotations

import threading

import paho.mqtt.client as paho
from deadlines import LONG_S
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from recording import Event

_WEEK_S = 7 * 24 * 3600


class Listener:
    """Notes the events it hears, in order, repeated ones each time. It comes back by itself and within a second."""

    def __init__(self, port: int, topic: str = "lineside/#", *, wait_s: float = LONG_S) -> None:
        self._changed = threading.Condition()
        self._events: list[Event] = []
        self._ids: set[str] = set()
        self._is_subscribed = threading.Event()
        self._topic = topic
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id="listener", protocol=MQTTProtocolVersion.MQTTv5
        )
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe(self._topic, qos=1)
        self._client.on_subscribe = lambda *_: self._is_subscribed.set()
        self._client.on_message = self._on_message
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = _WEEK_S
        self._client.connect_async("127.0.0.1", port, clean_start=False, properties=properties)
        self._client.loop_start()
        assert self._is_subscribed.wait(wait_s), "the listener did not connect"

    def _on_message(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        if message.topic.endswith("/event"):
            event = Event.parse(message.payload)
            with self._changed:
                self._events.append(event)
                self._ids.add(event.id)
                self._changed.notify_all()

    def events(self) -> list[Event]:
        """What was heard so far."""
        with self._changed:
            return list(self._events)

    def wait_heard(self, ids: set[str], timeout_s: float) -> bool:
        """Whether all of these were heard, now or within `timeout_s`."""
        with self._changed:
            return self._changed.wait_for(lambda: ids <= self._ids, timeout_s)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
