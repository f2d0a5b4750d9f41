"""Digests of a file's pieces: where a download went wrong, so that only that is fetched again.

They come with the list of patches and are signed by nobody, so they decide nothing: a file is right when its own sha256 is, whatever is said
of its pieces. A list that lies costs no more than a line that does.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST = 16
"""Five bad answers then cost less than half a download more, and the list has a kilobyte."""
LEAST_BYTES = 4 << 10
"""A file up to this length is one piece, which its own sha256 says all of."""


def piece_bytes(length_bytes: int) -> int:
    """How long each piece of a file is, but for the last one: a sixteenth, at least `LEAST_BYTES`."""
    return max(LEAST_BYTES, -(-length_bytes // MOST))


def count(length_bytes: int) -> int:
    """How many pieces a file has."""
    return -(-length_bytes // piece_bytes(length_bytes))


def digests(file: BinaryIO, length_bytes: int) -> tuple[str, ...]:
    """The sha256 of each piece in hexadecimal; none of a file that is one piece.

    Args:
        file: Read from where it stands; one piece is held in memory.
        length_bytes: How long it is.

    Raises:
        OSError: It cannot be read.
    """
    if length_bytes <= LEAST_BYTES:
        return ()
    size = piece_bytes(length_bytes)
    return tuple(hashlib.sha256(file.read(size)).hexdigest() for _ in range(count(length_bytes)))


def fitting(found: Sequence[str], length_bytes: int) -> tuple[str, ...]:
    """The digests, if there are as many as the file has pieces; else none, as they would be of another file."""
    return tuple(found) if len(found) == count(length_bytes) else ()
