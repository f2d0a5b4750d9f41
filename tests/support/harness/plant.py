"""A line to be hurt: a small agent, a real broker, the recording proxy between them, and a listener that misses nothing.

`with Plant(folder) as plant:` starts broker, proxy and listener; the agent is started by `start`, as often as a test likes.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from typing import TYPE_CHECKING

from broker import Mosquitto
from clips import write_pictures
from deadlines import LONG_S
from line import Agent, write_bundle
from recording import RecordingProxy

from agent.control import ask
from agent.core.errors import AgentUnreachable
from harness.evidence import Verdict, judge
from harness.listening import Listener
from harness.spool_rows import read_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from harness.evidence import Key

ROOT = "lineside/v1/plant/line/press"
FEW = 100
"""Messages that may wait where nobody is behind."""
READY_S = 60.0
"""How long a start may take on a machine that runs other tests too."""
GRACE_S = 60
"""How long an agent that is asked to end may take to deliver what waits."""

ORDERLY = "persistence true\nautosave_interval 0\npersistence_location {folder}/\n"
"""A broker that writes down what it holds when it is asked to end."""
PERSISTENT = "persistence true\nautosave_interval 1\nautosave_on_changes true\npersistence_location {folder}/\n"
"""A broker that writes down what it holds after each change; with a SIGKILL it forgets very little."""


def folder_tables(*, pipelines: int, rate_hz: float) -> str:
    """A folder of pictures in a loop, and pipelines of which every prediction is an event."""
    source = (
        f'[sources.folder]\ntype = "images"\nurl = "pictures"\nloop = true\nrealtime = true\nrate_hz = {rate_hz:g}\n'
    )
    return source + '[models.tiny]\npath = "tiny"\n' + "".join(pipeline(f"p{k}") for k in range(pipelines))


def pipeline(name: str, source: str = "folder", model: str = "tiny") -> str:
    """Every prediction is an event; of the predictions themselves only changes are published."""
    return f'[pipelines.{name}]\nsource = "{source}"\nmodel = "{model}"\nevents = "all"\npublish = "change"\nheartbeat_s = 5\n'


class Plant:
    """See the module. One thread, that of the test.

    Attributes:
        broker: The real one; it keeps its port over restarts.
        way: The proxy, by which the agent reaches the broker.
        listener: Straight at the broker.
        healthy_s: For each fault, how long it took from its end to the next confirmed event.
    """

    def __init__(
        self,
        folder: Path,
        *,
        pipelines: int = 2,
        rate_hz: float = 50.0,
        tables: str = "",
        mqtt: str = "",
        device: str = "",
        broker_options: str = "",
        listener_options: str = "",
        anonymous: bool = True,
    ) -> None:
        """Write the configuration.

        Args:
            folder: For everything.
            pipelines: How many look at the folder of pictures; 0 leaves sources and pipelines to `tables`.
            rate_hz: Pictures a second.
            tables: More tables of the configuration; a model `tiny` is there with `pipelines`.
            mqtt: More keys of `[mqtt]`.
            device: More keys of `[device]`.
            broker_options: More lines of mosquitto.conf; `{folder}` is the broker's own.
            listener_options: More of them for its port.
            anonymous: Whether the broker lets everybody in.
        """
        self.folder = folder
        self.state_dir = folder / "state"
        self.healthy_s: list[float] = []
        self.broker = Mosquitto(options=broker_options, listener_options=listener_options, anonymous=anonymous)
        self._tables = (folder_tables(pipelines=pipelines, rate_hz=rate_hz) if pipelines else "") + tables
        self._mqtt = mqtt
        self._device = device
        self._agent: Agent | None = None
        self._found: set[Key] = set()
        self._ended: set[str] = set()
        self._killed: set[str] = set()
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            write_pictures(self.folder / "pictures", 20)
            write_bundle(self.folder / "tiny")
            stack.enter_context(self.broker)
            self.way = stack.enter_context(RecordingProxy(self.broker.port))
            self.listener = Listener(self.broker.port, f"{ROOT}/pipeline/+/event")
            stack.callback(self.listener.close)
            stack.callback(self._end_agent)
            self.config = self._configure()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _configure(self) -> Path:
        path = self.folder / "agent.toml"
        path.write_text(
            f'[device]\nid = "press"\nlocation = "plant/line"\nstate_dir = "state"\nshutdown_grace_s = {GRACE_S}\n'
            f'{self._device}\n[mqtt]\nurl = "mqtt://127.0.0.1:{self.way.port}"\n{self._mqtt}\n{self._tables}',
            encoding="utf-8",
        )
        return path

    # -- the agent --------------------------------------------------------------------------------------------------

    @property
    def agent(self) -> Agent:
        """The one that runs."""
        assert self._agent is not None, "no agent was started"
        return self._agent

    @property
    def pid(self) -> int:
        return self.agent.process.pid

    def start(self, *, under: Sequence[str] = (), wait: bool = True) -> float:
        """Start the agent; the monotonic time of that.

        Args:
            under: A command that runs it.
            wait: Until an event of it is confirmed.
        """
        since_s = time.monotonic()
        self._agent = Agent(self.config, under=under)
        if wait:
            self.wait_confirmed_after(since_s)
        return since_s

    def kill(self) -> None:
        """End the agent as a power cut does, and note what it leaves in its spool."""
        if self.agent.process.poll() is None:
            self.agent.kill()
        self.note_killed()

    def note_killed(self) -> None:
        """The agent was killed by somebody else: note what it leaves in its spool."""
        rows = read_rows(self.state_dir)
        self._found |= rows.owed | rows.announced
        self._killed |= (self.way.recording.sessions() | {session for session, _, _ in rows.owed}) - self._ended
        assert "Traceback" not in self.agent.log, self.agent.log

    def stop(self) -> int:
        """Ask the agent to end, as soon as it says that it starts: before that a signal would end the interpreter. Its exit code."""
        until_s = time.monotonic() + READY_S
        while "starts on" not in self.agent.log and time.monotonic() < until_s and self.agent.process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.agent.process.wait(0.02)
        self.agent.process.send_signal(signal.SIGTERM)
        code = self.agent.wait(GRACE_S + 30)
        self._ended |= self.way.recording.sessions()
        assert "Traceback" not in self.agent.log, self.agent.log
        return code

    def _end_agent(self) -> None:
        if self._agent is not None and self._agent.process.poll() is None:
            self._agent.kill()

    # -- what is seen -----------------------------------------------------------------------------------------------

    def wait_confirmed_after(self, since_s: float, timeout_s: float = READY_S, pipeline: str = "") -> float:
        """Wait for an event to be confirmed after the monotonic time `since_s`, of any or this pipeline; how long after it that was."""
        took_s = self.way.recording.confirmed_after(since_s, timeout_s, pipeline)
        assert took_s is not None, (
            f"no event {pipeline and f'of {pipeline} '}was confirmed within {timeout_s:g} s:\n{self.agent.log[-3000:]}"
        )
        return took_s

    def heal(self, since_s: float, timeout_s: float = READY_S, pipeline: str = "") -> None:
        """The fault was over at the monotonic time `since_s`: wait for the next confirmed event, and note how long it took."""
        self.healthy_s.append(self.wait_confirmed_after(since_s, timeout_s, pipeline))

    def wait_more(self, events: int, timeout_s: float = READY_S) -> None:
        """Wait for so many more confirmed events."""
        self.way.recording.wait_confirmations(self.way.recording.confirmations + events, timeout_s)

    def status(self) -> dict:
        """What `lineside status` says of the running agent, by the same socket."""
        return ask(self.state_dir, "status")

    def made(self) -> int:
        """Predictions of this start of the agent, which are as many events."""
        return sum(pipeline["predictions"] for pipeline in self.status()["pipelines"].values())

    def wait_drained(self, timeout_s: float = 300.0) -> None:
        """Wait until hardly anything waits for the broker."""
        until_s = time.monotonic() + timeout_s
        queued = None
        while queued is None or queued > FEW:
            assert time.monotonic() < until_s, (
                f"{queued} messages wait after {timeout_s:g} s:\n{self.agent.log[-3000:]}"
            )
            time.sleep(0.1)
            with contextlib.suppress(AgentUnreachable):  # it is busy
                queued = self.status()["mqtt"]["queued"]

    def wait_made(self, more: int, timeout_s: float = READY_S) -> int:
        """Wait until so many more were made, whether or not the broker has them; how many there are in all."""
        until_s = time.monotonic() + timeout_s
        goal = None
        while True:
            with contextlib.suppress(AgentUnreachable):  # an agent that has just started does not answer yet
                made = self.made()
                goal = goal or made + more
                if made >= goal:
                    return made
            assert time.monotonic() < until_s, f"{more} messages were not made:\n{self.agent.log[-3000:]}"
            time.sleep(0.05)

    def verdict(self, *, heard_s: float = LONG_S) -> Verdict:
        """Judge everything so far; the agent has ended.

        Args:
            heard_s: How long the listener may take to have heard everything that was confirmed.
        """
        assert self.agent.process.poll() is not None, "the agent still runs"
        rows = read_rows(self.state_dir)
        sent = self.way.recording.sent()
        self.listener.wait_heard({s.event.id for s in sent if s.confirmed_s is not None}, heard_s)
        return judge(
            sent,
            found=self._found,
            waiting=rows.owed | rows.announced,
            killed=self._killed,
            received=self.listener.events(),
        )
