"""The near end of a download: a partial file that survives restarts, and becomes the file when it is all there and right."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO

from cloud_sync.errors import BlobDiffers
from cloud_sync.manifest import file_sha256

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self


class Landing:
    """Collects the bytes of one file. `with Landing(…) as landing:` closes it; what came stays for the next one.

    Attributes:
        have_bytes: Bytes of the file that are here.
    """

    def __init__(self, into: Path, *, length_bytes: int, sha256: str) -> None:
        self._into = into
        self._partial = into.with_name(f"{into.name}.partial")
        self._length_bytes = length_bytes
        self._sha256 = sha256
        self._file: BinaryIO | None = None
        self.have_bytes = 0

    def __enter__(self) -> Self:
        self._file = self._partial.open("ab")
        self.have_bytes = self._file.tell()
        if self.have_bytes > self._length_bytes:
            self.restart()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()
        if self.have_bytes == 0:
            self.discard()

    @property
    def missing_bytes(self) -> int:
        """How many are still to come."""
        return self._length_bytes - self.have_bytes

    def add(self, piece: bytes) -> None:
        """Append what came.

        Raises:
            BlobDiffers: It would be longer than the file is; the piece is not kept.
            OSError: It could not be written.
        """
        if len(piece) > self.missing_bytes:
            raise BlobDiffers(f"{self._into.name} is longer than its {self._length_bytes} bytes")
        self._opened.write(piece)
        self.have_bytes += len(piece)

    def restart(self) -> None:
        """Forget what came."""
        self._opened.truncate(0)
        self.have_bytes = 0

    def discard(self) -> None:
        """Forget what came, and leave no file."""
        self._partial.unlink(missing_ok=True)

    def is_right(self) -> bool:
        """Whether what came is the file."""
        self._opened.flush()
        return self.have_bytes == self._length_bytes and file_sha256(self._partial) == self._sha256

    def settle(self) -> None:
        """Put it in its place, so that it is there after a loss of power.

        Raises:
            OSError: It could not be written.
        """
        self._opened.flush()
        os.fsync(self._opened.fileno())
        self._partial.replace(self._into)
        folder = os.open(self._into.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @property
    def _opened(self) -> BinaryIO:
        if self._file is None:
            raise RuntimeError("a landing is used inside its `with`")
        return self._file
