"""The files of a version, from wherever they are cheapest: this device, a patch, the registry.

What arrives lies in one folder under its digest until it is staged, so that a sync that is killed goes on where it was. Nothing is held in
memory but pieces, and the old file while a patch is applied.
"""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING

from cloud_sync import deltas, layout, pieces
from cloud_sync.atomic import write_atomically
from cloud_sync.errors import (
    BlobDiffers,
    DeltaFailed,
    DiskReserve,
    NotFound,
    Untrusted,
)
from cloud_sync.manifest import file_sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from cloud_sync.deltas import Patch
    from cloud_sync.device.journal import Journal
    from cloud_sync.device.order import OnDeltaFailure
    from cloud_sync.manifest import FileEntry, Manifest
    from cloud_sync.store import ModelStore
    from cloud_sync.wire.contract import Wire

_EMPTY = hashlib.sha256().hexdigest()
_SMALL_BYTES = 64 << 10
"""A file up to this is fetched whole also on a metered link."""


class Fetcher:
    """Fetches for one sync. One thread.

    Attributes:
        bytes: How many crossed the wire in downloads.
    """

    def __init__(
        self,
        wire: Wire,
        store: ModelStore,
        journal: Journal,
        folder: Path,
        *,
        on_delta_failure: OnDeltaFailure,
        on_bytes: Callable[[int], None],
    ) -> None:
        self._wire = wire
        self._store = store
        self._journal = journal
        self._folder = folder
        self._on_delta_failure = on_delta_failure
        self._told = on_bytes
        self._needed: set[str] = set()
        self.bytes = 0
        self._failed_patches: list[str] = []

    def missing_bytes(self, listed: Manifest) -> int:
        """How much of a version still has to come, at most."""
        known = self._store.files()
        missing = {e.sha256: e.length_bytes for e in listed.files if e.sha256 not in known and not self._has(e.sha256)}
        return sum(max(0, length - self._partial_bytes(sha256)) for sha256, length in missing.items())

    def make_room(self, listed: Manifest, reserve_bytes: int, collect: Callable[[], object]) -> None:
        """See that the disk has room before anything is fetched.

        Args:
            listed: What will be fetched.
            reserve_bytes: What stays free.
            collect: Removes what nobody needs.

        Raises:
            DiskReserve: There is not enough.
        """
        missing = self.missing_bytes(listed)
        if self._store.has_room(missing, reserve_bytes):
            return
        collect()
        if not self._store.has_room(missing, reserve_bytes):
            raise DiskReserve(
                f"{listed.name} {listed.version} needs {missing / 1e6:.1f} MB, and {reserve_bytes / 1e6:.0f} MB are to stay free",
                hint="make room, or lower sync.reserve_bytes",
            )

    def fetch(self, listed: Manifest, *, is_known: bool) -> dict[str, Path]:
        """All files of a version.

        Args:
            listed: Its manifest, verified.
            is_known: Whether another version of the model is here, so that there might be patches.

        Returns:
            A verified file for each sha256.

        Raises:
            DeltaFailed: There is no patch, and a whole file is not wanted.
            Untrusted: What came is something else.
            Unreachable: It could not be had; what came stays for the next sync.
            OSError: The disk is full or broken.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        known = self._store.files()
        found: dict[str, Path] = {}
        for entry in listed.files:
            if entry.sha256 not in found:
                found[entry.sha256] = self._local(entry, known) or self._fetched(entry, known, is_known=is_known)
        return found

    def forget(self, listed: Manifest) -> None:
        """Throw away what was fetched of a version that is staged."""
        for entry in listed.files:
            (self._folder / entry.sha256).unlink(missing_ok=True)

    def take_failed_patches(self) -> list[str]:
        """What went wrong with patches since this was asked last, as sentences."""
        taken, self._failed_patches = self._failed_patches, []
        return taken

    def tidy(self) -> None:
        """Remove what no version that is still to be fetched needs. Called when it is known which these are."""
        if not self._folder.is_dir():
            return
        for path in self._folder.iterdir():
            if path.name.partition(".")[0] not in self._needed:
                path.unlink(missing_ok=True)

    def need(self, listed: Manifest) -> None:
        """A version is still to be fetched: what came of it stays."""
        self._needed.update(entry.sha256 for entry in listed.files)

    def _has(self, sha256: str) -> bool:
        return (self._folder / sha256).is_file()

    def _partial_bytes(self, sha256: str) -> int:
        with contextlib.suppress(FileNotFoundError):
            return (self._folder / f"{sha256}.partial").stat().st_size
        return 0

    def _local(self, entry: FileEntry, known: Mapping[str, Path]) -> Path | None:
        """What was fetched before, or lies in another version; verified, as a disk may lose bytes."""
        for path in (self._folder / entry.sha256, known.get(entry.sha256)):
            with contextlib.suppress(FileNotFoundError):
                if path is not None and path.stat().st_size == entry.length_bytes and file_sha256(path) == entry.sha256:
                    return path
        (self._folder / entry.sha256).unlink(missing_ok=True)
        return None

    def _fetched(self, entry: FileEntry, known: Mapping[str, Path], *, is_known: bool) -> Path:
        into = self._folder / entry.sha256
        if entry.length_bytes == 0:
            if entry.sha256 != _EMPTY:
                raise BlobDiffers(f"{entry.path} has no bytes, and the sha256 of some")
            write_atomically(into, b"")
            return into
        may_be_whole = self._on_delta_failure == "full" or not is_known or entry.length_bytes <= _SMALL_BYTES
        failed_before = len(self._failed_patches)
        index = self._index(entry)
        if self._is_patched(entry, index.patches, known, into, may_be_whole=may_be_whole):
            return into
        if not may_be_whole:
            why = "".join(f"; {reason}" for reason in self._failed_patches[failed_before:])
            raise DeltaFailed(
                f"there is no patch that makes {entry.path}, and it is not fetched whole ({entry.length_bytes / 1e6:.1f} MB){why}",
                hint='sync.on_delta_failure = "full" fetches it whole',
            )
        self._download(entry.sha256, into, entry.length_bytes, index.pieces)
        return into

    def _index(self, entry: FileEntry) -> deltas.Index:
        """What the registry says beyond what is signed. Without it the file is fetched whole, and again if it is wrong."""
        if entry.length_bytes <= pieces.LEAST_BYTES:
            return deltas.Index()  # asking costs more
        try:
            content = self._wire.read(layout.patches_of(entry.sha256), deltas.MAX_INDEX_BYTES)
            return deltas.decode_index(content, entry.sha256)
        except NotFound:
            return deltas.Index()
        except Untrusted as error:
            self._failed_patches.append(f"{error.code}: {error}")
            return deltas.Index()

    def _is_patched(
        self,
        entry: FileEntry,
        patches: Sequence[Patch],
        known: Mapping[str, Path],
        into: Path,
        *,
        may_be_whole: bool,
    ) -> bool:
        """Whether the file was made by a patch."""
        patch = self._best_patch(entry, patches, known, may_be_whole=may_be_whole)
        if patch is None:
            return False
        self._needed.add(patch.sha256)
        fetched = self._folder / patch.sha256
        try:
            if not self._has(patch.sha256):
                self._download(patch.sha256, fetched, patch.length_bytes, patch.pieces)
            old = known[patch.source] if patch.source is not None else None
            try:
                deltas.apply_patch(fetched, old, into, length_bytes=entry.length_bytes, sha256=entry.sha256)
            except Untrusted:
                self._journal.note_bad_patch(patch.sha256)
                raise
            finally:
                fetched.unlink(missing_ok=True)
        except (Untrusted, NotFound) as error:
            self._failed_patches.append(f"{error.code}: {error}")
            return False
        return True

    def _best_patch(
        self, entry: FileEntry, patches: Sequence[Patch], known: Mapping[str, Path], *, may_be_whole: bool
    ) -> Patch | None:
        """The smallest patch of what is here, smaller than the file and not known to be wrong.

        Where the file may be fetched whole, its compressed form is one of them.
        """
        if not deltas.available():
            return None
        usable = [
            patch
            for patch in patches
            if (patch.source in known if patch.source is not None else may_be_whole)
            and 0 < patch.length_bytes < entry.length_bytes
            and not self._journal.is_bad_patch(patch.sha256)
        ]
        for patch in sorted(usable, key=lambda patch: patch.length_bytes):
            if patch.source is None or file_sha256(known[patch.source]) == patch.source:
                return patch
        return None

    def _download(self, sha256: str, into: Path, length_bytes: int, digests: Sequence[str]) -> None:
        path = layout.blob(sha256)
        self._wire.download(path, into, length_bytes=length_bytes, sha256=sha256, pieces=digests, on_bytes=self._count)

    def _count(self, count: int) -> None:
        self.bytes += count
        self._told(count)
