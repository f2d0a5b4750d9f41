"""Figures of this process and its machine, for `health`. The one door to psutil."""

from __future__ import annotations

import time
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
    """Reads the figures; `cpu_percent` covers the time since the reading before, the first one that since the start. One thread."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._process = psutil.Process()
        self._before = (self._process.create_time(), 0.0)

    def read(self) -> MachineFigures:
        """The figures now."""
        return MachineFigures(
            cpu_percent=self._cpu_percent(),
            memory_bytes=self._process.memory_info().rss,
            temperature_c=_hottest_c(),
            disk_free_bytes=psutil.disk_usage(str(self._state_dir)).free,
        )

    def _cpu_percent(self) -> float:
        times = self._process.cpu_times()
        now_s, busy_s = time.time(), times.user + times.system
        since_s, busy_before_s = self._before
        self._before = (now_s, busy_s)
        return round(100 * (busy_s - busy_before_s) / max(now_s - since_s, 1e-3), 1)


def _hottest_c() -> float | None:
    """Highest of the machine's temperature sensors in °C, None where it has none."""
    readings = [entry.current for entries in psutil.sensors_temperatures().values() for entry in entries]
    return max(readings) if readings else None
