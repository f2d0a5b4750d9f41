"""The near end of a download: a partial file that survives restarts, and becomes the file when it is all there and right.

It grows from its beginning. Where digests of its pieces are known (`cloud_sync.pieces`), a wrong piece is noticed when it is there, the rest
comes behind it, and then the wrong ones come once more, each by itself. Which these are is computed again after a restart.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, BinaryIO

from cloud_sync import pieces as pieces_of
from cloud_sync.errors import BlobDiffers
from cloud_sync.manifest import file_sha256

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self


class Landing:
    """Collects the bytes of one file. `with Landing(…) as landing:` closes it; what came stays for the next one.

    Attributes:
        have_bytes: How far the file has grown.
        piece_bytes: How long its pieces are.
        mistakes: How often a piece turned out to be wrong.
    """

    def __init__(self, into: Path, *, length_bytes: int, sha256: str, pieces: Sequence[str] = ()) -> None:
        self._into = into
        self._partial = into.with_name(f"{into.name}.partial")
        self._length_bytes = length_bytes
        self._sha256 = sha256
        self._pieces = pieces_of.fitting(pieces, length_bytes)
        self._wrong: set[int] = set()
        self._file: BinaryIO | None = None
        self._at = 0
        self.have_bytes = 0
        self.piece_bytes = pieces_of.piece_bytes(length_bytes)
        self.mistakes = 0

    def __enter__(self) -> Self:
        self._file = os.fdopen(os.open(self._partial, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644), "r+b")
        self.have_bytes = self._file.seek(0, os.SEEK_END)
        if self.have_bytes > self._length_bytes:
            self.restart()
        self._compare(0, self.have_bytes)
        self.mistakes = 0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()
        if self.have_bytes == 0:
            self.discard()

    @property
    def has_pieces(self) -> bool:
        """Whether anything is known of the pieces."""
        return bool(self._pieces)

    @property
    def missing_bytes(self) -> int:
        """How many it has yet to grow."""
        return self._length_bytes - self.have_bytes

    @property
    def wanted(self) -> tuple[int, int]:
        """What is to come next, from and up to but without: the rest, then a piece that is wrong; nothing is an empty one."""
        if self.missing_bytes or not self._wrong:
            return self.have_bytes, self._length_bytes
        return self._bounds(min(self._wrong))

    def go_to(self, begin: int) -> None:
        """What is added next belongs here."""
        self._at = begin

    def add(self, content: bytes) -> None:
        """Put down what came, behind what came before it.

        Raises:
            BlobDiffers: It would be longer than the file is; it is not kept.
            OSError: It could not be written.
        """
        if self._at + len(content) > self._length_bytes:
            raise BlobDiffers(f"{self._into.name} is longer than its {self._length_bytes} bytes")
        begin = self._at
        self._opened.seek(begin)
        self._opened.write(content)
        self._at += len(content)
        self.have_bytes = max(self.have_bytes, self._at)
        self._compare(begin, self._at)

    def restart(self) -> None:
        """Forget what came."""
        self._opened.seek(0)
        self._opened.truncate()
        self.have_bytes = self._at = 0
        self._wrong.clear()

    def distrust_pieces(self) -> None:
        """What is said of them and of the whole cannot both be true."""
        self._pieces = ()

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

    def _bounds(self, index: int) -> tuple[int, int]:
        begin = index * self.piece_bytes
        return begin, min(begin + self.piece_bytes, self._length_bytes)

    def _compare(self, begin: int, end: int) -> None:
        """Look at the pieces that end in this stretch."""
        if not self._pieces:
            return
        ended = len(self._pieces) if end == self._length_bytes else end // self.piece_bytes
        for index in range(begin // self.piece_bytes, ended):
            first, last = self._bounds(index)
            self._opened.seek(first)
            if hashlib.sha256(self._opened.read(last - first)).hexdigest() == self._pieces[index]:
                self._wrong.discard(index)
            else:
                self._wrong.add(index)
                self.mistakes += 1

    @property
    def _opened(self) -> BinaryIO:
        if self._file is None:
            raise RuntimeError("a landing is used inside its `with`")
        return self._file
