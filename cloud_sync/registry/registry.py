"""The registry as its server, its commands and its tests see it: every change goes through here, and is whole or does not happen.

What can be asked of it stands in `cloud_sync.registry.facets`, a class for each subject; how a change is made, in `changing`.

Any thread and any process may call; changes take turns (`RegistryBusy` after a deadline). `by` is who asked, for the log.
All methods may raise `StateUnreadable` and OSError.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from cloud_sync.registry import exporting, first
from cloud_sync.registry import settings as settings_file
from cloud_sync.registry.blobs import FolderBlobs
from cloud_sync.registry.changing import Changing
from cloud_sync.registry.facets.assignments import Assignments
from cloud_sync.registry.facets.devices import Devices
from cloud_sync.registry.facets.keys import Keys
from cloud_sync.registry.facets.log import Log
from cloud_sync.registry.facets.models import Models
from cloud_sync.registry.facets.tokens import Tokens
from cloud_sync.registry.settings import Settings
from cloud_sync.registry.state import changes
from cloud_sync.signers import ROUNDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from typing_extensions import Self

    from cloud_sync.registry.blobs import Blobs
    from cloud_sync.registry.types import Ceremony


def utc_now() -> datetime:
    """The system's clock."""
    return datetime.now(timezone.utc)


class Registry:
    """One registry folder: `registry.toml`, `state.db`, `keys/` (online), `public/` (what is served), `uploads/`.

    Attributes:
        folder: The registry's folder.
        public: What a web server may serve.
        settings: Of `registry.toml`.
        blobs: Where uploads go: `has`, `offset`, `append`, `commit` (see `cloud_sync.registry.blobs`).
        models: Who owns which, and which versions there are.
        assignments: What channels and devices should run.
        keys: Signatures that end, and keys that are replaced.
        devices: Enrolment and reports.
        tokens: Who may call the API.
        log: What happened.
    """

    folder: Path
    public: Path
    blobs: Blobs
    settings: Settings

    @classmethod
    def init(
        cls,
        folder: Path,
        offline_keys: Path,
        passphrase_of: Callable[[str], str],
        *,
        settings: Settings | None = None,
        clock: Callable[[], datetime] = utc_now,
        by: str = "init",
        key_rounds: int = ROUNDS,
    ) -> Ceremony:
        """Make a registry: keys, first metadata, database. All or nothing; `folder` must not be there, or be empty.

        Args:
            folder: Of the registry.
            offline_keys: Where the three root keys and the targets key go, encrypted; a stick that is pulled afterwards.
            passphrase_of: Asked for the passphrase of each of these files by its name, 12 characters at least: one for all, or one for each
                of the people who hold them.
            settings: Lifetimes and limits; written to `registry.toml`.
            clock: What time it is.
            by: For the log.
            key_rounds: Of the passphrase's derivation; fewer only in tests.

        Raises:
            AlreadyThere: There is something in `folder`, or a key file in `offline_keys`.
            Refused: A passphrase is too short.
        """
        return first.make(folder, offline_keys, passphrase_of, settings or Settings(), clock(), by, key_rounds)

    @classmethod
    def open(cls, folder: Path, *, clock: Callable[[], datetime] = utc_now) -> Registry:
        """Open a registry, and finish what a crash has left half written.

        Raises:
            StateUnreadable: It is none, or of a later version.
        """
        changing = Changing(folder, settings_file.read(folder), clock)
        try:
            changing.recover()
        except BaseException:
            changing.close()
            raise
        return cls(changing)

    def __init__(self, changing: Changing) -> None:
        self._changing = changing
        self.folder, self.public, self.settings = changing.folder, changing.public, changing.settings
        most = self.settings.max_blob_bytes
        self.blobs = FolderBlobs(self.public, self.folder / first.UPLOADS, max_bytes=most)
        self.models = Models(changing, self.blobs)
        self.assignments = Assignments(changing, self.blobs)
        self.keys = Keys(changing)
        self.devices = Devices(changing)
        self.tokens = Tokens(changing)
        self.log = Log(changing)

    def close(self) -> None:
        """Let go of the database. May be called twice."""
        self._changing.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def export(self, models: Sequence[str], to: Path, *, every_version: bool = False, by: str) -> list[str]:
        """Copy models into a folder of the same layout, which `sync import` takes: metadata, assignments, manifests, blobs.

        Args:
            models: Their names.
            to: A folder, such as that of a USB stick. An earlier export in it is brought up to date.
            every_version: All published versions, not only those that some assignment names.
            by: For the log.

        Returns:
            The versions, as `<model> <version>`.

        Raises:
            UnknownName: There is no such model.
        """
        with self._changing.standing() as tx:
            parcel = exporting.collect(tx, models, self.public, every_version=every_version)
        exporting.write(parcel, self.blobs, to)
        named = [f"{info.model} {info.version}" for info in parcel.versions]
        with self._changing.database.writing() as tx:
            changes.add(tx, self._changing.now(), by, "export", "registry", {"versions": named})
        return named
