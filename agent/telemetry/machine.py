"""Figures of this process and its machine, for `health` and `bench`. The one door to psutil."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from agent.core.limits import Readings
from agent.telemetry.cgroup import memory_left_bytes

_PSS = re.compile(r"^Pss:\s+(\d+) kB$", re.MULTILINE)
_NOT_BUSY = ("idle", "iowait", "guest", "guest_nice")
"""Fields of /proc/stat in which no core worked, or that `user` and `nice` hold already (proc(5))."""

_NONSENSE_C = 150.0
"""Drivers of sensors that are switched off say 255 or 511 °C."""


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
        self._before = (time.monotonic() - _age_s(), 0.0)

    def read(self) -> MachineFigures:
        """The figures now."""
        return MachineFigures(
            cpu_percent=self._cpu_percent(),
            memory_bytes=self._process.memory_info().rss,
            temperature_c=hottest_c(),
            disk_free_bytes=_disk_free_bytes(self._state_dir) or 0,
        )

    def _cpu_percent(self) -> float:
        times = self._process.cpu_times()
        now_s, busy_s = time.monotonic(), times.user + times.system
        since_s, busy_before_s = self._before
        self._before = (now_s, busy_s)
        return round(100 * (busy_s - busy_before_s) / max(now_s - since_s, 1e-3), 1)


def _age_s() -> float:
    """Seconds since this process began, without the wall clock: `starttime` of proc(5), field 22, in ticks since the boot."""
    ticks = int(Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def readings(state_dir: Path) -> Readings:
    """What the limits are about, now. A figure that cannot be had is None. 1 ms, measured without sensors."""
    left = [spare_memory_bytes()[0], memory_left_bytes()]
    return Readings(
        temperature_c=hottest_c(),
        memory_bytes=psutil.Process().memory_info().rss,
        memory_free_bytes=min(bytes_ for bytes_ in left if bytes_ is not None),
        disk_free_bytes=_disk_free_bytes(state_dir),
    )


def _disk_free_bytes(folder: Path) -> int | None:
    """What is left on a folder's file system; None where it does not answer."""
    try:
        return psutil.disk_usage(str(folder)).free
    except OSError:
        return None


def hottest_c() -> float | None:
    """Highest of the machine's temperature sensors in °C, None where it has none. What no chip survives is no temperature."""
    said_c = [entry.current for entries in psutil.sensors_temperatures().values() for entry in entries]
    return max((celsius for celsius in said_c if celsius < _NONSENSE_C), default=None)


def pss_bytes() -> int | None:
    """Memory of this process and its children, what is shared counted in shares; None where the kernel does not tell."""
    own = psutil.Process()
    found = [_pss_bytes(process.pid) for process in (own, *own.children(recursive=True))]
    return None if found[0] is None else sum(pss or 0 for pss in found)


def _pss_bytes(pid: int) -> int | None:
    try:
        match = _PSS.search(Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii"))
    except OSError:
        return None
    return int(match.group(1)) * 1024 if match else None


def spare_memory_bytes() -> tuple[int, int]:
    """Memory that programs can still have without swapping, and all of the machine's."""
    memory = psutil.virtual_memory()
    return memory.available, memory.total


def busy_s() -> float:
    """Seconds for which the machine's cores have worked since it started, all of them added up."""
    times = psutil.cpu_times()._asdict()
    return float(sum(seconds for kind, seconds in times.items() if kind not in _NOT_BUSY))


def load_average() -> float:
    """How many processes wanted a core, over the last minute."""
    return float(psutil.getloadavg()[0])


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(psutil.Process().cpu_affinity())
