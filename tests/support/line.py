"""A whole production line for tests: bundles of tiny models, configurations, and the agent as a child process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import tiny_models
from deadlines import LONG_S

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CLASSIFIER_TOML = """\
name = "tiny"
version = "1.0.0"
task = "classification"
model = "model.tflite"
labels = "labels.txt"
[input]
kind = "image"
[output]
decode = "classifier"
[decision]
reject = { label = "bright", min_score = 0.6 }
"""


def write_bundle(
    folder: Path, *, toml: str = CLASSIFIER_TOML, model: bytes | None = None, labels=("dark", "bright")
) -> Path:
    """An unpacked bundle; by default a classifier that rejects bright pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.tflite").write_bytes(tiny_models.classifier() if model is None else model)
    (folder / "model.toml").write_text(toml, encoding="utf-8")
    if labels:
        (folder / "labels.txt").write_text("\n".join(labels) + "\n", encoding="utf-8")
    return folder


def configure(folder: Path, port: int, tables: str, *, device: str = "") -> Path:
    """A configuration in `folder`; `tables` holds sources, models and pipelines."""
    path = folder / "agent.toml"
    path.write_text(
        f'[device]\nid = "press"\nlocation = "plant/line"\nstate_dir = "state"\n{device}\n'
        f'[mqtt]\nurl = "mqtt://127.0.0.1:{port}"\n{tables}',
        encoding="utf-8",
    )
    return path


class Agent:
    """`lineside run` as a child. `with Agent(config) as agent:` ends it, whatever happens."""

    def __init__(
        self,
        config: Path,
        *arguments: str,
        env: dict[str, str] | None = None,
        program: tuple[str, ...] = ("-m", "agent"),
        under: Sequence[str] = (),
    ) -> None:
        """Start it.

        Args:
            config: The configuration file; the log is written beside it.
            arguments: Further ones of `run`.
            env: Changes of the environment.
            program: What Python runs.
            under: A command and its options that runs Python, such as strace.
        """
        self._log = config.parent / "agent.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*under, sys.executable, *program, "run", "-c", str(config), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "NO_COLOR": "1", **(env or {})},
            )

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def wait(self, timeout_s: float = LONG_S) -> int:
        """The exit code; an agent that does not end shows its log."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the agent did not end within {timeout_s:g} s:\n{self.log}") from None

    def stop(self) -> int:
        """Ask it to end, as systemd does."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(LONG_S)

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()
