"""Waiting for processes that may be nobody's child that a test knows of."""

from __future__ import annotations

import os
import select

from deadlines import LONG_S


def wait_for_end(pid: int) -> None:
    """Until this process has ended, whether or not anybody has taken note of that."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([process], [], [], LONG_S)[0], f"{pid} is still there"
    finally:
        os.close(process)
