"""Keeps what native code writes to stderr out of our output. Used around the import of the runtime and the loading of a model."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_STDERR = 2
_TALK = threading.Lock()


@contextlib.contextmanager
def without_native_talk() -> Iterator[None]:
    """Keep what the runtime writes to stderr out of our output: faults are in its exceptions, the rest is chatter.

    The descriptor belongs to the whole process, so one thread at a time; our own log writes to a copy of it.
    """
    with _TALK, open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a device, not a path
        try:
            stderr = os.dup(_STDERR)
        except OSError:  # whoever started us closed it: there is nothing to keep clean
            yield
            return
        os.dup2(nowhere.fileno(), _STDERR)
        try:
            yield
        finally:
            os.dup2(stderr, _STDERR)
            os.close(stderr)
