"""A broker for the demo on a free loopback port: mosquitto where it is installed, else amqtt in this process.

For the demo only: anybody on this machine may connect, and nothing is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from agent.core.errors import BrokerUnreachable, MissingExtra

if TYPE_CHECKING:
    from collections.abc import Iterator

_START_S = 10.0


class Broker(Protocol):
    """A broker that runs."""

    name: str
    port: int


@contextlib.contextmanager
def broker() -> Iterator[Broker]:
    """Run a broker for the length of the block.

    Raises:
        BrokerUnreachable: It did not start within 10 s.
        MissingExtra: Neither mosquitto nor amqtt is installed.
    """
    running = chosen()
    try:
        running.start()
        yield running
    finally:
        running.close()


def chosen() -> Mosquitto | Amqtt:
    """The broker of this machine, not started yet. Debian keeps mosquitto in /usr/sbin, off the path of ordinary users."""
    mosquitto = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    return Mosquitto(mosquitto) if mosquitto else Amqtt()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_listening(port: int, name: str) -> None:
    until_s = time.monotonic() + _START_S
    while time.monotonic() < until_s:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise BrokerUnreachable(f"{name} did not answer on port {port} within {_START_S:g} s", hint="try again")


class Mosquitto:
    """A child process with a configuration of its own."""

    name = "mosquitto"

    def __init__(self, program: str) -> None:
        self._program = program
        self._folder = tempfile.TemporaryDirectory(prefix="lineside-broker-")
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()

    def start(self) -> None:
        """Start and wait until it answers. TCP_NODELAY, or one message in twenty waits 10 ms for Nagle's algorithm."""
        config = Path(self._folder.name) / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n", encoding="ascii"
        )
        self._process = subprocess.Popen(
            [self._program, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _await_listening(self.port, self.name)

    def close(self) -> None:
        """End the child. May be called twice."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None
        self._folder.cleanup()


class Amqtt:
    """A pure Python broker in a thread; it speaks MQTT 3.1.1 only, which the agent falls back to."""

    name = "amqtt"

    def __init__(self) -> None:
        self.port = _free_port()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="broker", daemon=True)

    def start(self) -> None:
        """Start and wait until it answers."""
        try:
            from amqtt.broker import Broker as AmqttBroker
        except ImportError as error:
            raise MissingExtra(
                "there is no MQTT broker for the demo", hint="pip install 'lineside[demo]', or apt install mosquitto"
            ) from error
        logging.getLogger("amqtt").setLevel(logging.ERROR)
        logging.getLogger("transitions").setLevel(logging.ERROR)
        self._thread.start()
        config = {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{self.port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }

        async def begin() -> AmqttBroker:
            running = AmqttBroker(config)
            await running.start()
            return running

        self._broker = asyncio.run_coroutine_threadsafe(begin(), self._loop).result(_START_S)
        _await_listening(self.port, self.name)

    def close(self) -> None:
        """End the broker and its thread."""
        if self._thread.is_alive():
            with contextlib.suppress(Exception):  # its shutdown may complain of clients that went first
                asyncio.run_coroutine_threadsafe(self._broker.shutdown(), self._loop).result(_START_S)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_START_S)
