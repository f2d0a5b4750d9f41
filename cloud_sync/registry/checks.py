"""What may be said in a model's new role metadata, and by whom. Rules only: bytes go in, a version or the reason to refuse it comes out.

The signature comes first; what nobody signed is not looked at.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloud_sync import layout, manifest
from cloud_sync.manifest import Manifest, ManifestInvalid
from cloud_sync.registry import repository
from cloud_sync.registry.errors import Conflict, RoleRefused
from cloud_sync.registry.repository import Metadata, TargetFile, Targets
from cloud_sync.registry.times import parsed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from securesystemslib.signer import Key

_LARGEST_RELEASE = 2**31 - 1
_MOST_HARDWARE = 64
_MOST_OWNERS = 32
_CUSTOM = {"release", "hardware", "published_at"}
_UNSAFE = "unsafe_publish_worse"
_LONGEST_REASON = 500


@dataclass(frozen=True, slots=True)
class Release:
    """What the owners sign of one version, beside its manifest.

    Attributes:
        unsafe_publish_worse: Why it is published although the gate refuses it.
    """

    release: int
    hardware: tuple[str, ...]
    published_at: datetime
    unsafe_publish_worse: str | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """A version that may be published.

    Attributes:
        refused: What the gate has against it, and its owners know.
    """

    version: str
    digest: str
    manifest: Manifest
    said: Release
    role: Metadata[Targets]
    refused: tuple[str, ...] = ()


def followed(
    delegator: Targets, model: str, current: Targets | None, content: bytes, *, now: datetime, highest_release: int
) -> Metadata[Targets]:
    """Role metadata that its owners signed, and that follows the current one. What it adds and removes is for the caller.

    Raises:
        UnknownName: There is no such model.
        SignatureInvalid: Too few owners signed it.
        Conflict: It is not one version up.
        RoleRefused: It says something impossible.
        MetadataInvalid: It cannot be read.
    """
    role, what = layout.role_of(model), f"the metadata of {model}"
    repository.delegated(delegator, model)
    repository.verify(delegator, role, content, what)
    new = repository.decoded(content, Targets, what)
    expected = (current.version if current else 0) + 1
    if new.signed.version != expected:
        raise Conflict(
            f"{what} has version {new.signed.version}, {expected} would be the next",
            hint="somebody else was faster: build on what is published now",
        )
    _need(new.signed.expires > now, f"{what} expires in the past")
    _need(new.signed.delegations is None, f"{what} delegates further")
    _need(set(new.signed.unrecognized_fields) <= {"x-lineside"}, f"{what} has fields that nobody knows")
    said = new.signed.unrecognized_fields.get("x-lineside", {"min_release": 0})
    _need(isinstance(said, dict) and set(said) == {"min_release"}, f"{what}: x-lineside is not {{min_release}}")
    least = said["min_release"]
    newest = max([highest_release, *(_release(target, what).release for target in new.signed.targets.values())])
    _need(
        _is_whole(least, 0) and least <= newest, f"{what}: min_release {least!r} is above the newest release, {newest}"
    )
    return new


def published(
    new: Metadata[Targets], current: Targets | None, model: str, manifest_bytes: bytes, *, highest_release: int
) -> Checked:
    """The one version that was added.

    Raises:
        RoleRefused: Something else was added, changed or removed, or its fields are odd.
        ManifestInvalid: The manifest is none, or of another model or version.
    """
    added, removed = _difference(current, new.signed)
    what = f"the metadata of {model}"
    _need(not removed, f"{what} changes or removes {sorted(removed)}, only one target may be added")
    _need(len(added) == 1, f"{what} adds {len(added)} targets, one is to be added")
    (path,) = added
    target = new.signed.targets[path]
    found = layout.of_manifest_target(path)
    if found is None or found[0] != model:
        raise RoleRefused(f"{what} adds {path}, which is no version of it")
    listed = manifest.decode(manifest_bytes, what=f"the manifest of {model} {found[1]}")
    if (listed.name, listed.version) != found:
        raise ManifestInvalid(f"{path} is of {listed.name} {listed.version}")
    _need(all(layout.is_sha256(entry.sha256) for entry in listed.files), f"the manifest of {path} has odd digests")
    digest = hashlib.sha256(manifest_bytes).hexdigest()
    _need(
        target.hashes == {"sha256": digest} and target.length == len(manifest_bytes),
        f"{what} does not describe the manifest that was sent",
    )
    said = _release(target, what)
    _need(
        said.release > highest_release,
        f"{what}: release {said.release} is not above {highest_release}, the highest that ever was",
    )
    return Checked(found[1], digest, listed, said, new)


def yanked(new: Metadata[Targets], current: Targets | None, model: str, version: str) -> None:
    """Whether exactly this version is removed.

    Raises:
        RoleRefused: It is not so.
    """
    added, removed = _difference(current, new.signed)
    path = layout.manifest_target(model, version)
    _need(not added and removed == {path}, f"the metadata of {model} does not remove exactly {path}")


def same(new: Metadata[Targets], current: Targets | None, model: str) -> None:
    """Whether the targets are the same.

    Raises:
        RoleRefused: They are not.
    """
    added, removed = _difference(current, new.signed)
    _need(not added and not removed, f"the metadata of {model} has other targets")


def fewer(new: Metadata[Targets], current: Targets | None, model: str) -> list[str]:
    """Versions that are removed, where nothing else is changed.

    Raises:
        RoleRefused: Something is added or changed.
    """
    added, removed = _difference(current, new.signed)
    _need(not added and removed.isdisjoint(new.signed.targets), f"the metadata of {model} adds or changes targets")
    return sorted(found[1] for path in removed if (found := layout.of_manifest_target(path)))


def owners(keys: Mapping[str, Key], threshold: int) -> None:
    """Whether keys can be a model's owners.

    Raises:
        RoleRefused: They cannot.
    """
    _need(0 < len(keys) <= _MOST_OWNERS, f"a model has 1 to {_MOST_OWNERS} owners")
    _need(1 <= threshold <= len(keys), f"{threshold} of {len(keys)} owners cannot sign")


def _difference(current: Targets | None, new: Targets) -> tuple[set[str], set[str]]:
    """Paths that are new, and paths that are gone or changed."""
    before = current.targets if current else {}
    removed = {path for path, target in before.items() if new.targets.get(path) != target}
    return set(new.targets) - set(before), removed


def release_of(target: TargetFile) -> Release:
    """What the owners sign of a published version."""
    return _release(target, target.path)


def _release(target: TargetFile, what: str) -> Release:
    custom: Any = target.custom
    _need(
        isinstance(custom, dict) and set(custom) - {_UNSAFE} == _CUSTOM,
        f"{what}: {target.path} needs {sorted(_CUSTOM)}",
    )
    _need(set(target.unrecognized_fields) == {"custom"}, f"{what}: {target.path} has fields that nobody knows")
    release, hardware = custom["release"], custom["hardware"]
    _need(_is_whole(release, 1), f"{what}: release {release!r} of {target.path} is no whole number from 1")
    _need(
        isinstance(hardware, list)
        and len(hardware) <= _MOST_HARDWARE
        and all(isinstance(tag, str) and layout.is_name(tag) for tag in hardware),
        f"{what}: hardware of {target.path} is no list of names",
    )
    reason = custom.get(_UNSAFE)
    _need(
        _UNSAFE not in custom
        or (isinstance(reason, str) and 0 < len(reason.strip()) <= len(reason) <= _LONGEST_REASON),
        f"{what}: {_UNSAFE} of {target.path} is no reason of 1 to {_LONGEST_REASON} letters",
    )
    try:
        return Release(release, tuple(hardware), parsed(custom["published_at"]), reason)
    except (ValueError, TypeError, AttributeError) as error:
        raise RoleRefused(f"{what}: published_at of {target.path} is no time") from error


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= _LARGEST_RELEASE


def _need(is_so: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not is_so:
        raise RoleRefused(otherwise)
