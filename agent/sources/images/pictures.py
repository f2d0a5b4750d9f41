"""Which files are pictures, and which JPEG is cut off. Pure."""

from __future__ import annotations

EXTENSIONS = frozenset({"png", "jpg", "jpeg", "bmp", "tif", "tiff", "webp", "pgm", "ppm"})

_SOI, _SOS, _EOI = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"


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
