"""A registry as plain files in a folder, small and without rules: it publishes whatever a test asks for, also what no registry should.

registry = FolderRegistry(folder)
registry.publish("parts", "1.0.0", {"model.tflite": b"…"})
registry.assign("device:press-07", {"parts": "1.0.0"})
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

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

from cloud_sync import deltas, envelope, layout
from cloud_sync.assignment import Assignment, Wanted, write_keys
from cloud_sync.manifest import FileEntry, Manifest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NOW = datetime.now(timezone.utc).replace(microsecond=0)
DAY = timedelta(days=1)
_ONLINE = ("snapshot", "timestamp")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def manifest_of(name: str, version: str, files: Mapping[str, bytes]) -> bytes:
    entries = (FileEntry(path, sha256(content), len(content)) for path, content in sorted(files.items()))
    return Manifest(name, version, tuple(entries)).encode()


@dataclass
class Model:
    signer: CryptoSigner
    targets: dict[str, TargetFile] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)
    min_release: int = 0
    version: int = 0


class FolderRegistry:
    """`write` after a change of fields; the methods do it themselves."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.signers = {role: CryptoSigner.generate_ed25519() for role in ("root", "targets", *_ONLINE)}
        self.assigner = CryptoSigner.generate_ed25519()
        self.models: dict[str, Model] = {}
        self.counters: dict[str, int] = {}
        self.expires = NOW + 30 * DAY
        self.timestamp_expires = NOW + 7 * DAY
        self.roots = 0
        self.versions = {"targets": 0, "snapshot": 0, "timestamp": 0}
        self.write_root()
        self.write()

    @property
    def root(self) -> Path:
        """The first root, as it is given to a device."""
        return self.folder / "metadata" / "1.root.json"

    def put(self, path: str, content: bytes) -> None:
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)

    def blob(self, content: bytes) -> str:
        self.put(layout.blob(sha256(content)), content)
        return sha256(content)

    # -- metadata -----------------------------------------------------------------------------------------------------------------

    def write_root(self, *, replace: tuple[str, ...] = ()) -> None:
        """The next root, with new keys for some roles."""
        self.roots += 1
        self.signers |= {role: CryptoSigner.generate_ed25519() for role in replace}
        root = Root(self.roots, expires=self.expires, consistent_snapshot=True)
        for role, signer in self.signers.items():
            root.add_key(signer.public_key, role)
        self._signed(root, self.signers["root"], layout.metadata_file("root", self.roots))

    def write(self) -> None:
        """All metadata anew."""
        listed = write_keys([self.assigner.public_key])
        self.put(layout.target_file(layout.ASSIGNMENT_KEYS, sha256(listed)), listed)
        targets = Targets(self._next("targets"), expires=self.expires)
        targets.targets[layout.ASSIGNMENT_KEYS] = TargetFile.from_data(layout.ASSIGNMENT_KEYS, listed)
        keys = {model.signer.public_key.keyid: model.signer.public_key for model in self.models.values()}
        roles = {
            layout.role_of(name): DelegatedRole(
                layout.role_of(name), [model.signer.public_key.keyid], 1, True, paths=[layout.target_pattern(name)]
            )
            for name, model in self.models.items()
        }
        targets.delegations = Delegations(keys, roles)
        snapshot = Snapshot(self._next("snapshot"), expires=self.expires)
        snapshot.meta = {"targets.json": MetaFile(targets.version)}
        for name, model in self.models.items():
            model.version += 1
            role = layout.role_of(name)
            signed = Targets(
                model.version,
                expires=self.expires,
                targets=model.targets,
                unrecognized_fields={"x-lineside": {"min_release": model.min_release}},
            )
            self._signed(signed, model.signer, layout.metadata_file(role, model.version))
            snapshot.meta[f"{role}.json"] = MetaFile(model.version)
        self._signed(targets, self.signers["targets"], layout.metadata_file("targets", targets.version))
        self._signed(snapshot, self.signers["snapshot"], layout.metadata_file("snapshot", snapshot.version))
        timestamp = Timestamp(
            self._next("timestamp"), expires=self.timestamp_expires, snapshot_meta=MetaFile(snapshot.version)
        )
        self._signed(timestamp, self.signers["timestamp"], layout.metadata_file("timestamp"))

    def _next(self, role: str) -> int:
        self.versions[role] += 1
        return self.versions[role]

    def _signed(self, signed, signer: CryptoSigner, name: str) -> None:
        metadata = Metadata(signed)
        metadata.sign(signer)
        self.put(layout.METADATA + name, metadata.to_bytes())

    # -- versions -----------------------------------------------------------------------------------------------------------------

    def publish(
        self,
        name: str,
        version: str,
        files: Mapping[str, bytes],
        *,
        release: int | None = None,
        hardware: tuple[str, ...] = (),
        manifest: bytes | None = None,
    ) -> str:
        """A version with its files; the digest of its manifest, which may be any bytes."""
        model = self.models.setdefault(name, Model(CryptoSigner.generate_ed25519()))
        content = manifest_of(name, version, files) if manifest is None else manifest
        for file in files.values():
            self.blob(file)
        path = layout.manifest_target(name, version)
        target = TargetFile.from_data(path, content)
        number = len(model.manifests) + 1 if release is None else release
        target.unrecognized_fields["custom"] = {"release": number, "hardware": list(hardware)}
        model.targets[path] = target
        model.manifests[version] = content
        self.put(layout.target_file(path, sha256(content)), content)
        self.write()
        return sha256(content)

    def yank(self, name: str, version: str) -> None:
        del self.models[name].targets[layout.manifest_target(name, version)]
        self.write()

    def offer_patch(self, old: bytes | None, new: bytes, content: bytes | None = None) -> bytes:
        """A patch beside those that are there already; `content` in place of the right one."""
        patch = deltas.make_patch(old or b"", new) if content is None else content
        path = self.folder / layout.patches_of(sha256(new))
        known = deltas.decode_index(path.read_bytes(), sha256(new)).patches if path.exists() else ()
        source = None if old is None else sha256(old)
        index = deltas.Index(patches=(*known, deltas.Patch(source, self.blob(patch), len(patch))))
        self.put(layout.patches_of(sha256(new)), deltas.encode_index(sha256(new), index))
        return patch

    # -- assignments --------------------------------------------------------------------------------------------------------------

    def assign(
        self, subject: str, models: Mapping[str, str], *, signer: CryptoSigner | None = None, **changes: object
    ) -> bytes:
        """What a subject should run, by versions; `changes` of fields of the assignment. The file's content."""
        self.counters[subject] = self.counters.get(subject, 0) + 1
        wanted = {
            name: Wanted(
                layout.manifest_target(name, version),
                sha256(self.models[name].manifests.get(version, b"never published")),
            )
            for name, version in models.items()
        }
        fields = {
            "subject": subject,
            "counter": self.counters[subject],
            "issued_at": NOW,
            "expires": NOW + 7 * DAY,
            "models": wanted,
        }
        content = envelope.seal(Assignment(**fields | changes).as_dict(), signer or self.assigner)
        self.put(layout.assignment(subject), content)
        return content

    def read_json(self, path: str):
        return json.loads((self.folder / path).read_bytes())
