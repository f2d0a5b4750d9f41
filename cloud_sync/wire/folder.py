"""A registry's files in a folder: a USB stick, or an export. Trusted no more than a server."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from cloud_sync.errors import BlobDiffers, ContentTooLarge, NotFound, Unreachable, Untrusted
from cloud_sync.wire.contract import nobody, segments
from cloud_sync.wire.landing import Landing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_CHUNK_BYTES = 1 << 18
_BELOW = os.O_NOFOLLOW | os.O_CLOEXEC


class FolderWire:
    """A wire to the files below a folder. No link below it is followed, and nothing but a regular file is read."""

    def __init__(self, folder: Path) -> None:
        self._folder = Path(folder)

    def read(
        self,
        path: str,
        max_bytes: int,
        *,
        known: bytes | None = None,  # noqa: ARG002 - reading a folder again costs no line
    ) -> bytes:
        """See `Wire`."""
        with self._opened(path) as file:
            content = self._piece(file, max_bytes + 1, path)
        if len(content) > max_bytes:
            raise ContentTooLarge(f"{path} in {self._folder} has more than {max_bytes} bytes")
        return content

    def download(
        self,
        path: str,
        into: Path,
        *,
        length_bytes: int,
        sha256: str,
        pieces: Sequence[str] = (),  # noqa: ARG002 - reading a folder again costs no line
        on_bytes: Callable[[int], None] = nobody,
    ) -> int:
        """See `Wire`."""
        crossed = 0
        with Landing(into, length_bytes=length_bytes, sha256=sha256) as landing:
            while True:
                resumed = landing.have_bytes > 0
                if landing.missing_bytes or not resumed:
                    crossed += self._copy(path, landing, on_bytes)
                if landing.is_right():
                    landing.settle()
                    return crossed
                if not resumed:
                    landing.discard()
                    raise BlobDiffers(f"{path} in {self._folder} has another sha256 or length than it should")
                landing.restart()

    def _copy(self, path: str, landing: Landing, on_bytes: Callable[[int], None]) -> int:
        crossed = 0
        with self._opened(path) as file:
            file.seek(landing.have_bytes)
            landing.go_to(landing.have_bytes)
            # One byte more than is missing shows that the file is too long.
            while piece := self._piece(file, min(_CHUNK_BYTES, landing.missing_bytes + 1), path):
                crossed += len(piece)
                try:
                    landing.add(piece)
                except BlobDiffers:
                    landing.discard()
                    raise
                on_bytes(len(piece))
        return crossed

    @contextlib.contextmanager
    def _opened(self, path: str) -> Iterator[BinaryIO]:
        """The file, opened folder by folder, so that no link can be put in the way.

        Raises:
            NotFound: There is none.
            Untrusted: A link stands in the way, or it is no regular file.
            Unreachable: It cannot be opened.
        """
        *folders, name = segments(path)
        try:
            at = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                for folder in folders:
                    below = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | _BELOW, dir_fd=at)
                    os.close(at)
                    at = below
                descriptor = _opened_in(at, name)
            finally:
                os.close(at)
        except FileNotFoundError as error:
            raise NotFound(f"{self._folder} has no {path}", hint="is it the right folder or stick?") from error
        except OSError as error:
            if self._has_link(path):
                raise Untrusted(f"{path} in {self._folder} is a link", hint="copy the files themselves") from error
            raise Unreachable(f"{path} in {self._folder} cannot be read: {error.strerror}") from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise Untrusted(f"{path} in {self._folder} is no file")
        with os.fdopen(descriptor, "rb") as file:
            yield file

    def _piece(self, file: BinaryIO, count: int, path: str) -> bytes:
        try:
            return file.read(count)
        except OSError as error:
            raise Unreachable(f"{path} in {self._folder} cannot be read: {error.strerror}") from error

    def _has_link(self, path: str) -> bool:
        """For the words of the error only."""
        parts = segments(path)
        return any(self._folder.joinpath(*parts[: count + 1]).is_symlink() for count in range(len(parts)))


def _opened_in(folder: int, name: str) -> int:
    """A file of a folder, or what stands for it on a stick with FAT, which takes no colon in a name."""
    # Without O_NONBLOCK, opening a pipe waits for somebody to write.
    flags = os.O_RDONLY | os.O_NONBLOCK | _BELOW
    try:
        return os.open(name, flags, dir_fd=folder)
    except FileNotFoundError:
        if ":" not in name:
            raise
        return os.open(name.replace(":", "%3A"), flags, dir_fd=folder)
