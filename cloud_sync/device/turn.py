"""One sync at a time in a state directory: the agent's child and `lineside sync import` take turns."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import TYPE_CHECKING

from cloud_sync.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LOOK_AGAIN_S = 0.05


class SyncRunning(Refused):
    """Another sync of this device is not at its end yet."""

    code = "sync-running"
    retryable = True


@contextlib.contextmanager
def turn(folder: Path, wait_s: float = 10.0) -> Iterator[None]:
    """For as long as the `with`; the kernel ends it with the process.

    Raises:
        SyncRunning: It is not our turn within that time.
        OSError: The folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        until_s = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until_s:
                    raise SyncRunning("another sync is under way", hint="lineside sync status") from None
                time.sleep(_LOOK_AGAIN_S)
        yield
    finally:
        os.close(descriptor)
