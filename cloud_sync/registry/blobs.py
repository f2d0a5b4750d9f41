"""Where the files of bundles lie. A folder now; a bucket fits the same protocol."""

from __future__ import annotations

import fcntl
import hashlib
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Protocol

from cloud_sync import layout
from cloud_sync.atomic import write_atomically
from cloud_sync.errors import BlobDiffers, ContentTooLarge, Refused
from cloud_sync.registry.errors import UnknownName, UploadOffset
from cloud_sync.registry.files import make_folder, sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_CHUNK_BYTES = 1 << 20


class Blobs(Protocol):
    """Files by sha256. What `has` says yes to is whole, verified and durable. Any thread may call."""

    def has(self, sha256: str) -> bool:
        """Whether it is there."""

    def size(self, sha256: str) -> int:
        """Its length in bytes.

        Raises:
            UnknownName: It is not there.
        """

    def open(self, sha256: str) -> BinaryIO:
        """Read it.

        Raises:
            UnknownName: It is not there.
        """

    def offset(self, sha256: str) -> int:
        """How many bytes of an upload have arrived; 0 when there is none."""

    def append(self, sha256: str, offset: int, pieces: Iterable[bytes]) -> int:
        """Add to an upload, and return how many bytes it has now. What has arrived stays, also when the pieces break off.

        Raises:
            UploadOffset: The upload has another length than `offset`.
            ContentTooLarge: It would be larger than a file may be.
        """

    def commit(self, sha256: str, length_bytes: int) -> None:
        """Take a complete upload in. A file that is there already is kept.

        Raises:
            UploadOffset: It is not complete.
            BlobDiffers: It has another digest; the upload is thrown away.
        """

    def put(self, content: bytes) -> str:
        """Take bytes in, and return their sha256."""


class FolderBlobs:
    """Below `public/blobs/sha256`; uploads lie beside `public`, so that no web server serves half of one.

    Two who upload the same file take turns at each piece; the second is told where to go on.
    """

    def __init__(self, public: Path, uploads: Path, *, max_bytes: int) -> None:
        self._public = public
        self._uploads = uploads
        self._max_bytes = max_bytes

    def path(self, sha256: str) -> Path:
        """Where it lies, or would.

        Raises:
            Refused: It is no sha256.
        """
        return self._public / layout.blob(_checked(sha256))

    def has(self, sha256: str) -> bool:
        """Whether it is there."""
        return self.path(sha256).is_file()

    def size(self, sha256: str) -> int:
        """Its length in bytes.

        Raises:
            UnknownName: It is not there.
        """
        try:
            return self.path(sha256).stat().st_size
        except FileNotFoundError:
            raise UnknownName(f"there is no blob {sha256}") from None

    def open(self, sha256: str) -> BinaryIO:
        """Read it.

        Raises:
            UnknownName: It is not there.
        """
        try:
            return self.path(sha256).open("rb")
        except FileNotFoundError:
            raise UnknownName(f"there is no blob {sha256}") from None

    def offset(self, sha256: str) -> int:
        """How many bytes of an upload have arrived; 0 when there is none."""
        try:
            return self._partial(sha256).stat().st_size
        except FileNotFoundError:
            return 0

    def append(self, sha256: str, offset: int, pieces: Iterable[bytes]) -> int:
        """Add to an upload, and return how many bytes it has now.

        Raises:
            UploadOffset: The upload has another length than `offset`.
            ContentTooLarge: It would be larger than a file may be.
        """
        make_folder(self._uploads)
        size = offset
        for piece in pieces:
            with self._held(sha256) as file:
                there = file.seek(0, os.SEEK_END)
                if there != size:
                    raise UploadOffset(f"the upload of {sha256} has {there} bytes, not {size}", there)
                if size + len(piece) > self._max_bytes:
                    raise ContentTooLarge(f"{sha256} is larger than the {self._max_bytes} bytes that a file may have")
                file.write(piece)
            size += len(piece)
        there = self.offset(sha256)
        if there != size:
            raise UploadOffset(f"the upload of {sha256} has {there} bytes, not {size}", there)
        return size

    def commit(self, sha256: str, length_bytes: int) -> None:
        """Take a complete upload in.

        Raises:
            UploadOffset: It is not complete.
            BlobDiffers: It has another digest; the upload is thrown away.
        """
        if self.has(sha256):
            self._partial(sha256).unlink(missing_ok=True)
            return
        make_folder(self._uploads)
        with self._held(sha256) as file:
            there = file.seek(0, os.SEEK_END)
            if there < length_bytes:
                raise UploadOffset(f"the upload of {sha256} has {there} of {length_bytes} bytes", there)
            file.seek(0)
            digest = hashlib.sha256()
            while piece := file.read(_CHUNK_BYTES):
                digest.update(piece)
            if there != length_bytes or digest.hexdigest() != sha256:
                self._partial(sha256).unlink(missing_ok=True)
                raise BlobDiffers(f"what was uploaded is not {sha256}", hint="upload it again from the start")
            file.flush()
            os.fsync(file.fileno())
            path = self.path(sha256)
            make_folder(path.parent)
            self._partial(sha256).replace(path)
            sync_folder(path.parent)

    def put(self, content: bytes) -> str:
        """Take bytes in, and return their sha256."""
        sha256 = hashlib.sha256(content).hexdigest()
        if not self.has(sha256):
            path = self.path(sha256)
            make_folder(path.parent)
            write_atomically(path, content)
        return sha256

    def _partial(self, sha256: str) -> Path:
        return self._uploads / f"{_checked(sha256)}.partial"

    @contextmanager
    def _held(self, sha256: str) -> Iterator[BinaryIO]:
        """The upload, which nobody else writes meanwhile."""
        while True:
            with self._partial(sha256).open("a+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                # It may have been committed or thrown away while we waited.
                if not _is_at(file, self._partial(sha256)):
                    continue
                yield file
                return


def _is_at(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _checked(sha256: str) -> str:
    if not layout.is_sha256(sha256):
        raise Refused(f"{sha256!r} is no sha256 in hexadecimal")
    return sha256
