"""The trusted metadata of a device: one folder, unversioned names, each file replaced as a whole.

What cannot be read there counts as absent: a power cut or a rotten block costs a device its memory of versions, never its way on.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING
from urllib.parse import quote

from cloud_sync.atomic import write_atomically
from cloud_sync.errors import MetadataInvalid

if TYPE_CHECKING:
    from pathlib import Path

_FORGET = "forget-versions-from-root"
_PIN = "pinned-root.sha256"
_MAX_BYTES = 8 << 20
_MAX_NAME_BYTES = 200


class TrustedFolder:
    """Used by one process at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def tidy(self) -> None:
        """Remove what a write that was killed has left."""
        for rest in self._folder.glob(".*.partial"):
            rest.unlink(missing_ok=True)

    def read(self, role: str) -> bytes | None:
        """The trusted file of a role, or None where there is none that can be read."""
        try:
            with self._path(role).open("rb") as file:
                content = file.read(_MAX_BYTES + 1)
        except OSError:
            return None
        return content if len(content) <= _MAX_BYTES else None

    def write(self, role: str, content: bytes) -> None:
        """Replace it.

        Raises:
            OSError: The disk is full or broken.
            MetadataInvalid: The role has a name that no file can have.
        """
        write_atomically(self._path(role), content)

    def remove(self, *roles: str) -> None:
        """They are not trusted any more; gone from the disk when this returns."""
        for role in roles:
            self._path(role).unlink(missing_ok=True)
        self._sync()

    def pin(self) -> str | None:
        """The digest of the pinned root that was in force before, or None where that is not known."""
        try:
            return (self._folder / _PIN).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            return None

    def remember_pin(self, sha256: str) -> None:
        """So that another one is noticed."""
        if self.pin() != sha256:
            write_atomically(self._folder / _PIN, f"{sha256}\n".encode())

    # Keys of timestamp or snapshot were replaced, and what is remembered of versions goes once the chain of roots has ended well
    # (specification, 5.3.11). The note is written before the root that replaces them, so that neither a power cut nor a root
    # that has expired (5.3.10 ends the update before) makes a device forget to forget.

    def note_rotation(self, root_version: int) -> None:
        """From this root on, trusted timestamp and snapshot may be an attacker's."""
        if self._noted() is None:
            write_atomically(self._folder / _FORGET, f"{root_version}\n".encode())

    def rotation_pending(self, root_version: int) -> bool:
        """Whether there is such a note, and its root is trusted."""
        noted = self._noted()
        return noted is not None and noted <= root_version

    def rotation_done(self) -> None:
        """What had to be forgotten is."""
        if self._noted() is not None:
            (self._folder / _FORGET).unlink(missing_ok=True)
            self._sync()

    def _noted(self) -> int | None:
        try:
            return int((self._folder / _FORGET).read_bytes()[:20])
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            return 0

    def _path(self, role: str) -> Path:
        name = quote(role, "")
        if len(name) > _MAX_NAME_BYTES:
            raise MetadataInvalid(f"a role is called {role[:60]!r}…, which is too long for a file")
        return self._folder / f"{name}.json"

    def _sync(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
