"""What a publisher knows of a registry: verified metadata, kept between calls, so that an old or a foreign registry is noticed.

The first root is pinned by its fingerprint. Without one it is trusted at first use, and its fingerprint is shown, to be compared with
that of the ceremony.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Snapshot, Targets

from cloud_sync import layout, manifest
from cloud_sync.atomic import write_atomically
from cloud_sync.errors import BlobDiffers, MetadataInvalid, Refused, SignatureInvalid
from cloud_sync.publishing.role import decoded
from cloud_sync.trust import TrustedRepository, first_root

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from securesystemslib.signer import Signer

    from cloud_sync.manifest import FileEntry, Manifest
    from cloud_sync.wire import Wire

_FINGERPRINT: Final = "root.sha256"
_ROOT_BYTES: Final = 512_000
_LONGEST: Final = 150


def folder_of(base: Path, address: str) -> Path:
    """Where what is known of a registry lies."""
    name = quote(address.rstrip("/"), safe="")
    return base / (name if len(name) <= _LONGEST else hashlib.sha256(address.encode()).hexdigest())


@dataclass(frozen=True, slots=True)
class Owned:
    """A model as its owners signed it.

    Attributes:
        current: Their last metadata; None before the first version.
        owners: Ids of the keys that may sign.
        threshold: How many of them must.
    """

    current: Targets | None
    owners: frozenset[str]
    threshold: int

    def demand(self, model: str, signers: list[Signer]) -> None:
        """Find out before any upload that the keys are the right ones.

        Raises:
            Refused: They are not.
        """
        keyids = {signer.public_key.keyid for signer in signers}
        if foreign := sorted(keyids - self.owners):
            raise Refused(
                f"key {foreign[0][:16]}… is no owner's key of {model}", hint="lineside registry models show names them"
            )
        if len(keyids) < self.threshold:
            raise Refused(f"{model} needs the keys of {self.threshold} owners, {len(keyids)} are given", hint="--key")


class Knowledge:
    """Of one registry, at one moment.

    Args:
        folder: Where it is kept.
        wire: To the registry's plain files.
        now: What is out of date is so at this time.
        root_sha256: Fingerprint of the first root; None trusts at first use.

    Attributes:
        fingerprint: Of the first root.
        first_use: Whether it was trusted just now, on nobody's word.
    """

    def __init__(self, folder: Path, wire: Wire, *, now: datetime, root_sha256: str | None = None) -> None:
        self._folder = folder
        self._wire = wire
        self._now = now
        self._wanted = root_sha256.lower() if root_sha256 else None
        self._repository: TrustedRepository | None = None
        self.fingerprint = ""
        self.first_use = False

    def refresh(self) -> None:
        """Bring it up to date.

        Raises:
            Untrusted: The registry is another one, an old one, or was tampered with.
            Unreachable: It does not answer.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        root = self._first_root()
        self._repository = TrustedRepository(self._folder, self._wire, root=root, now=self._now)
        self._repository.refresh()
        write_atomically(self._folder / _FINGERPRINT, f"{self.fingerprint}\n".encode())

    def owned(self, model: str) -> Owned:
        """What the owners of a model signed. After `refresh`.

        Raises:
            Refused: The registry has no such model.
            Untrusted: It cannot be trusted.
        """
        repository = self._repository
        if repository is None:
            raise RuntimeError("refresh() comes first")
        role = layout.role_of(model)
        # Loads the top-level targets, which say who the owners are.
        repository.target(layout.ASSIGNMENT_KEYS)
        delegations = decoded(repository.signed(Targets.type)).delegations
        delegated = (delegations.roles or {}).get(role) if delegations else None
        if delegated is None:
            raise Refused(f"the registry has no model {model}", hint=f"lineside registry add-model {model}")
        owners, threshold = frozenset(delegated.keyids), delegated.threshold
        if not self._is_published(role):
            return Owned(None, owners, threshold)
        repository.delegation(model)
        return Owned(decoded(repository.signed(role)), owners, threshold)

    def version(self, model: str, version: str) -> tuple[Manifest, str]:
        """The manifest of a version that the owners signed, and the digest of its bytes. After `refresh`.

        Raises:
            Untrusted: They did not, or it is something else.
            Unreachable: It cannot be had.
        """
        if self._repository is None:
            raise RuntimeError("refresh() comes first")
        content = self._repository.read_target(layout.manifest_target(model, version), manifest.MAX_BYTES)
        return manifest.decode(content, what=f"the manifest of {model} {version}"), manifest.digest_of(content)

    def blob(self, entry: FileEntry) -> bytes:
        """A small file of a version.

        Raises:
            BlobDiffers: It is something else.
            Unreachable: It cannot be had.
        """
        content = self._wire.read(layout.blob(entry.sha256), entry.length_bytes)
        if hashlib.sha256(content).hexdigest() != entry.sha256:
            raise BlobDiffers(f"{entry.path} has another sha256 than its manifest says")
        return content

    def _is_published(self, role: str) -> bool:
        """Whether the snapshot, which was just verified and written, lists the role."""
        try:
            content = (self._folder / layout.metadata_file(Snapshot.type)).read_bytes()
            return f"{role}.json" in Metadata[Snapshot].from_bytes(content).signed.meta
        except (OSError, RepositoryError, ValueError) as error:
            raise MetadataInvalid(f"{self._folder} cannot be read: {error}") from error

    def _first_root(self) -> bytes | None:
        """The root to begin with; None where one is trusted already."""
        try:
            known = (self._folder / _FINGERPRINT).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            known = ""
        if known:
            if self._wanted not in (None, known):
                raise SignatureInvalid(
                    f"this registry was known by root {known}, not {self._wanted}",
                    hint=f"is it the right one? if it was made anew, remove {self._folder}",
                )
            self.fingerprint = known
            return None
        if self._wanted:
            self.fingerprint = self._wanted
            return first_root(self._wire, self._wanted)
        content = self._wire.read(f"{layout.METADATA}{layout.metadata_file('root', 1)}", _ROOT_BYTES)
        self.fingerprint, self.first_use = hashlib.sha256(content).hexdigest(), True
        return content
