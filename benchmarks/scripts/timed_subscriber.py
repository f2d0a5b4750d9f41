"""timed_subscriber.py PORT TOPIC QOS COUNT: note when each message reaches the callback.

Says `subscribed`, takes COUNT messages, then prints one line for each: Unix time in nanoseconds, payload. Retained messages of
before are not counted. Gives up where nobody answers.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

ANSWER_S = 10.0
GIVE_UP_S = 900.0


def main() -> None:
    """Subscribe, wait, print."""
    port, topic, qos, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    taken: list[tuple[int, bytes]] = []
    connected, ready, full = threading.Event(), threading.Event(), threading.Event()

    def on_message(_client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        now_ns = time.time_ns()
        if message.retain or len(taken) >= count:
            return
        taken.append((now_ns, bytes(message.payload)))
        if len(taken) == count:
            full.set()

    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.on_connect = lambda *_: connected.set()
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = on_message
    client.connect("127.0.0.1", port)
    client.loop_start()
    if not connected.wait(ANSWER_S):
        sys.exit("the broker does not answer")
    client.subscribe(topic, qos)
    if not ready.wait(ANSWER_S):
        sys.exit("the broker grants no subscription")
    print("subscribed", flush=True)
    if not full.wait(GIVE_UP_S):
        sys.exit(f"{len(taken)} of {count} messages came")
    client.disconnect()
    client.loop_stop()
    sys.stdout.write("".join(f"{at} {payload.decode()}\n" for at, payload in taken))


main()
