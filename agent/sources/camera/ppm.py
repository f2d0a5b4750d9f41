"""The head of a binary PPM picture (netpbm's ppm(5)) as FFmpeg writes it: `P6`, width and height, 255. Pure."""

from __future__ import annotations

import re

LINES = 3
SHORTEST_HEAD = len(b"P6\n1 1\n255\n")
LONGEST_HEAD = len(b"P6\n99999 99999\n255\n")
_HEAD = re.compile(rb"P6\n([1-9]\d{0,4}) ([1-9]\d{0,4})\n255\n")


def size(head: bytes | bytearray) -> tuple[int, int]:
    """Width and height that a head tells.

    Raises:
        ValueError: It is no head of an 8-bit PPM picture.
    """
    match = _HEAD.fullmatch(head)
    if match is None:
        raise ValueError(f"{bytes(head)!r} is no head of a PPM picture")
    return int(match[1]), int(match[2])
