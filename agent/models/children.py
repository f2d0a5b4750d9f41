"""What the child processes that run models have in common: where their code lies, what they get of our surroundings, how one ends.

Used by both halves of `agent.models.trial` and `agent.models.isolated`.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGES = Path(__file__).resolve().parents[2]
"""The folder that holds the package `agent`; the working directory of a child started with `-m`."""
_OURS = ("LINESIDE_", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_", "LISTEN_")
"""Beginnings of names that are none of the child's business: passwords among our settings, and systemd's ways to the agent."""
_SET_PARENT_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of prctl(2)."""


def environment(ours: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child, made of ours. One thread of OpenBLAS, as in the agent: each of them holds memory."""
    return {name: value for name, value in ours.items() if not name.startswith(_OURS)} | {"OPENBLAS_NUM_THREADS": "1"}


def end_with(parent: int) -> None:
    """In a child: have the kernel end us when the thread that started us ends; it may have ended already."""
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the parent has ended")


def how_it_ended(returncode: int) -> str:
    """A signal by its name, or the exit code."""
    if returncode < 0:
        return signal.Signals(-returncode).name if -returncode in set(signal.Signals) else f"signal {-returncode}"
    return f"exit code {returncode}"
