"""Killing a piece of work at its n-th step on the disk, in a forked child that does not come to clean up."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_STEPS = {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link", "os.chmod", "os.truncate"}
_KILLED, _RAISED = 137, 3


def killed_at(number: int, work: Callable[[], object]) -> bool:
    """Do some work in a child process that is gone before its n-th change of the disk; whether it came to that many.

    A change is an fsync, a file that is opened to be written, or a name that is made, changed or removed.
    """
    child = os.fork()
    if child == 0:
        try:
            _count_down(number)
            work()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the child must end here
            os.write(2, f"{error!r}\n".encode())
            os._exit(_RAISED)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, _KILLED), code
    return code == _KILLED


def _count_down(number: int) -> None:
    left = number
    fsync = os.fsync

    def step() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os._exit(_KILLED)

    def counted_fsync(descriptor: int) -> None:
        step()
        fsync(descriptor)

    def heard(event: str, arguments: tuple[object, ...]) -> None:
        if event in _STEPS or (event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_CREAT):
            step()

    os.fsync = counted_fsync
    sys.addaudithook(heard)
