"""What a model's owners sign: the metadata of their role, with one version more or one less. Pure.

Every new metadata is one version up and has its own expiry. A release number is given once: it rises by one, whatever was yanked.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, TargetFile, Targets
from tuf.api.serialization.json import JSONSerializer

from cloud_sync import layout
from cloud_sync.errors import MetadataInvalid, Refused

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from securesystemslib.signer import Signer

_OURS: Final = "x-lineside"
_SPECIFICATION: Final = "1.0.31"
_FARTHEST: Final = 1000


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A version to publish.

    Attributes:
        model: Its name.
        version: Its version.
        manifest: The bytes of `manifest.json`.
        release: Its place in the order of versions.
        hardware: Devices that it is for; none stands for all.
        at: When it is published; aware, UTC.
        unsafe_publish_worse: Why it is published although the gate refuses it; None where the gate has nothing against it.
    """

    model: str
    version: str
    manifest: bytes
    release: int
    hardware: tuple[str, ...]
    at: datetime
    unsafe_publish_worse: str | None = None


def decoded(content: bytes) -> Targets:
    """Metadata of a role that was verified.

    Raises:
        MetadataInvalid: It cannot be read.
    """
    try:
        return Metadata[Targets].from_bytes(content).signed
    except (RepositoryError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise MetadataInvalid(f"the model's metadata cannot be read: {error}") from error


def next_release(current: Targets | None, told: Sequence[int]) -> int:
    """One above the highest that was ever given.

    Args:
        current: What the owners signed last.
        told: Releases that the registry remembers, those of yanked versions among them. They are not signed, so they count only within
            reason: a hostile server must not use all numbers up.

    Raises:
        MetadataInvalid: They are beyond reason.
    """
    targets = current.targets.values() if current else ()
    highest = max([0, *(_release_of(target) for target in targets)])
    remembered = max([highest, *told])
    if remembered > highest + _FARTHEST:
        raise MetadataInvalid(
            f"the registry speaks of release {remembered}, the owners signed up to {highest}",
            hint="ask who runs the registry",
        )
    return remembered + 1


def with_version(current: Targets | None, new: NewVersion, expires: datetime) -> Targets:
    """One version more.

    Raises:
        Refused: There is such a version.
    """
    path = layout.manifest_target(new.model, new.version)
    signed = _following(current, expires)
    if path in signed.targets:
        raise Refused(f"{new.model} {new.version} is published already", hint="a version never changes: take a new one")
    target = TargetFile.from_data(path, new.manifest, ["sha256"])
    at = new.at.isoformat(timespec="seconds").replace("+00:00", "Z")
    custom: dict[str, Any] = {"release": new.release, "hardware": [*new.hardware], "published_at": at}
    if new.unsafe_publish_worse is not None:
        custom["unsafe_publish_worse"] = new.unsafe_publish_worse
    target.unrecognized_fields["custom"] = custom
    signed.targets[path] = target
    return signed


def without_version(current: Targets | None, model: str, version: str, expires: datetime) -> Targets:
    """One version less.

    Raises:
        Refused: There is no such version.
    """
    signed = _following(current, expires)
    if signed.targets.pop(layout.manifest_target(model, version), None) is None:
        raise Refused(f"{model} {version} is not published", hint=f"lineside registry models show {model}")
    return signed


def renewed(current: Targets | None, expires: datetime, min_release: int | None) -> Targets:
    """The same versions, with a later expiry, or another least release.

    Raises:
        Refused: Nothing was published yet.
    """
    if current is None:
        raise Refused("nothing of this model was published yet", hint="publish a version first")
    signed = _following(current, expires)
    if min_release is not None:
        signed.unrecognized_fields[_OURS] = {"min_release": min_release}
    return signed


def signed_by(signed: Targets, signers: Sequence[Signer]) -> bytes:
    """The bytes that devices verify.

    Raises:
        Refused: A key cannot sign.
    """
    metadata = Metadata(signed)
    try:
        for signer in signers:
            metadata.sign(signer, append=True)
    except RepositoryError as error:
        raise Refused(f"the owner's key cannot sign: {error}") from error
    return metadata.to_bytes(JSONSerializer(compact=True))


def _following(current: Targets | None, expires: datetime) -> Targets:
    expires = expires.replace(microsecond=0)
    if current is None:
        return Targets(1, _SPECIFICATION, expires, {}, unrecognized_fields={_OURS: {"min_release": 0}})
    signed = deepcopy(current)
    signed.version += 1
    signed.expires = expires
    return signed


def _release_of(target: TargetFile) -> int:
    custom = target.custom
    release = custom.get("release") if isinstance(custom, dict) else None
    return release if isinstance(release, int) else 0
