"""Gives back memory that only the start needed.

Called by the interpreter for the file of a model, and by the composition when the agent has started.
"""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_DONTNEED = 4


def forget_file(path: Path) -> None:
    """Give back the pages of a file that is mapped for reading only, such as a model whose weights the runtime has packed.

    Nothing is lost: who needs a page reads it again.
    """
    name = f"{os.path.realpath(path)}\n"
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:  # noqa: PTH123 - no file of ours
        for line in maps:
            bounds, rights, *_, mapped = line.split(" ", 5)
            if mapped.lstrip(" ") == name and "w" not in rights:
                begin, end = (int(bound, 16) for bound in bounds.split("-"))
                _madvise(begin, end - begin)


def forget_free() -> None:
    """Give the free parts of the heap back to the system: 1 MB after a start. Only where the C library can (malloc_trim(3))."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(ctypes.c_size_t(0))


def _madvise(begin: int, length: int) -> None:
    """Whole pages within the bounds; what the kernel refuses stays."""
    page = os.sysconf("SC_PAGESIZE")
    first, last = -(-begin // page) * page, (begin + length) // page * page
    if first < last:
        ctypes.PyDLL(None).madvise(ctypes.c_void_p(first), ctypes.c_size_t(last - first), _DONTNEED)
