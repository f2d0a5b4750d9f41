"""A real mosquitto for tests, a way to it that can be cut, and a subscriber that remembers what it was sent.

mosquitto runs as a child on a loopback port of its own, which nobody else gets while it is restarted. `TCP_NODELAY` is on; without it one message
in twenty waits 10 ms.
"""

from __future__ import annotations

import contextlib
import getpass
import json
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from deadlines import LONG_S
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from ports import HeldPort

PROGRAM = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")

needs_mosquitto = pytest.mark.skipif(PROGRAM is None, reason="mosquitto is not installed; see tests/install-tools")


class Mosquitto:
    """A broker, by default without persistence. `with Mosquitto() as broker:` starts and ends it.

    In `options` and `listener_options` (lines of mosquitto.conf) `{folder}` is the broker's own.
    """

    def __init__(
        self, *, options: str = "", listener_options: str = "", anonymous: bool = True, nodelay: bool = True
    ) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="lineside-test-broker-")
        self.folder = Path(self._folder.name)
        self._held = HeldPort()
        self.port = self._held.number
        self._process: subprocess.Popen[bytes] | None = None
        self._config = "\n".join(
            [
                # Started as root it would give its rights up and could not read the files of a test.
                f"user {getpass.getuser()}",
                f"set_tcp_nodelay {str(nodelay).lower()}",
                # Else it drops QoS 0 for a subscriber that is more than 1,000 messages behind.
                "max_queued_messages 0",
                f"allow_anonymous {str(anonymous).lower()}",
                options.format(folder=self.folder),
                f"listener {self.port} 127.0.0.1",
                listener_options.format(folder=self.folder),
                "",
            ]
        )

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> Mosquitto:
        config = self.folder / "mosquitto.conf"
        config.write_text(self._config, encoding="ascii")
        log = (self.folder / "mosquitto.log").open("ab")
        with log:
            self._process = subprocess.Popen([str(PROGRAM), "-v", "-c", str(config)], stdout=log, stderr=log)
        until_s = time.monotonic() + LONG_S
        while time.monotonic() < until_s and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return self
            time.sleep(0.01)  # it needs the processor more than we do
        raise AssertionError(f"mosquitto does not start:\n{self.log()}")

    def stop(self) -> None:
        """End it in good order: it says goodbye to its clients."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(LONG_S)
            self._process = None

    def kill(self) -> None:
        """End it as a power cut does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(LONG_S)
            self._process = None

    @contextlib.contextmanager
    def paused(self):
        """Within the block it neither reads nor writes, and its connections stay."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def restart(self) -> None:
        self.stop()
        self.start()

    def log(self) -> str:
        return (self.folder / "mosquitto.log").read_text(errors="replace")

    def __enter__(self):
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._held.close()
        self._folder.cleanup()


class Proxy:
    """A way to a broker that can be cut. With `refuse_5` it behaves towards MQTT 5 as old brokers do.

    Attributes:
        refuse_5: `answer`: the CONNACK of MQTT 3.1.1 that says "unacceptable protocol version". `close`: no answer at all.
        connections: How many have been made.
    """

    def __init__(self, target: int, *, refuse_5: str = "") -> None:
        self.refuse_5 = refuse_5
        self.connections = 0
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._clients: list[socket.socket] = []
        self._frozen: set[socket.socket] = set()
        self._freezes_new = False
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._sockets.append(client)
            self._clients.append(client)
            if self._freezes_new:
                self._frozen.add(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            first = client.recv(65536)
            if not first:  # cut before it said anything
                client.close()
                return
            # CONNECT: type, one or two bytes of length, "MQTT" behind its own length, then the version.
            if self.refuse_5 and first[first.index(b"MQTT") + 4] == 5:
                if self.refuse_5 == "answer":
                    client.sendall(b"\x20\x02\x00\x01")
                client.close()
                return
            broker = socket.create_connection(("127.0.0.1", self._target))
            self._sockets.append(broker)
            if client in self._frozen:
                self._frozen.add(broker)
            else:
                broker.sendall(first)
            threading.Thread(target=self._pump, args=(broker, client), daemon=True).start()
            self._pump(client, broker)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if source not in self._frozen:
                    sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """Close every connection without a word."""
        for end in self._sockets:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._sockets.clear()

    def say(self, packet: bytes) -> None:
        """Send the newest client what the broker does not say."""
        self._clients[-1].sendall(packet)

    def freeze(self) -> None:
        """Swallow everything from now on, of new connections too: they stay, and nothing arrives.

        TCP loses nothing in the middle of a stream, so a connection that was frozen is so for good: until it is cut.
        """
        self._freezes_new = True
        self._frozen.update(self._sockets)

    def thaw(self) -> None:
        """Connections made from now on work again."""
        self._freezes_new = False

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        # A thread that waits in `accept` wakes by `shutdown`, not by `close`.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()


@dataclass(frozen=True)
class Heard:
    """One message as the subscriber got it."""

    topic: str
    payload: bytes
    qos: int
    is_retained: bool
    """The broker had kept it from before."""

    @property
    def body(self) -> dict:
        return json.loads(self.payload)


class Subscriber:
    """Remembers every message on a filter. It comes back by itself after a restart of the broker and subscribes again."""

    def __init__(
        self, port: int, topic: str = "#", *, client_id: str = "", protocol: str = "5", wait_s: float = LONG_S
    ) -> None:
        self._topic = topic
        self._heard: list[Heard] = []
        self._changed = threading.Condition()  # reentrant
        self._subscriptions = 0
        version = MQTTProtocolVersion.MQTTv5 if protocol == "5" else MQTTProtocolVersion.MQTTv311
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=version)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe(self._topic, qos=1)
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.connect_async("127.0.0.1", port)
        self._client.loop_start()
        try:
            self.wait_subscribed(1, wait_s)
        except AssertionError:
            self.close()
            raise

    def _on_subscribe(self, *_: object) -> None:
        with self._changed:
            self._subscriptions += 1
            self._changed.notify_all()

    def _on_message(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        with self._changed:
            self._heard.append(Heard(message.topic, bytes(message.payload), message.qos, bool(message.retain)))
            self._changed.notify_all()

    def wait_subscribed(self, times: int, timeout_s: float = LONG_S) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self._subscriptions >= times, timeout_s), (
                "the subscriber did not connect"
            )

    def all(self, ending: str = "") -> list[Heard]:
        """What was heard so far on topics that end so, in order."""
        with self._changed:
            return [heard for heard in self._heard if heard.topic.endswith(ending)]

    def bodies(self, ending: str = "") -> list[dict]:
        return [heard.body for heard in self.all(ending)]

    def wait_for(self, ending: str, condition, timeout_s: float = LONG_S) -> Heard:
        """The first message, heard already or still to come, on a topic that ends so and whose body fulfils `condition`."""
        until_s = time.monotonic() + timeout_s
        seen = 0
        with self._changed:
            while True:
                for heard in self._heard[seen:]:
                    if heard.topic.endswith(ending) and condition(heard.body):
                        return heard
                seen = len(self._heard)
                if not self._changed.wait(max(0.0, until_s - time.monotonic())):
                    tail = [(heard.topic, heard.payload[:200]) for heard in self._heard[-6:]]
                    raise AssertionError(f"no such message on …{ending} within {timeout_s:g} s; the last ones: {tail}")

    def wait_count(self, ending: str, count: int, timeout_s: float = LONG_S) -> list[dict]:
        """The bodies heard on a topic that ends so, as soon as there are `count`."""
        until_s = time.monotonic() + timeout_s
        found: list[Heard] = []
        seen = 0
        with self._changed:
            while True:
                found += [heard for heard in self._heard[seen:] if heard.topic.endswith(ending)]
                seen = len(self._heard)
                if len(found) >= count:
                    break
                left_s = until_s - time.monotonic()
                assert left_s > 0, f"{len(found)} of {count} on …{ending} after {timeout_s:g} s"
                self._changed.wait(left_s)
        return [heard.body for heard in found]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
