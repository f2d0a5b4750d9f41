"""The whole agent is killed at each step of an update, from poll to report: the next start predicts with a verified version, and converges.

And the power is cut there.
"""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections import defaultdict
from itertools import count
from typing import TYPE_CHECKING

import killable_agent
import pytest
import tiny_models
from broker import Subscriber, needs_mosquitto
from clips import write_pictures
from folder_registry import FolderRegistry
from harness.plant import READY_S, ROOT, Plant
from power_cut import Disk
from stocking import version_folder
from strace_log import needs_strace, recorded
from syncing import Device

from agent.control import ask
from agent.core.errors import AgentUnreachable
from agent.lock import holder

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [needs_mosquitto, needs_strace, pytest.mark.timeout(1800)]

RIGHT = {"dark": 0, "bright": 255}
LINE = """\
[sources.cam]
type = "images"
url = "pictures"
loop = true
realtime = true
rate_hz = 10
[models.tiny]
registry = "tiny"
gates = {{ shadow_frames = 0, canary_frames = 0, bake_frames = 0, bake_s = 0 }}
[pipelines.inspect]
source = "cam"
model = "tiny"
events = "all"
publish = "change"
[sync]
url = "http://127.0.0.1:{port}"
root = "{root}"
interval_s = 3600
jitter_s = 0
"""
SAID = "".join(f"\\x{letter:02x}" for letter in b" is active")
"""In the agent's log, as strace writes it down."""
SLICE = (("agent", range(2, 19)), ("child-fsync", range(1, 7)))
"""Who is killed, and at which steps; one of each."""


class Registry(FolderRegistry):
    """Over HTTP while it is `there`; it admits every device and keeps what they say that they run."""

    def __init__(self, folder) -> None:
        super().__init__(folder / "registry")
        self._folder = folder
        self.there = False
        self.told: list[str] = []
        self.golden: dict[str, int] | None = RIGHT
        self.newest = 0

    def publish_next(self) -> None:
        """A version with a model and samples of its own, assigned to all."""
        self.newest += 1
        place = version_folder(
            self._folder / self.name, self.name, model=tiny_models.classifier(seed=self.newest), golden=self.golden
        )
        files = {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}
        files.pop("manifest.json")
        there, self.there = self.there, False
        self.publish("tiny", self.name, files)
        self.assign("channel:stable", {"tiny": self.name})
        self.there = there

    @property
    def name(self) -> str:
        """Of the newest version."""
        return f"{self.newest}.0.0"


class Handler(http.server.SimpleHTTPRequestHandler):
    """The files of a registry, and the API that devices speak to."""

    def __init__(self, *arguments, registry, **options) -> None:
        self._registry = registry
        super().__init__(*arguments, directory=str(registry.folder), **options)

    def parse_request(self) -> bool:
        """Nothing is answered while the registry is away."""
        return self._registry.there and super().parse_request()

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        answer = {"nonce": "n", "state": "admitted"}
        if self.path.endswith("reports"):
            run = json.loads(content)["signed"]["runs"].get("tiny")
            self._registry.told.append(run and run["version"])
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_) -> None:
        """Nothing."""


@pytest.fixture
def registry(tmp_path):
    made = Registry(tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, registry=made)) as server:
        made.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield made
        server.shutdown()


class Line:
    """A plant with a model from the registry. Each `start` is judged: what predicts is what the record names, and whole."""

    def __init__(self, plant: Plant, registry: Registry, events: Subscriber) -> None:
        self.plant, self.registry, self._events = plant, registry, events
        self.device = Device(plant.state_dir, registry, {"tiny": "stable"}, options={"device": "press"})
        self.store = self.device.store
        self._trigger = plant.folder / "kill"
        self._before: set[str] = set()

    def start(self, allowed: set[str | None]) -> None:
        """Without a registry.

        Args:
            allowed: Versions of which the record may name any.
        """
        self.registry.there = False
        self._trigger.unlink(missing_ok=True)
        noted = self.store.active("tiny")
        assert (noted and noted.version) in allowed
        self._before = {body["session"] for body in self._events.bodies("inspect/event")}
        under = [sys.executable, killable_agent.__file__, str(self._trigger)]
        since_s = self.plant.start(under=under, wait=False)
        if noted is None:
            return  # nothing to predict with
        self.plant.heal(since_s)
        first = self._heard(lambda _: True)
        known = {version.digest: version for version in (noted, self.store.active("tiny")) if version}
        works = known[first["model"]["digest"].removeprefix("sha256:")]
        assert first["model"]["version"] == works.version in allowed
        assert all(self.store.is_whole(digest) for digest in self.store.digests())

    def _heard(self, condition) -> dict:
        """What this start made."""
        return self._events.wait_for(
            "inspect/event",
            lambda body: "model" in body and body["session"] not in self._before and condition(body),
            READY_S,
        ).body

    def converge(self) -> None:
        """With the registry: what is wanted works, and the record names it."""
        self.registry.there = True
        assert self.look()
        made = self._heard(lambda body: body["model"]["version"] == self.registry.name)
        active = self.store.active("tiny")
        assert (made["model"]["digest"], active.version) == (f"sha256:{active.digest}", self.registry.name)
        assert self.store.is_whole(active.digest)
        assert self.store.staged() == self.store.rejected() == {}

    def confirm(self) -> None:
        """The registry hears that the newest version runs; a look that began before the swap was over tells it at the next one."""
        until_s = time.monotonic() + READY_S
        while self.look() and self.registry.told[-1] != self.registry.name:
            assert time.monotonic() < until_s, self.registry.told
        assert self.registry.told[-1] == self.registry.name

    def look(self) -> bool:
        """Have the agent sync, and wait for the end of that; False if it ended before."""
        until_s = time.monotonic() + READY_S
        number = None
        while self.plant.agent.process.poll() is None:
            with contextlib.suppress(AgentUnreachable, OSError):
                if number is None:
                    number = ask(self.plant.state_dir, "sync now")["asked"]
                elif ask(self.plant.state_dir, "sync status")["done"] >= number:
                    return True
            assert time.monotonic() < until_s, self.plant.agent.log[-3000:]
            time.sleep(0.05)  # between two questions
        return False

    def kill_at(self, who: str, number: int) -> bool:
        """Publish the next version and have the agent killed while it takes it; whether it came to that step."""
        self.registry.publish_next()
        self._trigger.write_text(f"{who} {number}", encoding="ascii")
        if self.look() and self.look():
            self._trigger.unlink()  # the next sync would come to that step
            return False
        assert self.plant.agent.wait() == -signal.SIGKILL, self.plant.agent.log
        self.plant.note_killed()
        return True


@contextlib.contextmanager
def line_of(folder, registry) -> Iterator[Line]:
    """Everything but the agent runs."""
    write_pictures(folder / "pictures", 20)
    tables = LINE.format(port=registry.port, root=registry.root)
    with (
        Plant(folder, pipelines=0, tables=tables) as plant,
        Subscriber(plant.broker.port, f"{ROOT}/pipeline/+/event") as events,
    ):
        plant.state_dir.mkdir()
        yield Line(plant, registry, events)


@pytest.mark.parametrize(
    "who", ["agent", *(f"{child}-{call}" for child in ("child", "report") for call in killable_agent.CALLS)]
)
def test_an_agent_that_is_killed_at_each_step_of_an_update_starts_with_a_verified_version_and_converges(
    tmp_path, registry, chance, row, who
):
    """Versions in a row: each start after a kill is the one that is killed next. See killable_agent.py."""
    if who != "agent" and not chance.runs_all:
        pytest.skip("one of each is in the slice; --faults=all runs all")
    points = chance.pick([(one, chance.random.choice(steps)) for one, steps in SLICE], zip([who] * 200, count(1)))
    registry.golden = chance.pick(None, RIGHT)  # which cost another process each
    kills = 0
    with line_of(tmp_path, registry) as line:
        registry.publish_next()
        line.device.sync()
        line.device.adopt()
        line.start({registry.name})
        registry.there = True
        for one, number in points:
            before = registry.name
            if not line.kill_at(one, number):
                assert chance.runs_all, f"{one} {number} is beyond the end of an update"
                break
            kills += 1
            line.start({before, registry.name})
            line.converge()
        line.confirm()
        assert line.plant.stop() == 0, line.plant.agent.log
        verdict = line.plant.verdict()
        numbers = defaultdict(set)
        for event in line.plant.listener.events():
            numbers[event.session].add(event.first)
        assert all(found == set(range(len(found))) for found in numbers.values())
        fault = "agent killed in an update, at the n-th step"
        row(chance.pick(fault, f"{fault}: {who}"), kills, line.plant, verdict, "from the start, registry away")
    assert not verdict.waiting


def test_a_power_cut_while_an_agent_takes_versions_leaves_one_that_works(tmp_path, registry, chance, storage_row):
    """From its first start to its second version. All cuts are judged by the store, every eighth by an agent that starts on it too."""
    if not chance.runs_all:
        pytest.skip("the slice of power cuts is in test_sync_power_cut.py; --faults=all runs this one too")
    log, cuts, starts = tmp_path / "calls", 100, 0
    with line_of(tmp_path, registry) as line:
        plant = line.plant
        plant.start(under=recorded(log, []), wait=False)
        for _ in range(2):
            registry.publish_next()
            line.converge()
        line.confirm()
        os.kill(holder(plant.state_dir), signal.SIGKILL)
        plant.agent.wait()
        lines = log.read_text(encoding="ascii").splitlines()
        disk_after = functools.partial(Disk, plant.state_dir, ignored=("-shm", "lock", "agent.sock"))
        said_at = [
            disk_after(lines[:at]).moments for at, text in enumerate(lines) if SAID in text and "read" not in text
        ]
        assert len(said_at) == 2, "the agent says once of each version that it is active"
        disk = disk_after(lines)
        for number, moment in enumerate(sorted(chance.random.choices(range(1, disk.moments + 1), k=cuts))):
            disk.go_to(moment)
            shutil.rmtree(plant.state_dir)
            plant.state_dir.mkdir()
            disk.cut(plant.state_dir, chance.random)
            active = line.store.active("tiny")
            allowed = (None, "1.0.0", "2.0.0")[sum(moment >= said for said in said_at) :]
            assert (active and active.version) in allowed, moment
            assert all(line.store.is_whole(digest) for digest in line.store.digests()), moment
            if number % 8 == 7:
                line.start({active and active.version})
                line.converge()
                plant.agent.kill()
                starts += 1
            else:
                assert line.device.sync().error is None, moment
                line.device.adopt()
            assert line.store.active("tiny").version == "2.0.0", moment
    storage_row("power cut while an agent takes versions", cuts, cuts, note=f"an agent started on {starts} of them")
