"""One agent per state directory (design, section 4.1)."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING

from agent.core.errors import AlreadyRunning, BadData

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self


def holder(state_dir: Path) -> int | None:
    """The id of the process that holds the lock, None if nobody does.

    Asks the kernel's list of locks and takes nothing, so that an agent that starts at this moment meets no lock.
    """
    try:
        inode = (state_dir / "agent.lock").stat().st_ino
        held = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    for line in held:  # 1: FLOCK  ADVISORY  WRITE 4711 fe:01:131 0 EOF; some file systems name another device there
        *_, kind, _, _, pid, file, _, _ = line.split()
        if kind == "FLOCK" and file.rpartition(":")[2] == str(inode):
            return int(pid)
    return None


class StateLock:
    """Holds `agent.lock` with this process's id inside; the kernel lets it go when the process dies."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._fd: int | None = None

    def acquire(self) -> None:
        """Make the state directory if it is missing and take its lock.

        Raises:
            AlreadyRunning: Another process holds it; the message names its id.
            BadData: The directory cannot be made or written.
        """
        path = self._state_dir / "agent.lock"
        try:
            self._state_dir.mkdir(parents=True, exist_ok=True)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise BadData(
                f"state directory {self._state_dir} cannot be used: {error.strerror}",
                hint="set device.state_dir to a folder that this user may write",
            ) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.read(fd, 32).decode(errors="replace").strip() or "unknown"
            os.close(fd)
            raise AlreadyRunning(
                f"an agent with pid {pid} already runs on {self._state_dir}",
                hint="stop it, or give this one a device.state_dir of its own",
            ) from None
        os.ftruncate(fd, 0)
        os.write(fd, f"{os.getpid()}\n".encode())
        self._fd = fd

    def release(self) -> None:
        """Let the lock go. May be called twice."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
