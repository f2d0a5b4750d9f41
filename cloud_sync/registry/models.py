"""Models: whose they are, and which versions of them exist. Each function is one change, within an `Edit`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cloud_sync import layout
from cloud_sync.errors import BlobDiffers, Refused
from cloud_sync.evaluation import GateRefused
from cloud_sync.registry import checks, gate, repository, subjects
from cloud_sync.registry.edit import top_level
from cloud_sync.registry.errors import AlreadyThere, BlobsMissing, RoleRefused, UnknownName
from cloud_sync.registry.repository import ROOT, TARGETS, Root
from cloud_sync.registry.state import versions
from cloud_sync.registry.types import VersionInfo, Yanked
from cloud_sync.signers import key_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from securesystemslib.signer import Key, Signer

    from cloud_sync.registry.blobs import Blobs
    from cloud_sync.registry.edit import Edit
    from cloud_sync.registry.types import PublishRequest


def add(edit: Edit, name: str, owners: Sequence[Key], threshold: int, targets_signer: Signer) -> None:
    """Delegate a new model."""
    if not layout.is_name(name):
        raise Refused(f"{name!r} is no name", hint="letters, digits, dot, dash and underscore, 64 at most")
    if name in versions.model_names(edit.tx):
        raise AlreadyThere(f"there is a model {name} already", hint="its owners are changed with `registry rotate`")
    _delegate(edit, name, owners, threshold, targets_signer)
    versions.add_model(edit.tx, name, edit.now)
    edit.log("add-model", f"model:{name}", owners=sorted(key.keyid for key in owners), threshold=threshold)


def change_owners(
    edit: Edit, name: str, owners: Sequence[Key], threshold: int, targets_signer: Signer, metadata: bytes | None
) -> None:
    """Replace the owners; what is published stays signed by enough of those who own it now."""
    before = repository.delegated(top_level(edit), name)
    _delegate(edit, name, owners, threshold, targets_signer)
    role, current = layout.role_of(name), edit.row(layout.role_of(name))
    delegator = top_level(edit)
    if metadata is not None:
        old = edit.model_role(name)
        new = checks.followed(
            delegator,
            name,
            old,
            metadata,
            now=edit.now,
            highest_release=versions.highest_release(edit.tx, name),
        )
        if old is None:
            raise RoleRefused(f"{name} has no version yet, its first metadata comes with `publish`")
        removed = checks.fewer(new, old, name)
        edit.set_targets(role, metadata)
        for version in removed:
            _take_back(edit, name, version)
    elif current is not None:
        repository.verify(delegator, role, current.content, f"the published metadata of {name}")
    edit.log(
        "change-owners",
        f"model:{name}",
        owners=sorted(key.keyid for key in owners),
        threshold=threshold,
        former=sorted(before.keyids),
    )


def _delegate(edit: Edit, name: str, owners: Sequence[Key], threshold: int, targets_signer: Signer) -> None:
    keys = {key.keyid: key_of(key.keyid, key.to_dict()) for key in owners}
    checks.owners(keys, threshold)
    targets = repository.next_targets(top_level(edit), edit.now + edit.settings.targets)
    repository.with_owners(targets, name, list(keys.values()), threshold)
    set_signed_targets(edit, repository.signed(targets, [targets_signer]))


def set_signed_targets(edit: Edit, content: bytes) -> None:
    """Take new top-level targets, if the targets key has signed them.

    Raises:
        SignatureInvalid: It has not.
    """
    repository.verify(edit.payload(ROOT, Root), TARGETS, content, "the targets metadata")
    edit.set_targets(TARGETS, content)


def check_publish(edit: Edit, request: PublishRequest, blobs: Blobs) -> checks.Checked:
    """Whether a version may be published as things are now."""
    name, current = request.model, edit.model_role(request.model)
    highest = versions.highest_release(edit.tx, name)
    new = checks.followed(top_level(edit), name, current, request.metadata, now=edit.now, highest_release=highest)
    checked = checks.published(new, current, name, request.manifest, highest_release=highest)
    if versions.version(edit.tx, name, checked.version) is not None:
        raise AlreadyThere(
            f"{name} {checked.version} exists, or existed", hint="a version is never reused: take the next"
        )
    if request.channel is not None:
        subjects.check_subject(layout.channel_subject(request.channel))
        if checked.said.release < repository.min_release(new.signed):
            raise Refused(f"{name} {checked.version} is below the least release that its owners allow")
    _check_blobs(checked, blobs)
    reasons = gate.reasons_against(edit.tx, checked, request.channel, blobs)
    if reasons and checked.said.unsafe_publish_worse is None:
        raise GateRefused(f"{name} {checked.version}", reasons)
    return replace(checked, refused=reasons)


def publish(edit: Edit, request: PublishRequest, checked: checks.Checked) -> VersionInfo:
    """Publish a version that was checked within this change."""
    name, version = request.model, checked.version
    info = VersionInfo(
        name,
        version,
        checked.said.release,
        checked.digest,
        sum(entry.length_bytes for entry in checked.manifest.files),
        checked.said.hardware,
        edit.now,
        edit.by,
        "published",
    )
    versions.add_version(edit.tx, info)
    edit.set_target(layout.manifest_target(name, version), request.manifest)
    edit.set_targets(layout.role_of(name), request.metadata)
    detail = {"version": version, "release": info.release, "digest": info.digest}
    if checked.said.unsafe_publish_worse is not None:
        detail |= {"unsafe_publish_worse": checked.said.unsafe_publish_worse, "refused": list(checked.refused)}
    edit.log("publish", f"model:{name}", **detail)
    if request.channel is not None:
        subjects.assign(edit, layout.channel_subject(request.channel), {name: version}, replace=False)
    return info


def yank(edit: Edit, model: str, version: str, metadata: bytes) -> Yanked:
    """Take a version back."""
    current = edit.model_role(model)
    highest = versions.highest_release(edit.tx, model)
    new = checks.followed(top_level(edit), model, current, metadata, now=edit.now, highest_release=highest)
    if versions.version(edit.tx, model, version) is None:
        raise UnknownName(f"there is no version {version} of {model}")
    checks.yanked(new, current, model, version)
    edit.set_targets(layout.role_of(model), metadata)
    return Yanked(model, version, _take_back(edit, model, version))


def renew(edit: Edit, model: str, metadata: bytes) -> None:
    """Take role metadata with the same targets."""
    current = edit.model_role(model)
    highest = versions.highest_release(edit.tx, model)
    new = checks.followed(top_level(edit), model, current, metadata, now=edit.now, highest_release=highest)
    if current is None:
        raise RoleRefused(f"{model} has no version yet, its first metadata comes with `publish`")
    checks.same(new, current, model)
    edit.set_targets(layout.role_of(model), metadata)
    edit.log("renew-role", f"model:{model}", version=new.signed.version, min_release=repository.min_release(new.signed))


def _check_blobs(checked: checks.Checked, blobs: Blobs) -> None:
    missing = sorted({entry.sha256 for entry in checked.manifest.files if not blobs.has(entry.sha256)})
    if missing:
        raise BlobsMissing(
            f"{len(missing)} files of {checked.manifest.name} {checked.version} were not uploaded", tuple(missing)
        )
    for entry in checked.manifest.files:
        if (size := blobs.size(entry.sha256)) != entry.length_bytes:
            raise BlobDiffers(f"{entry.path} has {size} bytes, the manifest says {entry.length_bytes}")


def _take_back(edit: Edit, model: str, version: str) -> dict[str, str | None]:
    versions.set_yanked(edit.tx, model, version)
    returned = subjects.take_back(edit, model, version)
    edit.log("yank", f"model:{model}", version=version, returned=returned)
    return returned
