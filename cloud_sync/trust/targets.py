"""What verified metadata says of files and models, as values without tuf's types."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from cloud_sync.errors import BlobDiffers, MetadataInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuf.api.metadata import DelegatedRole, TargetFile, Targets

_OURS = "x-lineside"
_ALGORITHMS = ("sha256", "sha512", "sha384", "blake2b", "blake2s")
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Target:
    """A file that the registry vouches for.

    Attributes:
        path: Of TUF, such as `models/solar-cell/1.2.0/manifest.json`.
        length_bytes: Its length.
        sha256: Its digest in hexadecimal; empty where the metadata has only others.
        custom: What its signers say of it.
        role: Who signed it.
        hashes: All its digests by algorithm.
    """

    path: str
    length_bytes: int
    sha256: str
    custom: Mapping[str, Any]
    role: str
    hashes: Mapping[str, str] = field(default_factory=lambda: _NOTHING)

    def verify(self, content: bytes) -> None:
        """Compare what was read with what was signed.

        Raises:
            BlobDiffers: It is something else.
        """
        if len(content) != self.length_bytes:
            raise BlobDiffers(f"{self.path} has {len(content)} bytes, not {self.length_bytes}")
        for algorithm, digest in (self.hashes or {"sha256": self.sha256}).items():
            if algorithm not in _ALGORITHMS:
                raise MetadataInvalid(f"the {algorithm} of {self.path} cannot be checked")
            if hashlib.new(algorithm, content).hexdigest() != digest:
                raise BlobDiffers(f"{self.path} has another {algorithm} than was signed")


@dataclass(frozen=True, slots=True)
class ModelDelegation:
    """What the owners of a model have signed.

    Attributes:
        role: Their role.
        version: Of their metadata.
        min_release: The least release that may still be activated.
        targets: By path; only those that they may sign.
    """

    role: str
    version: int
    min_release: int
    targets: Mapping[str, Target]


def target_of(file: TargetFile, role: str) -> Target:
    """Of one entry of verified metadata."""
    custom = file.custom
    hashes = dict(file.hashes)
    return Target(
        file.path, file.length, hashes.get("sha256", ""), custom if isinstance(custom, dict) else {}, role, hashes
    )


def delegation_of(delegated: DelegatedRole, targets: Targets) -> ModelDelegation:
    """Of a verified delegated role.

    Raises:
        MetadataInvalid: Its owners signed something of ours that makes no sense.
    """
    ours = targets.unrecognized_fields.get(_OURS, {})
    least = ours.get("min_release", 0) if isinstance(ours, dict) else None
    if not isinstance(least, int) or isinstance(least, bool) or least < 0:
        raise MetadataInvalid(f"{delegated.name} has no sensible min_release in {_OURS}")
    files = {
        path: target_of(file, delegated.name)
        for path, file in targets.targets.items()
        if delegated.is_delegated_path(path)
    }
    return ModelDelegation(delegated.name, targets.version, least, files)
