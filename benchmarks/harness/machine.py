"""What machine the figures are from: processor, cores, memory, versions, load. No names of hosts, people or folders."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from pathlib import Path
from typing import Any

import psutil

from benchmarks.harness import processes
from benchmarks.harness.broker import mosquitto
from benchmarks.harness.figures import NotMeasured

_PACKAGES = (
    "lineside", "ai-edge-litert", "tflite-runtime", "numpy", "opencv-python-headless", "paho-mqtt", "orjson",
)  # fmt: skip
_ANSWER_S = 10.0


def facts() -> dict[str, Any]:
    """What does not change while it runs."""
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "governor": _governor(),
        "system": _system(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "commit": _said("git", "describe", "--always", "--dirty", "--exclude=*", "--abbrev=12") or "unknown",
        "versions": {name: version for name in _PACKAGES if (version := _version(name))}
        | {"mosquitto": _mosquitto(), "ffmpeg": " ".join(_said("ffmpeg", "-version").split()[2:3])},
    }


def load() -> list[float]:
    """Load averages over 1, 5 and 15 minutes."""
    return [round(value, 2) for value in os.getloadavg()]


def processor() -> str:
    """The processor's name: of /proc/cpuinfo, on boards of the device tree."""
    for file, pattern in (
        ("/proc/cpuinfo", r"^model name\s*:\s*(.+)$"),
        ("/proc/device-tree/model", r"^([^\0]+)"),
        ("/proc/cpuinfo", r"^Model\s*:\s*(.+)$"),
    ):
        path = Path(file)
        if path.exists() and (found := re.search(pattern, path.read_text("utf-8", "replace"), re.MULTILINE)):
            return found[1].strip()
    return platform.machine()


def slug(processor_name: str, cores: int) -> str:
    """A file name for a machine, such as `amd-epyc-2-cores`."""
    bare = re.sub(r"\((?:r|tm)\)|\bcpu\b|@.*", " ", processor_name.lower())
    return "-".join([*re.findall(r"[a-z0-9.]+", bare), str(cores), "core" if cores == 1 else "cores"])


def _governor() -> str:
    path = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    return path.read_text("ascii").strip() if path.exists() else "not told"


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _mosquitto() -> str:
    try:
        with_help = [mosquitto(), "-h"]
    except NotMeasured:
        return "missing"
    found = re.search(r"version (\S+)", _said(*with_help, codes=True))
    return found[1] if found else "unknown"


def _said(*command: str, codes: bool = False) -> str:
    """What a program prints, nothing where it fails; `codes`: some print their help with an exit code of failure."""
    try:
        return processes.run(
            ["sh", "-c", '"$@" || true', "sh", *command] if codes else command, _ANSWER_S, what=""
        ).strip()
    except NotMeasured:
        return ""
