"""Programs we are compared with. Each is a stand-alone script with requirements of its own, run in an environment of its own."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.harness import processes
from benchmarks.harness.figures import NotMeasured

_HERE = Path(__file__).parent.parent
_INSTALL_S = 600.0
_ANSWER_S = 60.0
_SYSTEM_PYTHON = ("/usr/bin/python3", "--system-site-packages")
"""For what only the distribution has, such as GStreamer's own Python binding."""
_BASE = {"gstreamer": _SYSTEM_PYTHON}


@dataclass(frozen=True)
class Peer:
    """A peer that can be run."""

    python: Path
    script: Path

    def run(self, *arguments: str | Path, timeout_s: float) -> dict[str, Any]:
        """The JSON object on the last line of what it prints.

        Raises:
            NotMeasured: It failed or took longer.
        """
        name = f"peer {self.script.parent.name}"
        out = processes.run([self.python, self.script, *arguments], timeout_s, what=name)
        return parsed(processes.last_line(out), name)

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """A child that prints on a pipe and that the caller stops."""
        return processes.start([self.python, self.script, *arguments], stdout=subprocess.PIPE)


@dataclass
class Peers:
    """Makes environments when they are first asked for, and remembers what cannot be had."""

    ready: dict[str, Peer] = field(default_factory=dict)
    versions: dict[str, dict[str, str]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def prepare(self, *names: str) -> None:
        """Make the environments now, so that no installation falls into a round. What cannot be had is told by `get`."""
        for name in names:
            with contextlib.suppress(NotMeasured):
                self.get(name)

    def get(self, name: str) -> Peer:
        """A peer by the name of its folder.

        Raises:
            NotMeasured: It cannot be had on this machine; says why.
        """
        if name in self.missing:
            raise NotMeasured(self.missing[name])
        if name not in self.ready:
            try:
                peer = Peer(_environment(name), _HERE / "peers" / name / "run.py")
                self.versions[name] = peer.run("versions", timeout_s=_ANSWER_S)
            except NotMeasured as error:
                self.missing[name] = str(error)
                raise
            self.ready[name] = peer
        return self.ready[name]


def parsed(line: str, name: str) -> dict[str, Any]:
    """The one JSON object of a peer.

    Raises:
        NotMeasured: It is none.
    """
    try:
        answer = json.loads(line)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise NotMeasured(f"{name} answered {line[:80]!r}, not with JSON")
    return answer


def _environment(name: str) -> Path:
    """The interpreter of the peer's environment, which is made anew after its requirements have changed."""
    base, *options = _BASE.get(name, (sys.executable,))
    folder, requirements = _HERE / ".venvs" / name, _HERE / "peers" / name / "requirements.txt"
    python, stamp = folder / "bin" / "python", folder / ".requirements"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text("ascii") == wanted:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    processes.run([base, "-m", "venv", *options, folder], _INSTALL_S, what=f"{base} -m venv")
    pip: list[str | Path] = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    processes.run([*pip, "-r", requirements], _INSTALL_S, what=f"pip install for {name}")
    stamp.write_text(wanted, "ascii")
    return python
