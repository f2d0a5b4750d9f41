"""Which files are pictures, which JPEG is cut off, and by how much one may be reduced. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.sources.demand import Needed

EXTENSIONS = frozenset({"png", "jpg", "jpeg", "bmp", "tif", "tiff", "webp", "pgm", "ppm"})

_SOI, _SOS, _EOI = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"
_STAND_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_FRAME_HEADERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Start of frame of whatever process; the others in this range define tables (ITU-T T.81, table B.1)."""


def is_picture(name: str) -> bool:
    """Whether a file of this name is taken: it ends like a picture and is not hidden."""
    stem, dot, extension = name.rpartition(".")
    return bool(dot) and not name.startswith(".") and bool(stem) and extension.lower() in EXTENSIONS


def is_cut_off(data: bytes) -> bool:
    """Whether a JPEG lacks its end; False for everything that is no JPEG.

    OpenCV 4 decodes a JPEG that was copied halfway, and fills the rest with gray. The end marker never occurs in the data of
    a scan (ITU-T T.81, section B.1.1.5), so one after the last start of a scan is the picture's own, not its thumbnail's.
    """
    if not data.startswith(_SOI):
        return False
    last_scan = data.rfind(_SOS)
    return last_scan < 0 or data.find(_EOI, last_scan) < 0


def jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Width and height in a JPEG's frame header (ITU-T T.81, section B.2.2); None for everything that is no JPEG.

    As they are stored: a picture that is to be turned (Exif) is not turned yet.
    """
    if not data.startswith(_SOI):
        return None
    position = len(_SOI)
    while position + 9 <= len(data) and data[position] == 0xFF:  # noqa: PLR2004 - each marker begins with it
        marker = data[position + 1]
        if marker == 0xFF or marker in _STAND_ALONE:  # noqa: PLR2004 - fill bytes
            position += 1 if marker == 0xFF else 2  # noqa: PLR2004
        elif marker in _FRAME_HEADERS:
            height = int.from_bytes(data[position + 5 : position + 7], "big")
            width = int.from_bytes(data[position + 7 : position + 9], "big")
            return (width, height) if width and height else None
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return None


def reduction(data: bytes, needed: Needed, least_lines: int = 0) -> int:
    """By what a picture may be divided while it is decoded: 1, 2, 4 or 8; 1 for what is no JPEG.

    Args:
        data: The file.
        needed: Fewest pixels that the picture must have, however it is turned.
        least_lines: Below this height nothing is divided.
    """
    size = jpeg_size(data)
    if size is None:
        return 1
    width, height = size
    if min(width, height) < least_lines:
        return 1
    return min(needed.jpeg_reduction(width, height), needed.jpeg_reduction(height, width))
