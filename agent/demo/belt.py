"""The demo itself: held-out solar cells pass the camera of a real agent, and a subscriber scores its verdicts.

The agent is a child process, `lineside run` with a configuration that is written for it, so what is shown is what a
production line gets. Called by `agent.cli.demo`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.core.errors import BadWire
from agent.core.topics import Topics
from agent.demo.cells import Cell, cells, part_of, truth
from agent.demo.score import Part

if TYPE_CHECKING:
    from collections.abc import Iterator

TOPICS = Topics("lineside", "demo", "belt")
PIPELINE = "inspect"
RATE_HZ = 30
"""Parts a second; the whole held-out part passes in about 22 s."""
_FIRST_PART_S = 60.0
_SILENCE_S = 10.0


def held_out() -> dict[str, Cell]:
    """The cells that the model has never seen, by the name of their file on the belt.

    The data set lists one kind of module after the other, so the belt is mixed by a hash: any stretch of it is a fair sample.

    Raises:
        MissingExtra: The data set is not installed.
    """
    found = [cell for cell in cells() if part_of(cell.name) == "held-out"]
    found.sort(key=lambda cell: hashlib.sha256(f"belt {cell.name}".encode()).digest())
    return {f"{place:04}-{cell.name}": cell for place, cell in enumerate(found)}


def write_configuration(folder: Path, belt: dict[str, Cell], port: int) -> Path:
    """A belt of links to the photographs, and the configuration of the agent that watches it."""
    images = folder / "belt"
    images.mkdir()
    for name, cell in belt.items():
        (images / name).symlink_to(cell.path)
    bundle = resources.files("agent.demo") / "solar-cell"
    config = folder / "agent.toml"
    config.write_text(
        f"""\
[device]
id = "{TOPICS.device}"
location = "{TOPICS.location}"
state_dir = "state"

[mqtt]
url = "mqtt://127.0.0.1:{port}"

[sources.camera]
type = "images"
url = "belt"
realtime = true
rate_hz = {RATE_HZ}
loop = true

[models.solar-cell]
path = {json.dumps(str(bundle))}

[pipelines.{PIPELINE}]
source = "camera"
model = "solar-cell"
publish = "every"
""",
        encoding="utf-8",
    )
    return config


@contextlib.contextmanager
def agent_on(config: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`lineside run` on the configuration, ended with the block; its log lies beside the configuration."""
    with (config.parent / "agent.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "agent", "run", "--config", str(config)],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def watch(belt: dict[str, Cell], port: int, config: Path, seconds: float) -> Iterator[Part]:
    """Parts as their verdicts arrive, for `seconds` from the first one on.

    Raises:
        BadWire: The agent ended by itself or no verdict came; the message holds the end of its log.
    """
    from agent.mqtt.listener import listen
    from agent.mqtt.settings import MqttSettings

    settings = MqttSettings(url=f"mqtt://127.0.0.1:{port}")
    topic = TOPICS.prediction(PIPELINE)
    with agent_on(config) as process:
        until_s: float | None = None
        for message in listen(
            settings, topic, timeout_s=_FIRST_PART_S, silence_s=_SILENCE_S, alive=lambda: process.poll() is None
        ):
            part = _part(json.loads(message), belt)
            now_s = time.monotonic()
            until_s = until_s or now_s + seconds
            if now_s >= until_s:
                return
            yield part
        raise BadWire(f"the agent of the demo gave no verdict\n{_log_tail(config)}", hint="lineside doctor")


def _part(prediction: dict[str, Any], belt: dict[str, Cell]) -> Part:
    captured = datetime.strptime(prediction["captured_at"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    cell = belt[prediction["frame"]["file"]]
    scores = {entry["label"]: entry["score"] for entry in prediction["result"]["top"]}
    return Part(
        name=cell.name,
        decision=prediction["decision"],
        score=scores["defective"],
        truth=truth(cell),
        latency_ms=prediction["latency_ms"]["total"],
        received_ms=(datetime.now(timezone.utc) - captured).total_seconds() * 1e3,
    )


def _log_tail(config: Path) -> str:
    log = config.parent / "agent.log"
    return "\n".join(log.read_text(errors="replace").splitlines()[-8:]) if log.exists() else ""


@contextlib.contextmanager
def workplace() -> Iterator[Path]:
    """A temporary folder for the belt, the configuration and the state."""
    with tempfile.TemporaryDirectory(prefix="lineside-demo-") as folder:
        yield Path(folder)
