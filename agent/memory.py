"""Gives back pages that only loading needed. They hold what lies in a file, so nothing is lost: who needs one reads it again.

Called by the interpreter for the file of a model.
"""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_DONTNEED = 4


def forget_file(path: Path) -> None:
    """Give back the pages of a file that is mapped for reading only, such as a model whose weights the runtime has packed."""
    name = f"{os.path.realpath(path)}\n"
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:  # noqa: PTH123 - no file of ours
        for line in maps:
            bounds, rights, *_, mapped = line.split(" ", 5)
            if mapped.lstrip(" ") == name and "w" not in rights:
                begin, end = (int(bound, 16) for bound in bounds.split("-"))
                _madvise(begin, end - begin)


def _madvise(begin: int, length: int) -> None:
    """Whole pages within the bounds; what the kernel refuses stays."""
    page = os.sysconf("SC_PAGESIZE")
    first, last = -(-begin // page) * page, (begin + length) // page * page
    if first < last:
        ctypes.PyDLL(None).madvise(ctypes.c_void_p(first), ctypes.c_size_t(last - first), _DONTNEED)
