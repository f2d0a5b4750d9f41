"""Changes take turns: one thread of one process at a time."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cloud_sync.registry.errors import RegistryBusy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LOOK_AGAIN_S = 0.02


class Turn:
    """Taken for a change; ends with the process, whatever kills it."""

    def __init__(self, path: Path, *, wait_s: float = 30.0) -> None:
        self._path = path
        self._wait_s = wait_s
        self._thread = threading.Lock()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Wait for the turn, have it, give it back.

        Raises:
            RegistryBusy: Others took too long.
        """
        until = time.monotonic() + self._wait_s
        if not self._thread.acquire(timeout=self._wait_s):
            raise self._busy()
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                while not _locked(descriptor):
                    if time.monotonic() > until:
                        raise self._busy()
                    time.sleep(_LOOK_AGAIN_S)
                yield
            finally:
                os.close(descriptor)
        finally:
            self._thread.release()

    def _busy(self) -> RegistryBusy:
        return RegistryBusy(
            f"another change holds {self._path} for more than {self._wait_s:g} s", hint="try again; `fuser` says who"
        )


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
