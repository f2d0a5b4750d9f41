"""Tensors that two processes see: one piece of memory behind a descriptor, laid out by the same rule on both sides.

A memory file (memfd_create(2)) has no name, so nothing is left of it when both processes are gone, however they went.
"""

from __future__ import annotations

import fcntl
import math
import mmap
import os
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

Form = tuple[str, tuple[int, ...]]
"""Type, by its NumPy name, and shape of a tensor."""

_ALIGNMENT = 64


def new_memory() -> int:
    """A descriptor of empty memory that may grow and never shrinks: what is mapped of it can be read, whatever the other side does."""
    descriptor = os.memfd_create("lineside-tensors", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
    return descriptor


def size_bytes(forms: Sequence[Form]) -> int:
    """Of the memory that holds these tensors; never 0, which cannot be mapped."""
    return max(_ALIGNMENT, sum(_room(form) for form in forms))


class SharedTensors:
    """One mapping. Whoever closes it has let go of all views into it.

    Attributes:
        tensors: A view for each form, one behind the other.
    """

    def __init__(self, descriptor: int, forms: Sequence[Form]) -> None:
        """Map.

        Args:
            descriptor: Of memory that is large enough; it stays the caller's.
            forms: In the order of their place.

        Raises:
            ValueError: The memory is too small.
        """
        self._map = mmap.mmap(descriptor, size_bytes(forms))
        self.tensors: list[npt.NDArray[Any]] = []
        begin = 0
        for form in forms:
            dtype, shape = form
            self.tensors.append(np.ndarray(shape, dtype, buffer=self._map, offset=begin))
            begin += _room(form)

    def close(self) -> None:
        """Give the memory back. May be called twice."""
        self.tensors.clear()
        self._map.close()


def _room(form: Form) -> int:
    dtype, shape = form
    size = math.prod(shape) * np.dtype(dtype).itemsize
    return -(-size // _ALIGNMENT) * _ALIGNMENT
