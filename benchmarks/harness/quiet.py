"""How quiet the machine was: the processor time that somebody else used while a benchmark ran."""

from __future__ import annotations

import os
import time

import psutil


class Quiet:
    """From its making until it is asked. Children count as ours once they were waited for, so ask when all have ended."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()
        self._busy_s, self._stolen_s = _busy_s()
        self._ours_s = _ours_s()

    def report(self) -> dict[str, float]:
        """`others_cores`: how many cores others kept busy; `stolen_cores`: what the host of a virtual machine took away."""
        over_s = time.monotonic() - self._began_s
        busy_s, stolen_s = _busy_s()
        others_s = busy_s - self._busy_s - (_ours_s() - self._ours_s)
        return {
            "others_cores": round(max(0.0, others_s) / over_s, 3),
            "stolen_cores": round((stolen_s - self._stolen_s) / over_s, 3),
        }


def _busy_s() -> tuple[float, float]:
    times = psutil.cpu_times()._asdict()
    busy = sum(times.get(kind, 0.0) for kind in ("user", "nice", "system", "irq", "softirq"))
    return busy, times.get("steal", 0.0)


def _ours_s() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
