"""Whether something grows without end: samples of a process over time, and the judgement of them.

The judgement is pure: through the second half of the samples, when caches are full and lazy imports done, goes the straight line of least
squares. What it gains over that half must stay below a bound: two per cent, and at least what stands in `BOUNDS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import linear_regression
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

BOUNDS = {"memory_bytes": 4_000_000, "threads": 2, "files": 3, "disk_bytes": 16_000_000}
"""What each may gain over half a run: noise of the allocator, a reconnect under way, a write-ahead log before its checkpoint."""
_SHARE = 0.02
_LEAST = 8


@dataclass(frozen=True)
class Sample:
    """A process and its children at one moment.

    Attributes:
        at_s: Since the run began.
        pid: Of the process; another one is another start.
        memory_bytes: Pss, children included.
        threads: Of the process.
        files: Open ones of the process, sockets included.
        disk_bytes: Everything in its state directory.
    """

    at_s: float
    pid: int
    memory_bytes: int
    threads: int
    files: int
    disk_bytes: int


def take(pid: int, state_dir: Path, at_s: float) -> Sample | None:
    """A sample, or None where the process has just ended."""
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        memory = process.memory_full_info().pss + sum(_pss(child) for child in family[1:])
        return Sample(at_s, pid, memory, process.num_threads(), process.num_fds(), _size(state_dir))
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return None


def _pss(child: psutil.Process) -> int:
    try:
        return child.memory_full_info().pss
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return 0


def _size(folder: Path) -> int:
    return sum(map(_bytes_of, folder.rglob("*")))


def _bytes_of(path: Path) -> int:
    try:
        return path.lstat().st_size
    except FileNotFoundError:  # a temporary file that is renamed just now
        return 0


@dataclass(frozen=True)
class Growth:
    """How one figure went over the second half of a run."""

    what: str
    begin: float
    gain: float
    bound: float

    @property
    def is_endless(self) -> bool:
        return self.gain > self.bound


def judge(samples: Sequence[Sample], what: Sequence[str] = tuple(BOUNDS)) -> list[Growth]:
    """The growth of each figure; none while there are too few samples to say."""
    half = [s for s in samples if s.at_s >= (samples[0].at_s + samples[-1].at_s) / 2] if samples else []
    if len(half) < _LEAST:
        return []
    times = [s.at_s for s in half]
    return [_growth(name, times, [getattr(s, name) for s in half]) for name in what]


def _growth(name: str, times: Sequence[float], values: Sequence[float]) -> Growth:
    slope, begin = linear_regression(times, values)
    first = begin + slope * times[0]
    return Growth(name, first, slope * (times[-1] - times[0]), max(BOUNDS[name], _SHARE * first))
