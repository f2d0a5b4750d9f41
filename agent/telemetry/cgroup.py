"""Memory that a service may still take by the kernel's control groups (version 2), such as systemd's `MemoryMax=`."""

from __future__ import annotations

from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def memory_left_bytes(root: Path = ROOT, membership: Path = MEMBERSHIP) -> int | None:
    """The least that this process's group, or one around it, has left before the kernel throttles or kills; None without a bound.

    The page cache that can be given back at once is not counted as taken. `memory.high` counts as well as `memory.max`: above
    it the kernel slows the whole service down.

    Args:
        root: Where the groups are mounted.
        membership: The group of a process, as /proc/self/cgroup says it.
    """
    group = _own_group(root, membership)
    if group is None:
        return None
    around = [group, *(parent for parent in group.parents if parent == root or root in parent.parents)]
    left = [bytes_ for bytes_ in map(_left_bytes, around) if bytes_ is not None]
    return min(left, default=None)


def _own_group(root: Path, membership: Path) -> Path | None:
    """The line of version 2 is `0::/system.slice/lineside.service` (cgroups(7))."""
    try:
        lines = membership.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    return next((root / line[3:].lstrip("/") for line in lines if line.startswith("0::")), None)


def _left_bytes(group: Path) -> int | None:
    bounds = [bound for bound in (_number(group / "memory.max"), _number(group / "memory.high")) if bound is not None]
    current = _number(group / "memory.current")
    if not bounds or current is None:
        return None
    return max(0, min(bounds) - current + _cache_bytes(group))


def _cache_bytes(group: Path) -> int:
    try:
        rows = dict(row.split(" ", 1) for row in (group / "memory.stat").read_text(encoding="ascii").splitlines())
        return int(rows["inactive_file"])
    except (OSError, ValueError, KeyError):
        return 0


def _number(path: Path) -> int | None:
    """The number in a file; None for `max`, which is no bound, and where there is no such file."""
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
