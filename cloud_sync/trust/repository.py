"""The client workflow of The Update Framework (specification, section 5.3 to 5.7), step by step, over a wire and a folder.

What is fetched is judged by tuf's rules before it is kept, and is on the disk before the next step relies on it. The folder holds what
verified and nothing else. Where python-tuf's own updater stops short: when keys of timestamp or snapshot were replaced, both trusted
files are deleted (5.3.11), also after a power cut in between; an expired root ends the update before anything else is asked for.
"""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING, cast

from tuf.api.exceptions import EqualVersionNumberError
from tuf.api.metadata import Delegations, Root, Snapshot, Targets, Timestamp
from tuf.ngclient._internal.trusted_metadata_set import TrustedMetadataSet
from tuf.ngclient.config import EnvelopeType

from cloud_sync import layout
from cloud_sync.errors import (
    ContentTooLarge,
    MetadataExpired,
    MetadataInvalid,
    MetadataMixed,
    NotFound,
    RollbackRefused,
    SignatureInvalid,
    Untrusted,
    VersionYanked,
)
from cloud_sync.trust.folder import TrustedFolder
from cloud_sync.trust.refusals import refusals
from cloud_sync.trust.targets import ModelDelegation, Target, delegation_of, target_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from pathlib import Path

    from securesystemslib.signer import Key
    from tuf.api.metadata import Role

    from cloud_sync.wire import Wire

# As python-tuf has them. A length in metadata lowers them and never raises them: who stole an online key could name any.
_MAX_BYTES = {Root.type: 512_000, Timestamp.type: 16_384, Snapshot.type: 2_000_000, Targets.type: 5_000_000}
_MAX_ROOT_ROTATIONS = 256
_MAX_DELEGATIONS = 32


def first_root(wire: Wire, sha256: str, *, prefix: str = layout.METADATA) -> bytes:
    """The first root of a registry, known by its digest alone (`sync.root_sha256`).

    Raises:
        SignatureInvalid: The registry's first root is another one.
        CloudSyncError: It could not be fetched.
    """
    content = wire.read(f"{prefix}{layout.metadata_file(Root.type, 1)}", _MAX_BYTES[Root.type])
    if hashlib.sha256(content).hexdigest() != sha256.lower():
        raise SignatureInvalid(
            "the registry's first root has another sha256 than sync.root_sha256", hint="is it the right registry?"
        )
    return content


def initial_root(content: bytes) -> bytes:
    """The bytes of a root that a person gives, if they can be trusted as one: signed by its own threshold of keys.

    Raises:
        Untrusted: They cannot.
    """
    _rooted(content, "the root")
    return content


class TrustedRepository:
    """What one registry says at one moment, verified. One for each poll; used by one thread and one process at a time.

    Args:
        folder: Where trusted metadata lies; made when it is missing.
        wire: To the registry.
        root: The pinned root, for the first trust and as the way back when the trusted one is damaged, older, or of another registry.
            None: the folder's.
        now: What is out of date is so at this time; aware, UTC.
        root_sha256: Without `root`: the digest by which the registry's first root is known. It is fetched only when it is needed.
        prefix: Of metadata below the wire's address.
    """

    def __init__(
        self,
        folder: Path,
        wire: Wire,
        *,
        root: bytes | None,
        now: datetime,
        root_sha256: str | None = None,
        prefix: str = layout.METADATA,
    ) -> None:
        self._path = folder
        self._folder = TrustedFolder(folder)
        self._wire = wire
        self._pinned = root
        self._root_sha256 = root_sha256.lower() if root_sha256 is not None else None
        self._now = now
        self._prefix = prefix
        self._set: TrustedMetadataSet | None = None
        self._contents: dict[str, bytes] = {}

    def refresh(self) -> None:
        """Bring root, timestamp, snapshot and top-level targets up to date.

        Raises:
            Untrusted: Of the class that names the attack. What was verified before stays trusted.
            Unreachable: The registry does not answer.
            OSError: The disk is full or broken.
        """
        self._path.mkdir(parents=True, exist_ok=True)
        self._folder.tidy()
        self._set, self._contents = None, {}
        trusted = self._first_trust()
        trusted.reference_time = self._now
        self._update_root(trusted)
        self._update_timestamp(trusted)
        self._update_snapshot(trusted)
        self._load_targets(trusted, Targets.type, Root.type)
        self._set = trusted

    @property
    def timestamp_expires(self) -> datetime:
        """Until when the registry vouches for this state; aware, UTC."""
        return self._refreshed.timestamp.expires

    def target(self, path: str) -> Target | None:
        """What the most trusted role says of a file, or None if no role that may speak of it does (5.6.7).

        Raises:
            Untrusted: A delegated role on the way cannot be trusted.
            Unreachable: It could not be fetched.
        """
        trusted = self._refreshed
        to_visit = [(Targets.type, Root.type)]
        visited: set[str] = set()
        while to_visit and len(visited) <= _MAX_DELEGATIONS:
            role, delegator = to_visit.pop()
            if role in visited:
                continue
            targets = self._load_targets(trusted, role, delegator)
            if path in targets.targets:
                return target_of(targets.targets[path], role)
            visited.add(role)
            children, ends = _children(targets.delegations, path)
            if ends:
                to_visit.clear()
            to_visit.extend((child, role) for child in reversed(children))
        return None

    def delegation(self, model: str) -> ModelDelegation | None:
        """What the owners of a model signed, or None if the registry has no such model.

        Raises:
            Untrusted: It cannot be trusted.
            Unreachable: It could not be fetched.
        """
        trusted, role = self._refreshed, layout.role_of(model)
        delegations = trusted.targets.delegations
        delegated = (delegations.roles or {}).get(role) if delegations is not None else None
        if delegated is None:
            return None
        return delegation_of(delegated, self._load_targets(trusted, role, Targets.type))

    def signed(self, role: str) -> bytes:
        """The verified file of a role that was used so far, as its signers made it.

        Raises:
            KeyError: It was not.
        """
        return self._contents[role]

    def read_target(self, path: str, max_bytes: int) -> bytes:
        """A small target, verified.

        Raises:
            VersionYanked: It is no target of the registry, or no longer.
            ContentTooLarge: It has more than `max_bytes`.
            BlobDiffers: What lies there is something else.
            Untrusted, Unreachable: As in `target`.
        """
        target = self.target(path)
        if target is None:
            raise VersionYanked(f"the registry does not vouch for {path}", hint="was it taken back?")
        if target.length_bytes > max_bytes:
            raise ContentTooLarge(f"{path} has {target.length_bytes} bytes, more than {max_bytes}")
        content = self._wire.read(layout.TARGETS + self.place_of(target), target.length_bytes)
        target.verify(content)
        return content

    def place_of(self, target: Target) -> str:
        """Where a target lies, relative to where targets lie (5.7.3)."""
        if not self._refreshed.root.consistent_snapshot:
            return target.path
        digest = target.sha256 or next(iter(target.hashes.values()))
        return layout.target_file(target.path, digest).removeprefix(layout.TARGETS)

    # -- the workflow, in the order of the specification ----------------------------------------------------------------------------

    def _first_trust(self) -> TrustedMetadataSet:
        """5.2 and 5.3.1: the trusted root, unless the pinned one has to take its place."""
        kept = self._folder.read(Root.type)
        trusted = None
        if kept is not None:
            with contextlib.suppress(Untrusted):
                trusted = _rooted(kept, "the trusted root")
        digest = self._root_sha256 if self._pinned is None else hashlib.sha256(self._pinned).hexdigest()
        content = self._pinned
        if content is None and digest is not None and (trusted is None or self._folder.pin() not in {None, digest}):
            content = first_root(self._wire, digest, prefix=self._prefix)
        if content is not None and digest is not None:
            pinned = _rooted(content, "the pinned root")
            if trusted is None or self._is_replaced(trusted.root, pinned.root, digest):
                if trusted is not None and _is_rotated(trusted.root, pinned.root):
                    self._folder.note_rotation(pinned.root.version)
                self._folder.write(Root.type, content)
                trusted = pinned
        if trusted is None:
            raise MetadataInvalid(f"{self._path} has no root that can be trusted", hint="set sync.root")
        if digest is not None:
            self._folder.remember_pin(digest)
        return trusted

    def _is_replaced(self, trusted: Root, pinned: Root, digest: str) -> bool:
        """Whether whoever is at the machine has pinned what is newer than the trusted root, or of another registry.

        An older root of the same registry changes nothing: the chain from it has been gone through.
        """
        if trusted.version < pinned.version:
            return True
        is_another = self._folder.pin() not in {None, digest}
        return is_another and not _keys(trusted, Root.type) & _keys(pinned, Root.type)

    def _update_root(self, trusted: TrustedMetadataSet) -> None:
        """5.3.2 to 5.3.11."""
        for _ in range(_MAX_ROOT_ROTATIONS):
            version = trusted.root.version + 1
            try:
                content = self._fetch(Root.type, version, _MAX_BYTES[Root.type])
            except NotFound:
                break
            before = trusted.root
            with refusals(f"root {version}", version=RollbackRefused):
                trusted.update_root(content)
            _expect_distinct_keys(f"root {version}", trusted.root.keys, trusted.root.roles.values())
            if _is_rotated(before, trusted.root):
                self._folder.note_rotation(version)
            self._folder.write(Root.type, content)
        if trusted.root.is_expired(self._now):
            raise MetadataExpired(
                f"root {trusted.root.version} expired at {trusted.root.expires:%Y-%m-%d %H:%M} UTC",
                hint="is the registry kept up to date, and the clock right?",
            )
        if self._folder.rotation_pending(trusted.root.version):
            self._folder.remove(Timestamp.type, Snapshot.type)
            self._folder.rotation_done()

    def _update_timestamp(self, trusted: TrustedMetadataSet) -> None:
        """5.4. The trusted one is the floor of versions, also when it has expired."""
        kept = self._folder.read(Timestamp.type)
        if kept is not None:
            with contextlib.suppress(Untrusted), refusals("the trusted timestamp", version=RollbackRefused):
                trusted.update_timestamp(kept)
        content = self._fetch(Timestamp.type, None, _MAX_BYTES[Timestamp.type], known=kept)
        with refusals("timestamp", version=RollbackRefused):
            try:
                trusted.update_timestamp(content)
            except EqualVersionNumberError:  # the trusted one goes on to be used, whatever this one says
                return
        self._folder.write(Timestamp.type, content)

    def _update_snapshot(self, trusted: TrustedMetadataSet) -> None:
        """5.5. The trusted one is the floor of versions, also when it is not the one that the timestamp names."""
        kept = self._folder.read(Snapshot.type)
        if kept is not None:
            with contextlib.suppress(Untrusted), refusals("the trusted snapshot", version=RollbackRefused):
                trusted.update_snapshot(kept, trusted=True)
                return
        meta = trusted.timestamp.snapshot_meta
        with refusals("timestamp", version=RollbackRefused):  # expired: nothing else is asked for
            trusted._check_final_timestamp()  # noqa: SLF001 - what `update_snapshot` begins with
        floor = trusted.get(Snapshot.type)
        content = self._fetch(Snapshot.type, meta.version, _limit(meta.length, Snapshot.type), trusted.root)
        try:
            with refusals("snapshot", version=RollbackRefused, other=RollbackRefused):
                trusted.update_snapshot(content)
        except RollbackRefused as error:
            if trusted.get(Snapshot.type) is floor:
                raise
            # tuf took it as a floor, so it is no older; it is not the one that the timestamp names.
            raise MetadataMixed(str(error), hint=error.hint) from error
        self._folder.write(Snapshot.type, content)

    def _load_targets(self, trusted: TrustedMetadataSet, role: str, delegator: str) -> Targets:
        """5.6, for top-level targets and for a delegated role; once for each delegator, by whose keys it is verified."""
        if trusted.contains(role, delegator):
            return cast("Targets", trusted[role])
        kept = self._folder.read(role)
        if kept is not None:
            with contextlib.suppress(Untrusted), refusals(role, version=MetadataMixed):
                targets = trusted.update_delegated_targets(kept, role, delegator)
                self._contents[role] = kept
                return targets
        meta = trusted.snapshot.meta.get(f"{role}.json")
        if meta is None:
            raise MetadataMixed(f"{delegator} delegates to {role}, which the snapshot does not know")
        content = self._fetch(role, meta.version, _limit(meta.length, Targets.type), trusted.root)
        with refusals(role, version=MetadataMixed):
            targets = trusted.update_delegated_targets(content, role, delegator)
        if targets.delegations is not None:
            _expect_distinct_keys(role, targets.delegations.keys, (targets.delegations.roles or {}).values())
        self._folder.write(role, content)
        self._contents[role] = content
        return targets

    def _fetch(
        self, role: str, version: int | None, max_bytes: int, root: Root | None = None, *, known: bytes | None = None
    ) -> bytes:
        """By version, but for the timestamp and where the root says that there are no consistent snapshots."""
        if root is not None and not root.consistent_snapshot:
            version = None
        return self._wire.read(f"{self._prefix}{layout.metadata_file(role, version)}", max_bytes, known=known)

    @property
    def _refreshed(self) -> TrustedMetadataSet:
        if self._set is None:
            raise RuntimeError("refresh() comes first, and must have succeeded")
        return self._set


def _rooted(content: bytes, what: str) -> TrustedMetadataSet:
    with refusals(what, version=RollbackRefused):
        return TrustedMetadataSet(content, EnvelopeType.METADATA)


def _is_rotated(before: Root, after: Root) -> bool:
    """Whether a key of timestamp or snapshot that was trusted is so no more. One that came in addition took nobody's trust away."""
    return any(_keys(before, role) - _keys(after, role) for role in (Timestamp.type, Snapshot.type))


def _keys(root: Root, role: str) -> set[str]:
    """The very keys of a role, as text: an id alone says nothing. An id without a key is nobody's."""
    return {_as_text(root.keys[keyid]) for keyid in root.roles[role].keyids if keyid in root.keys}


def _as_text(key: Key) -> str:
    return repr((key.keytype, key.scheme, sorted(key.keyval.items(), key=repr)))


def _expect_distinct_keys(what: str, keys: Mapping[str, Key], roles: Iterable[Role]) -> None:
    """One key under two ids would be two of a threshold: tuf counts ids.

    Raises:
        MetadataInvalid: There is such a key.
    """
    for role in roles:
        known = [_as_text(keys[keyid]) for keyid in role.keyids if keyid in keys]
        if len(known) != len(set(known)):
            raise MetadataInvalid(f"{what} names one key under two ids", hint="each key of a threshold is its own")


def _children(delegations: Delegations | None, path: str) -> tuple[list[str], bool]:
    """Roles that may speak of a path, in order of trust, and whether nobody else may."""
    children: list[str] = []
    if delegations is None:
        return children, False
    for child, terminating in delegations.get_roles_for_target(path):
        children.append(child)
        if terminating:
            return children, True
    return children, False


def _limit(length: int | None, role: str) -> int:
    return min(length or _MAX_BYTES[role], _MAX_BYTES[role])
