"""Figures of this process and its machine, for `health`. The one door to psutil."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class MachineFigures:
    """One reading; fields as in `agent.core.messages.Health`."""

    cpu_percent: float
    memory_bytes: int
    temperature_c: float | None
    disk_free_bytes: int


class Machine:
    """Reads the figures; `cpu_percent` covers the time since the reading before. One thread."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._process = psutil.Process()
        self._process.cpu_percent()

    def read(self) -> MachineFigures:
        """The figures now."""
        return MachineFigures(
            cpu_percent=round(self._process.cpu_percent(), 1),
            memory_bytes=self._process.memory_info().rss,
            temperature_c=_hottest_c(),
            disk_free_bytes=psutil.disk_usage(str(self._state_dir)).free,
        )


def _hottest_c() -> float | None:
    """Highest of the machine's temperature sensors in °C, None where it has none."""
    readings = [entry.current for entries in psutil.sensors_temperatures().values() for entry in entries]
    return max(readings) if readings else None
