"""Gives back pages that only the start needed. They hold what lies in a file, so nothing is lost: who needs one reads it again.

Called by the interpreter for the file of a model, and by the composition when the agent has started.
"""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_DONTNEED = 4
_PT_LOAD, _PF_X, _PF_W = 1, 1, 2
_IS_64_BIT = ctypes.sizeof(ctypes.c_void_p) == 8  # noqa: PLR2004 - bytes


class _Segment(ctypes.Structure):
    """`Elf64_Phdr` of elf.h."""

    _fields_ = (
        ("type", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("offset", ctypes.c_uint64),
        ("address", ctypes.c_uint64),
        ("physical", ctypes.c_uint64),
        ("size_in_file", ctypes.c_uint64),
        ("size", ctypes.c_uint64),
        ("alignment", ctypes.c_uint64),
    )


class _Library(ctypes.Structure):
    """The part of `struct dl_phdr_info` that every C library has (dl_iterate_phdr(3))."""

    _fields_ = (
        ("base", ctypes.c_uint64),
        ("name", ctypes.c_char_p),
        ("segments", ctypes.POINTER(_Segment)),
        ("count", ctypes.c_uint16),
    )


_Visit = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Library), ctypes.c_size_t, ctypes.c_void_p)


def forget_file(path: Path) -> None:
    """Give back the pages of a file that is mapped for reading only, such as a model whose weights the runtime has packed."""
    name = f"{os.path.realpath(path)}\n"
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:  # noqa: PTH123 - no file of ours
        for line in maps:
            bounds, rights, *_, mapped = line.split(" ", 5)
            if mapped.lstrip(" ") == name and "w" not in rights:
                begin, end = (int(bound, 16) for bound in bounds.split("-"))
                _madvise(begin, end - begin)


def forget_code() -> None:
    """Give back the code of all libraries: what the agent runs comes back at once, what only the start ran does not.

    The kernel would take these pages when it is short of memory; until then they stand in every figure of what the agent needs. With
    one stream, 107 MB became 84 MB, and 90 MB within a minute; it costs 300 minor page faults at once, spread over the threads.

    `dl_iterate_phdr` shows no library that is half loaded, and code is never written to, so that no page is lost. Python's lock is
    kept: to wait for it in here, with the loader's lock in hand, would block whoever loads a library with Python's lock in hand.
    """
    if not _IS_64_BIT:
        return  # Elf32_Phdr has another order

    def visit(library: Any, _size: int, _data: Any) -> int:
        for segment in library.contents.segments[: library.contents.count]:
            if segment.type == _PT_LOAD and segment.flags & _PF_X and not segment.flags & _PF_W:
                _madvise(library.contents.base + segment.address, segment.size)
        return 0

    ctypes.PyDLL(None).dl_iterate_phdr(_Visit(visit), None)


def _madvise(begin: int, length: int) -> None:
    """Whole pages within the bounds; what the kernel refuses stays."""
    page = os.sysconf("SC_PAGESIZE")
    first, last = -(-begin // page) * page, (begin + length) // page * page
    if first < last:
        ctypes.PyDLL(None).madvise(ctypes.c_void_p(first), ctypes.c_size_t(last - first), _DONTNEED)
