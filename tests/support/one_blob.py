"""One blob that is downloaded again and again, and a clock that stands."""

from __future__ import annotations

import hashlib
import io
import random
from typing import TYPE_CHECKING

from cloud_sync.pieces import digests
from cloud_sync.wire.contract import nobody
from cloud_sync.wire.pace import Clock

if TYPE_CHECKING:
    from cloud_sync.wire import HttpWire

CONTENT = random.Random(3).randbytes(256 << 10)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
HALF = len(CONTENT) // 2
PIECE = len(CONTENT) // 16
PIECES = digests(io.BytesIO(CONTENT), len(CONTENT))


class FakeClock:
    """Time passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.now_s, self.sleep)


def download(wire: HttpWire, tmp_path, pieces=(), on_bytes=nobody) -> int:
    into = tmp_path / "blob"
    return wire.download("blob", into, length_bytes=len(CONTENT), sha256=SHA256, pieces=pieces, on_bytes=on_bytes)
