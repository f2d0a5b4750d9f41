"""The demo's line with a registry behind it: a belt of solar cells, a broker, a registry that serves, and an agent that follows it.

Everything is started by Lineside's own commands, on the loopback and on free ports, and ends with the block.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.cli.registry_keys import Passphrases, signers
from agent.cli.registry_place import at
from agent.demo.broker import broker
from cloud_sync import manifest
from cloud_sync.publishing import Knowledge, Publisher

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from agent.demo.cells import Cell

MODEL, TABLE, PIPELINE = "solar-cell", "cells", "inspect"
ROOT = "lineside/v1/demo/belt"
CHANNEL = "stable"
_START_S = 60.0
_STOP_S = 30.0
_COMMAND_S = 180.0

_CONFIGURATION = """\
[device]
id = "belt"
location = "demo"
state_dir = "state"

[mqtt]
url = "mqtt://127.0.0.1:{port}"

[sources.camera]
type = "images"
url = "belt"
loop = true                     # the folder waits for the pipeline: a picture that is missing was lost

[models.{table}]
registry = "{model}"
channel = "{channel}"

[models.{table}.gates]          # far less than a plant would ask for, to see a whole life in a minute
{gates}

[pipelines.{pipeline}]
source = "camera"
model = "{table}"
max_rate_hz = {rate_hz}
qos = 1

[commands]
allow = ["feedback"]            # what the inspector says counts

[sync]
url = "{registry}"
root = "registry/public/metadata/1.root.json"
"""


class CommandFailed(Exception):
    """A command of Lineside did not end with 0; the message is what it said."""


class Line:
    """Made by `line_with`. Its folder is the current one of every command."""

    def __init__(self, folder: Path, port: int) -> None:
        """Store, and make what the commands need.

        Args:
            folder: Empty.
            port: Of the broker.
        """
        self.folder = folder
        self.port = port
        (folder / "belt").mkdir()
        (folder / "passphrase").write_text("correct horse battery staple\n", encoding="ascii")

    def command(self, *words: str) -> str:
        """What a command of Lineside prints.

        Raises:
            CommandFailed: It ends with another code than 0.
        """
        done = subprocess.run(
            [sys.executable, "-m", "agent", *words],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=_COMMAND_S,
            check=False,
        )
        if done.returncode:
            raise CommandFailed(f"lineside {' '.join(words)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def lay(self, cells: Sequence[Cell]) -> None:
        """Put more parts on the belt, in an order that makes any stretch of it a fair sample; they are seen when it comes round."""
        belt = self.folder / "belt"
        place = len(list(belt.iterdir()))
        mixed = sorted(cells, key=lambda cell: hashlib.sha256(f"belt {cell.name}".encode()).digest())
        for number, cell in enumerate(mixed, place):
            (belt / f"{number:04}-{cell.name}").symlink_to(cell.path)

    def pack(self, bundle: Path) -> None:
        """`lineside model pack`: it proves itself here, or CommandFailed says why not."""
        self.command("model", "pack", str(bundle))

    def publish(self, bundle: Path) -> None:
        """Sign a version with its owner's key, and give it to the channel."""
        self.command(
            *("registry", "publish", str(bundle), "--channel", CHANNEL, "-r", "registry"),
            *_signed("owner.pem", "--key"),
        )

    def publish_untried(self, bundle: Path) -> None:
        """The same by a script that lists and signs whatever it is given: `pack` and `publish` would refuse it."""
        listed = manifest.describe(bundle, MODEL, bundle.name)
        (bundle / "manifest.json").write_bytes(listed.encode())
        now = datetime.now(timezone.utc)
        keys = signers([str(self.folder / "owner.pem")], Passphrases(self.folder / "passphrase"))
        with (
            at(str(self.folder / "registry"), None, None, insecure_http=False) as place,
            tempfile.TemporaryDirectory() as memory,
        ):
            knowledge = Knowledge(Path(memory), place.files, now=now, root_sha256=place.root_sha256)
            Publisher(place.desk, knowledge, keys, now).publish(bundle, CHANNEL, ())

    def look(self) -> None:
        """Have the agent look at the registry now, and not within five minutes. That it may reject what it finds is no failure here."""
        with contextlib.suppress(CommandFailed):
            self.command("sync", "now", "-c", "agent.toml")

    def go_back(self) -> None:
        """To the version before the active one, as an operator may."""
        self.command("model", "return", TABLE, "-c", "agent.toml")

    def trial(self) -> dict[str, Any]:
        """What is on trial, as `lineside status --json` says it; empty where nothing is."""
        status: dict[str, Any] = json.loads(self.command("status", "-c", "agent.toml", "--json"))
        trials: dict[str, dict[str, Any]] = status.get("trials", {})
        return trials.get(TABLE, {})

    def found_registry(self) -> None:
        """A registry with one model and its owner."""
        self.command("registry", "init", "registry", "--offline-keys", "offline", "--passphrase-file", "passphrase")
        self.command("registry", "owner-key", "owner.pem", "--passphrase-file", "passphrase")
        self.command(
            *("registry", "add-model", MODEL, "--owner", "owner.pub", "-r", "registry"),
            *_signed("offline/targets.pem", "--targets-key"),
        )


@contextlib.contextmanager
def line_with(
    folder: Path, first: Path, cells: Sequence[Cell], *, gates: Mapping[str, float], rate_hz: float
) -> Iterator[Line]:
    """A line whose agent has been started, and follows a registry that holds a first version.

    Args:
        folder: Empty; what the registry and the agent say is written there.
        first: Bundle of the first version; packed here.
        cells: On the belt.
        gates: What a new version has to show.
        rate_hz: Parts a second.
    """
    with broker() as running, contextlib.ExitStack() as stack:
        line = Line(folder, running.port)
        line.lay(cells)
        line.found_registry()
        line.pack(first)
        line.publish(first)
        stack.enter_context(_running(folder, "registry", "serve", "registry", "--port", "0"))
        configuration = _CONFIGURATION.format(
            port=running.port,
            registry=_said(folder / "registry.log", r"listening on (http://\S+)"),
            model=MODEL,
            table=TABLE,
            channel=CHANNEL,
            pipeline=PIPELINE,
            rate_hz=rate_hz,
            gates="\n".join(f"{name} = {value}" for name, value in gates.items()),
        )
        (folder / "agent.toml").write_text(configuration, encoding="utf-8")
        stack.enter_context(_running(folder, "run", "-c", "agent.toml"))
        yield line


@contextlib.contextmanager
def _running(folder: Path, *words: str) -> Iterator[None]:
    """A command that goes on until the block ends; what it says lies in a file of its first word's name."""
    with (folder / f"{words[0]}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "agent", *words], cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def log_of(log: Path) -> str:
    """The end of what a command said."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-12:]) if log.exists() else ""


def _said(log: Path, pattern: str) -> str:
    """What a command says about itself once it has started."""
    until_s = time.monotonic() + _START_S
    while time.monotonic() < until_s:
        if found := re.search(pattern, log.read_text(errors="replace")):
            return found[1]
        time.sleep(0.05)
    raise CommandFailed(f"nothing like {pattern!r} within {_START_S:g} s:\n{log.read_text(errors='replace')}")


def _signed(key: str, option: str) -> tuple[str, ...]:
    return (option, key, "--passphrase-file", "passphrase")
