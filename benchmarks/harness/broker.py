"""A mosquitto of our own on a free port of the loopback, and subscribers in processes of their own."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, final

from benchmarks.harness import processes
from benchmarks.harness.figures import NotMeasured

if TYPE_CHECKING:
    from types import TracebackType

_START_S = 10.0
_LOOK_S = 0.5
_SCRIPTS = Path(__file__).parent.parent / "scripts"


@final
class Broker:
    """Runs within `with`."""

    def __init__(self, *, nodelay: bool = True) -> None:
        """Store; nothing runs yet.

        Args:
            nodelay: Whether mosquitto sends each message at once; its own default waits for more (Nagle's algorithm).
        """
        self.port = processes.free_port()
        self._nodelay = nodelay
        self._folder = tempfile.TemporaryDirectory(prefix="lineside-bench-")

    def __enter__(self) -> Broker:
        """Start it and wait until it answers.

        Raises:
            NotMeasured: It is not installed, or did not start.
        """
        config = Path(self._folder.name) / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n"
            f"set_tcp_nodelay {str(self._nodelay).lower()}\n",
            encoding="ascii",
        )
        self._process = processes.start([mosquitto(), "-c", config])
        try:
            processes.wait_until(lambda: processes.answers(self.port), _START_S, what="mosquitto")
        except NotMeasured:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        processes.stop(self._process)
        self._folder.cleanup()


def mosquitto() -> str:
    """The program. Debian keeps it in /usr/sbin, off the path of ordinary users.

    Raises:
        NotMeasured: It is not installed.
    """
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if not found:
        raise NotMeasured("mosquitto is not installed")
    return found


@final
class Arrivals:
    """mosquitto_sub, a subscriber that costs almost nothing, with one line a message in a file. Runs within `with`."""

    def __init__(self, broker: Broker, topic: str, line: str = "%U %t") -> None:
        """Store; nothing runs yet.

        Args:
            broker: Runs already.
            topic: With wildcards.
            line: What is kept of a message, in mosquitto_sub's own format: %U time of arrival, %t topic, %p payload.
        """
        self._broker, self._topic, self._line = broker, topic, f"%r {line}"
        self._folder = tempfile.TemporaryDirectory(prefix="lineside-bench-")
        self._file = Path(self._folder.name) / "arrivals"

    def __enter__(self) -> Arrivals:
        """Subscribe, and wait until the broker has said so by handing over a retained message."""
        port, probe = str(self._broker.port), f"bench/{processes.free_port()}"
        processes.run(["mosquitto_pub", "-p", port, "-r", "-t", probe, "-m", "."], _START_S, what="mosquitto_pub")
        with self._file.open("w", encoding="utf-8") as out:
            self._process = subprocess.Popen(
                ["mosquitto_sub", "-p", port, "-t", self._topic, "-t", probe, "-F", self._line],
                stdout=out,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        try:
            processes.wait_until(lambda: self._file.stat().st_size > 0, _START_S, what="the subscription")
        except NotMeasured:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        processes.stop(self._process)
        self._folder.cleanup()

    def lines(self) -> list[str]:
        """One line for each message so far, without retained ones: the probe, and the last prediction of a run before."""
        return [line[2:] for line in self._file.read_text(encoding="utf-8").splitlines() if line.startswith("0 ")]

    def count(self) -> int:
        """How many messages came so far."""
        return (b"\n" + self._file.read_bytes()).count(b"\n0 ")

    def times_s(self, expected: int, timeout_s: float = 10.0) -> dict[str, list[float]]:
        """Times of arrival by topic, once `expected` messages are there; for the line "%U %t".

        Raises:
            NotMeasured: They did not all come.
        """
        processes.wait_until(
            lambda: self.count() >= expected, timeout_s, what=f"prediction {expected} of {expected}", every_s=0.1
        )
        times: dict[str, list[float]] = {}
        for line in self.lines():
            at, topic = line.split(" ", 1)
            times.setdefault(topic, []).append(float(at))
        return times


class Publisher(Protocol):
    """Whose messages are awaited."""

    def check(self) -> None:
        """Raise NotMeasured when it has ended."""
        ...


@final
class TimedSubscriber:
    """A plain paho subscriber in a process of its own that notes when its callback is called. Runs within `with`."""

    def __init__(self, broker: Broker, topic: str, *, qos: int, count: int) -> None:
        self._command: processes.Command = [
            sys.executable, _SCRIPTS / "timed_subscriber.py", str(broker.port), topic, str(qos), str(count),
        ]  # fmt: skip

    def __enter__(self) -> TimedSubscriber:
        """Start it and wait until it is subscribed."""
        self._process = processes.start(self._command, stdout=subprocess.PIPE)
        try:
            processes.first_line(self._process, _START_S, what="the subscriber")
        except NotMeasured:
            processes.stop(self._process)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        processes.stop(self._process)

    def messages(self, publisher: Publisher, timeout_s: float) -> list[tuple[int, str]]:
        """Unix nanoseconds of the callback and payload, once all have come.

        Raises:
            NotMeasured: They did not come in time, or the publisher has ended.
        """
        until_s = time.monotonic() + timeout_s
        while (out := self._output(_LOOK_S)) is None:
            publisher.check()
            if time.monotonic() > until_s:
                raise NotMeasured(f"not all predictions came within {timeout_s:g} s")
        pairs = (line.split(" ", 1) for line in out.splitlines())
        return [(int(at), payload) for at, payload in pairs]

    def _output(self, timeout_s: float) -> str | None:
        """All that it printed, or None while it runs."""
        try:
            return self._process.communicate(timeout=timeout_s)[0]
        except subprocess.TimeoutExpired:
            return None
