"""One agent per state directory (design, section 4.1).

The lock is on the folder itself, which works on a read-only disk too, and on `agent.lock` in it, which names the holder.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING

from agent.core.errors import AlreadyRunning, BadData

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

_NAME = "agent.lock"
_SICK = (errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO)
"""Faults of the disk, with which an agent can work. That it may not write there, or that there is no folder, is one of the set-up."""


def holder(state_dir: Path) -> int | None:
    """The id of the process that holds the lock, None if nobody does.

    Asks the kernel's list of locks and takes nothing, so that an agent that starts at this moment meets no lock.
    """
    try:
        inodes = {str(path.stat().st_ino) for path in (state_dir / _NAME, state_dir) if path.exists()}
        held = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    for line in held:  # 1: FLOCK  ADVISORY  WRITE 4711 fe:01:131 0 EOF; some file systems name another device there
        *_, kind, _, _, pid, file, _, _ = line.split()
        if kind == "FLOCK" and file.rpartition(":")[2] in inodes:
            return int(pid)
    return None


def _noted(state_dir: Path) -> str | None:
    """Who wrote itself into the file; the only answer where the kernel names no process of another container."""
    try:
        return (state_dir / _NAME).read_text(encoding="ascii", errors="replace").strip() or None
    except OSError:
        return None


class StateLock:
    """Holds the folder and `agent.lock` with this process's id inside; the kernel lets both go when the process dies.

    Attributes:
        fault: Why `agent.lock` could not be written although the folder is ours, or None.
    """

    def __init__(self, state_dir: Path) -> None:
        self.fault: str | None = None
        self._state_dir = state_dir
        self._fds: list[int] = []

    def acquire(self) -> None:
        """Make the state directory if it is missing and take its lock. A full, read-only or failing disk is no hindrance.

        Raises:
            AlreadyRunning: Another process holds it; the message names its id.
            BadData: The directory cannot be made, or this user may not write in it.
        """
        path = self._state_dir / _NAME
        try:
            self._state_dir.mkdir(parents=True, exist_ok=True)
            self._take(os.open(self._state_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
            self._name(path)
        except OSError as error:
            self.release()
            raise BadData(
                f"state directory {self._state_dir} cannot be used: {error.strerror}",
                hint="set device.state_dir to a folder that this user may write",
            ) from error

    def _name(self, path: Path) -> None:
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            self._take(fd)
            os.ftruncate(fd, 0)
            os.write(fd, f"{os.getpid()}\n".encode())
        except OSError as error:
            if error.errno not in _SICK:
                raise
            self.fault = f"{path} cannot be written: {error.strerror}"

    def _take(self, fd: int) -> None:
        self._fds.append(fd)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = holder(self._state_dir) or _noted(self._state_dir) or "unknown"
            self.release()
            raise AlreadyRunning(
                f"an agent with pid {pid} already runs on {self._state_dir}",
                hint="stop it, or give this one a device.state_dir of its own",
            ) from None

    def release(self) -> None:
        """Let the lock go. May be called twice."""
        while self._fds:
            with contextlib.suppress(OSError):  # a close may tell of a write that failed; the lock is gone all the same
                os.close(self._fds.pop())

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
