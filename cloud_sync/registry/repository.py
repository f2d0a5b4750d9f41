"""Editing TUF metadata: values in, signed bytes out; no files, no database. The registry's one door to tuf's model of metadata.

Whoever signs reaches the threshold, or nothing comes out: what leaves this module is accepted by a client.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, TypeVar

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.metadata import Role as TufRole
from tuf.api.serialization import DeserializationError
from tuf.api.serialization.json import JSONSerializer

from cloud_sync import layout
from cloud_sync.errors import ContentTooLarge, MetadataInvalid, SignatureInvalid
from cloud_sync.registry.errors import UnknownName
from cloud_sync.registry.times import whole_second

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from securesystemslib.signer import Key, Signer

__all__ = ["Metadata", "Root", "Snapshot", "TargetFile", "Targets", "Timestamp"]

ROOT, TARGETS, SNAPSHOT, TIMESTAMP = "root", "targets", "snapshot", "timestamp"
ROOT_THRESHOLD = 2
ROOT_KEYS = 3
MAX_ROLE_BYTES = 4 << 20
"""Below what clients read at most (tuf: 5,000,000 for a targets role)."""

Payload = TypeVar("Payload", Root, Targets, Snapshot, Timestamp)


# -- bytes ------------------------------------------------------------------------------------------------------------------------


def decoded(content: bytes, kind: type[Payload], what: str) -> Metadata[Payload]:
    """Read metadata that nobody trusts yet.

    Raises:
        ContentTooLarge: A client would not read it.
        MetadataInvalid: It is no metadata, or of another kind.
    """
    if len(content) > MAX_ROLE_BYTES:
        raise ContentTooLarge(f"{what} is larger than {MAX_ROLE_BYTES} bytes")
    try:
        metadata = Metadata[Payload].from_bytes(content)
    except (DeserializationError, RecursionError) as error:
        raise MetadataInvalid(f"{what} cannot be read: {error.__cause__ or error}") from error
    if not isinstance(metadata.signed, kind):
        raise MetadataInvalid(f"{what} is of type {metadata.signed.type}")
    return metadata


def signed(payload: Payload, signers: Iterable[Signer]) -> bytes:
    """Sign, and encode. Keys that count twice are used once."""
    metadata = Metadata(payload)
    for signer in {signer.public_key.keyid: signer for signer in signers}.values():
        metadata.sign(signer, append=True)
    return metadata.to_bytes(JSONSerializer(compact=True))


def verify(delegator: Root | Targets, role: str, content: bytes, what: str) -> None:
    """Whether enough of the keys that `delegator` names have signed.

    Raises:
        SignatureInvalid: Too few.
        MetadataInvalid: It cannot be read.
    """
    kind: type[Any] = {ROOT: Root, SNAPSHOT: Snapshot, TIMESTAMP: Timestamp}.get(role, Targets)
    metadata = decoded(content, kind, what)
    try:
        delegator.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
    except (RepositoryError, ValueError) as error:
        raise SignatureInvalid(f"{what} is not signed by enough of the keys that may sign it: {error}") from error


# -- root -------------------------------------------------------------------------------------------------------------------------


def first_root(roots: Sequence[Key], online: Mapping[str, Key], targets: Key, expires: datetime) -> Root:
    """Version 1: who may sign what."""
    root = Root(expires=whole_second(expires), consistent_snapshot=True)
    for key in roots:
        root.add_key(key, ROOT)
    root.roles[ROOT].threshold = ROOT_THRESHOLD
    root.add_key(targets, TARGETS)
    for role in (SNAPSHOT, TIMESTAMP):
        root.add_key(online[role], role)
    return root


def next_root(root: Root, expires: datetime, keys: Mapping[str, Sequence[Key]] | None = None) -> Root:
    """One version up, with other keys for the roles in `keys`."""
    new = deepcopy(root)
    new.version += 1
    new.expires = whole_second(expires)
    for role, wanted in (keys or {}).items():
        for keyid in list(new.roles[role].keyids):
            new.revoke_key(keyid, role)
        for key in wanted:
            new.add_key(key, role)
    return new


def signed_root(new: Root, signers: Sequence[Signer], former: Root | None = None) -> bytes:
    """Sign a root by its own threshold and by the one of the root before.

    Raises:
        SignatureInvalid: Too few keys for one of both.
    """
    allowed = set(new.roles[ROOT].keyids) | (set(former.roles[ROOT].keyids) if former else set())
    content = signed(new, [signer for signer in signers if signer.public_key.keyid in allowed])
    for delegator in (new, former):
        if delegator is not None:
            verify(delegator, ROOT, content, f"version {new.version} of root")
    return content


def keys_of(delegator: Root | Targets, role: str) -> list[Key]:
    """The keys that may sign a role.

    Raises:
        UnknownName: There is no such role.
    """
    try:
        return [delegator.get_key(keyid) for keyid in delegator.get_delegated_role(role).keyids]
    except ValueError as error:
        raise UnknownName(f"there is no role {role}") from error


# -- targets ----------------------------------------------------------------------------------------------------------------------


def next_targets(targets: Targets, expires: datetime) -> Targets:
    """One version up."""
    new = deepcopy(targets)
    new.version += 1
    new.expires = whole_second(expires)
    return new


def with_target(targets: Targets, path: str, content: bytes) -> None:
    """Set a target of the top-level role."""
    targets.targets[path] = TargetFile.from_data(path, content, ["sha256"])


def with_owners(targets: Targets, model: str, owners: Sequence[Key], threshold: int) -> None:
    """Delegate a model, or replace its owners. Keys that nobody uses any more go away."""
    role = layout.role_of(model)
    if targets.delegations is None:
        targets.delegations = Delegations({}, {})
    delegations = targets.delegations
    roles = dict(delegations.roles or {})
    keyids = [key.keyid for key in owners]
    roles[role] = DelegatedRole(role, keyids, threshold, terminating=True, paths=[layout.target_pattern(model)])
    keys = {**delegations.keys, **{key.keyid: key for key in owners}}
    used = {keyid for delegated in roles.values() for keyid in delegated.keyids}
    delegations.roles = roles
    delegations.keys = {keyid: key for keyid, key in keys.items() if keyid in used}


def delegated(targets: Targets, model: str) -> TufRole:
    """Threshold and key ids of a model's owners.

    Raises:
        UnknownName: There is no such model.
    """
    try:
        return targets.get_delegated_role(layout.role_of(model))
    except ValueError as error:
        raise UnknownName(f"there is no model {model}", hint="`lineside registry models list`") from error


def min_release(role: Targets) -> int:
    """The least release that a model's owners still allow; 0 where they say nothing."""
    said = role.unrecognized_fields.get("x-lineside", {})
    value = said.get("min_release", 0) if isinstance(said, dict) else 0
    return value if isinstance(value, int) else 0


# -- snapshot and timestamp -------------------------------------------------------------------------------------------------------


def next_snapshot(snapshot: Snapshot, changed: Mapping[str, tuple[int, bytes]], expires: datetime) -> Snapshot:
    """One version up, with the new version and content of the roles in `changed`."""
    new = deepcopy(snapshot)
    new.version += 1
    new.expires = whole_second(expires)
    new.meta.update(meta_of(changed))
    return new


def meta_of(roles: Mapping[str, tuple[int, bytes]]) -> dict[str, MetaFile]:
    """What a snapshot says of roles. It names them as they are; only names of files are quoted."""
    return {
        f"{role}.json": MetaFile.from_data(version, content, ["sha256"]) for role, (version, content) in roles.items()
    }


def next_timestamp(timestamp: Timestamp, version: int, snapshot: bytes, expires: datetime) -> Timestamp:
    """One version up, of this snapshot."""
    new = deepcopy(timestamp)
    new.version += 1
    new.expires = whole_second(expires)
    new.snapshot_meta = MetaFile.from_data(version, snapshot, ["sha256"])
    return new
