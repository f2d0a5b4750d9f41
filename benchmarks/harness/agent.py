"""The installed agent as a child process, with a configuration of its own. A black box: configuration, exit code, MQTT."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from benchmarks.harness import processes
from benchmarks.harness.figures import NotMeasured

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping
    from types import TracebackType

LINESIDE = Path(sys.executable).parent / "lineside"
PREDICTIONS = "lineside/v1/bench/line/agent/pipeline/+/prediction"
_PACK_S = 60.0
_MODEL_TOML = """name = "{name}"
version = "{version}"
task = "classification"
model = "model.tflite"
labels = "labels.txt"
[input]
kind = "image"
color = "rgb"
fit = "stretch"
mean = [128.0]
std = [128.0]
[output]
decode = "classifier"
"""
Tables = dict[str, Any]


def bundle(folder: Path, name: str, model: Path, labels: Path, version: str = "1.0.0") -> Path:
    """A bundle as a user makes it: a folder, packed by `lineside model pack`.

    Raises:
        NotMeasured: It was refused.
    """
    made = folder / name
    made.mkdir(parents=True)
    shutil.copyfile(model, made / "model.tflite")
    shutil.copyfile(labels, made / "labels.txt")
    (made / "model.toml").write_text(_MODEL_TOML.format(name=name, version=version), encoding="utf-8")
    processes.run([LINESIDE, "model", "pack", made], _PACK_S, what="lineside model pack")
    return made


def video(clip: Path, *, loop: bool = False, realtime: bool = False) -> Tables:
    """The table of a source that plays a clip."""
    return {"type": "camera", "url": str(clip), "loop": loop, "realtime": realtime}


def pipeline(source: str = "s", model: str = "m", *, qos: int = 0, **tables: Tables) -> Tables:
    """The table of a pipeline that publishes every prediction."""
    return {"source": source, "model": model, "publish": "every", "qos": qos, **tables}


def settings(port: int, source: Tables, model: Path, **keys: Any) -> Tables:
    """A whole configuration of one source `s`, one model `m` and one pipeline `p`; `keys` go into the pipeline."""
    return {
        "mqtt": {"url": f"mqtt://127.0.0.1:{port}"},
        "sources": {"s": source},
        "models": {"m": {"path": str(model)}},
        "pipelines": {"p": pipeline(**keys)},
    }


def toml(tables: Mapping[str, Any], prefix: str = "") -> str:
    """Nested tables as TOML; keys are bare, texts are JSON strings, which TOML reads alike."""
    values = {key: value for key, value in tables.items() if not isinstance(value, dict)}
    lines = [f"[{prefix}]"] if prefix else []
    lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    for key, value in tables.items():
        if isinstance(value, dict):
            lines.append(toml(value, f"{prefix}.{key}" if prefix else key))
    return "\n".join(lines)


@final
class Home:
    """A folder for an agent: its configuration, and what it remembers from one start to the next. Runs within `with`."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="lineside-bench-")
        self.path = Path(self._folder.name)

    def __enter__(self) -> Home:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    def write(self, tables: Tables) -> Path:
        """Write the configuration; location and device are those of `PREDICTIONS`."""
        device = {"id": "agent", "location": "bench/line", "state_dir": "state"}
        config = self.path / "agent.toml"
        config.write_text(toml({"device": device, **tables}) + "\n", encoding="utf-8")
        return config


def run_to_end(home: Home, tables: Tables, timeout_s: float = 120.0) -> None:
    """Run until the sources have ended.

    Raises:
        NotMeasured: It failed, or took longer.
    """
    processes.run([LINESIDE, "run", "-c", home.write(tables)], timeout_s, what="lineside run")


@final
class Running:
    """The agent within `with`; it is told to stop at the end."""

    def __init__(self, home: Home, tables: Tables) -> None:
        self._config = home.write(tables)
        self._talk = home.path / "stderr"
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Running:
        self._process = processes.start([LINESIDE, "run", "-c", self._config], stderr=self._talk)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            processes.stop(self._process)

    @property
    def pid(self) -> int:
        """Its process.

        Raises:
            NotMeasured: It has ended.
        """
        self.check()
        assert self._process is not None  # noqa: S101 - checked one line above
        return self._process.pid

    def check(self) -> None:
        """Whether it still runs.

        Raises:
            NotMeasured: It has ended; says why.
        """
        if self._process is None:
            raise NotMeasured("the agent was not started")
        if self._process.poll() is not None:
            said = processes.complaint(self._talk.read_text("utf-8"))
            raise NotMeasured(f"the agent ended with {self._process.returncode}: {said}")
