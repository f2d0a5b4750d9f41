"""A TUF repository in memory, whose every rule a test may break. `files` is what a server would serve."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta, timezone
from urllib.parse import quote

from securesystemslib.signer import CryptoSigner
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

NOW = datetime(2026, 11, 28, 12, tzinfo=timezone.utc)
TOP = (Root.type, Timestamp.type, Snapshot.type, Targets.type)


class Simulator:
    """Roles are edited in `roles`, then `publish`ed: each named role gets the next version and is signed by its `signers`.

    Attributes:
        roles: The signed part of each role, by name.
        signers: Who signs it.
        files: What is served, by path.
    """

    def __init__(self, *, now: datetime = NOW, consistent: bool = True, announce_hashes: bool = False) -> None:
        self.expires = now.replace(microsecond=0) + timedelta(days=30)
        self.announce_hashes = announce_hashes
        self.files: dict[str, bytes] = {}
        self.signers = {role: [CryptoSigner.generate_ed25519()] for role in TOP}
        self.roles = {
            Root.type: Root(expires=self.expires, consistent_snapshot=consistent),
            Timestamp.type: Timestamp(expires=self.expires),
            Snapshot.type: Snapshot(expires=self.expires),
            Targets.type: Targets(expires=self.expires),
        }
        for role, (signer,) in self.signers.items():
            self.root.add_key(signer.public_key, role)
        self._next = dict.fromkeys(TOP, 1)
        self.publish(Root.type)
        self.publish(Targets.type)
        self.first_root = self.files["metadata/1.root.json"]

    @property
    def root(self) -> Root:
        return self.roles[Root.type]

    @property
    def timestamp(self) -> Timestamp:
        return self.roles[Timestamp.type]

    @property
    def snapshot(self) -> Snapshot:
        return self.roles[Snapshot.type]

    @property
    def targets(self) -> Targets:
        return self.roles[Targets.type]

    def publish(self, *roles: str) -> None:
        """The roles, and what must follow: snapshot and timestamp, but for a root."""
        for role in roles:
            self.sign(role)
        if set(roles) - {Root.type, Snapshot.type, Timestamp.type}:
            self.sign(Snapshot.type)
        if set(roles) - {Root.type, Timestamp.type}:
            self.sign(Timestamp.type)

    def sign(self, role: str, *, version: int | None = None) -> bytes:
        """One role alone, with its next version or a named one, from which later ones go on."""
        signed = self.roles[role]
        signed.version = self._next.get(role, 1) if version is None else version
        self._next[role] = signed.version + 1
        content = self.signed(role)
        self.put(role, content)
        length, hashes = (
            (len(content), {"sha256": hashlib.sha256(content).hexdigest()}) if self.announce_hashes else (None, None)
        )
        if role == Snapshot.type:
            self.timestamp.snapshot_meta = MetaFile(signed.version, length, hashes)
        elif isinstance(signed, Targets):
            self.snapshot.meta[f"{role}.json"] = MetaFile(signed.version, length, hashes)
        return content

    def signed(self, role: str, signers: list[CryptoSigner] | None = None) -> bytes:
        """The bytes as they are now, by its signers or by others."""
        metadata = Metadata(self.roles[role])
        for signer in self.signers[role] if signers is None else signers:
            metadata.sign(signer, append=True)
        return metadata.to_bytes()

    def put(self, role: str, content: bytes) -> None:
        name = quote(role, "")
        version = self.roles[role].version
        if role == Root.type or (role != Timestamp.type and self.root.consistent_snapshot):
            self.files[f"metadata/{version}.{name}.json"] = content
        else:
            self.files[f"metadata/{name}.json"] = content

    def rotate(self, *roles: str, signers: list[CryptoSigner] | None = None) -> None:
        """New keys in place of all old ones; publish the root to make it so."""
        for role in roles:
            for keyid in list(self.root.roles[role].keyids):
                self.root.revoke_key(keyid, role)
            self.signers[role] = signers or [CryptoSigner.generate_ed25519()]
            for signer in self.signers[role]:
                self.root.add_key(signer.public_key, role)

    def rotate_root(self) -> None:
        """A new root key; the root is published, signed by the old and the new one."""
        old = self.signers[Root.type]
        self.rotate(Root.type)
        new = self.signers[Root.type]
        self.signers[Root.type] = [*old, *new]
        self.sign(Root.type)
        self.signers[Root.type] = new

    def delegate(
        self,
        role: str,
        paths: list[str] | None = None,
        *,
        by: str = Targets.type,
        terminating: bool = False,
        signer: CryptoSigner | None = None,
        prefixes: list[str] | None = None,
    ) -> None:
        """Let a role speak of some paths; publish both to make it so."""
        delegator = self.roles[by]
        if delegator.delegations is None:
            delegator.delegations = Delegations({}, roles={})
        delegator.delegations.roles[role] = DelegatedRole(role, [], 1, terminating, paths, prefixes)
        if role not in self.roles:
            self.roles[role] = Targets(expires=self.expires)
            self.signers[role] = []
        new = signer or CryptoSigner.generate_ed25519()
        self.signers[role].append(new)
        delegator.add_key(new.public_key, role)

    def add(
        self,
        path: str,
        content: bytes,
        *,
        role: str = Targets.type,
        custom: dict | None = None,
        algorithm: str = "sha256",
    ) -> TargetFile:
        """A target; publish its role to make it so."""
        file = TargetFile.from_data(path, content, [algorithm])
        if custom is not None:
            file.unrecognized_fields["custom"] = custom
        self.roles[role].targets[path] = file
        folder, slash, name = path.rpartition("/")
        place = f"{folder}{slash}{file.hashes[algorithm]}.{name}" if self.root.consistent_snapshot else path
        self.files[f"targets/{place}"] = content
        return file
