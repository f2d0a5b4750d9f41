"""Plain paho from `publish` in one process to the callback in another. Stand-alone.

run.py versions
run.py roundtrip PORT QOS COUNT RATE SIZE    p50 and p99 in milliseconds of COUNT messages of SIZE bytes, RATE a second
run.py drain PORT COUNT SIZE                 messages a second at QoS 1, 20 in flight, until the last one is confirmed

Both sides set TCP_NODELAY: this is the best that paho does.
"""

import importlib.metadata
import json
import socket
import subprocess
import sys
import threading
import time

import paho.mqtt.client as mqtt

TOPIC = "bench/paho"
WARM_UP = 30
SLACK_S = 20.0


def connected(port):
    """A client with its network thread."""
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.on_socket_open = lambda _client, _data, sock: sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    ready = threading.Event()
    client.on_connect = lambda *_: ready.set()
    client.connect("127.0.0.1", port)
    client.loop_start()
    if not ready.wait(SLACK_S):
        sys.exit("the broker does not answer")
    return client


def publish(port, qos, count, rate, size):
    """Messages that begin with the time of their publishing."""
    client = connected(port)
    due = time.perf_counter()
    for _ in range(count):
        due += 1 / rate
        time.sleep(max(0.0, due - time.perf_counter()))
        sent = client.publish(TOPIC, f"{time.time_ns():<{size}}", qos)
    sent.wait_for_publish(SLACK_S)
    client.disconnect()
    client.loop_stop()


def roundtrip(port, qos, count, rate, size):
    """Subscribe here, publish from a child."""
    taken, full, subscribed = [], threading.Event(), threading.Event()

    def on_message(_client, _data, message):
        taken.append((time.time_ns() - int(message.payload)) / 1e6)
        if len(taken) == count:
            full.set()

    client = connected(port)
    client.on_subscribe = lambda *_: subscribed.set()
    client.on_message = on_message
    client.subscribe(TOPIC, qos)
    if not subscribed.wait(SLACK_S):
        sys.exit("the broker does not answer")
    arguments = [str(value) for value in (port, qos, count, rate, size)]
    child = subprocess.Popen([sys.executable, __file__, "publish", *arguments])
    try:
        if not full.wait(count / rate + SLACK_S):
            sys.exit(f"{len(taken)} of {count} messages came")
    finally:
        child.terminate()
        child.wait(SLACK_S)
        client.disconnect()
        client.loop_stop()
    ordered = sorted(taken[WARM_UP:])
    return {"p50": ordered[len(ordered) // 2], "p99": ordered[int(len(ordered) * 0.99)]}


def drain(port, count, size):
    """As fast as paho sends what it holds; 20 in flight is the fastest that was measured."""
    client = connected(port)
    payload = b"x" * size
    confirmed, all_confirmed = [0], threading.Event()

    def on_publish(*_):
        confirmed[0] += 1
        if confirmed[0] == count:
            all_confirmed.set()

    client.on_publish = on_publish
    began = time.perf_counter()
    for _ in range(count):
        client.publish(TOPIC, payload, 1)
    if not all_confirmed.wait(100):
        sys.exit(f"{confirmed[0]} of {count} messages were confirmed")
    took = time.perf_counter() - began
    client.disconnect()
    client.loop_stop()
    return {"messages/s": count / took}


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["versions"]:
            print(json.dumps({"paho-mqtt": importlib.metadata.version("paho-mqtt")}))
        case ["drain", port, count, size]:
            print(json.dumps(drain(int(port), int(count), int(size))))
        case ["roundtrip" | "publish" as what, port, qos, count, rate, size]:
            arguments = (int(port), int(qos), int(count), float(rate), int(size))
            if what == "publish":
                publish(*arguments)
            else:
                print(json.dumps(roundtrip(*arguments)))
        case _:
            sys.exit(__doc__)
