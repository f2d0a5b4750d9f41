"""A part of the registry in a folder of the same layout, for where there is no network. It is trusted no more than a mirror is."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloud_sync import layout, manifest
from cloud_sync.errors import BlobDiffers
from cloud_sync.registry import files, repository
from cloud_sync.registry.errors import StateUnreadable, UnknownName
from cloud_sync.registry.repository import ROOT, SNAPSHOT, TARGETS, TIMESTAMP, Targets
from cloud_sync.registry.state import files as state_files
from cloud_sync.registry.state import versions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cloud_sync.manifest import FileEntry
    from cloud_sync.registry.blobs import Blobs
    from cloud_sync.registry.state.database import Connection
    from cloud_sync.registry.types import VersionInfo

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Parcel:
    """What goes on the stick: one state of the registry.

    Attributes:
        versions: That are in it.
        blobs: Their files.
        signed: Metadata, targets and assignments as path and content, in the order in which they are written.
    """

    versions: tuple[VersionInfo, ...]
    blobs: tuple[FileEntry, ...]
    signed: tuple[tuple[str, bytes], ...]


def collect(tx: Connection, models: Sequence[str], public: Path, *, every_version: bool) -> Parcel:
    """What belongs to these models, while nothing changes.

    Raises:
        UnknownName: There is no such model.
    """
    known = versions.model_names(tx)
    if missing := [name for name in models if name not in known]:
        raise UnknownName(f"there is no model {missing[0]}", hint=f"there are: {', '.join(known) or 'none'}")
    subjects = [entry for entry in versions.all_subjects(tx) if any(model in entry.models for model in models)]
    assigned = {(model, version) for entry in subjects for model, version in entry.models.items()}
    chosen = [
        info
        for model in models
        for info in versions.versions_of(tx, model)
        if info.state == "published" and (every_version or (model, info.version) in assigned)
    ]
    manifests = {info: _target(tx, layout.manifest_target(info.model, info.version), info.digest) for info in chosen}
    blobs = {entry.sha256: entry for content in manifests.values() for entry in manifest.decode(content).files}
    signed = [
        (layout.target_file(layout.manifest_target(i.model, i.version), i.digest), c) for i, c in manifests.items()
    ]
    signed.append(_assignment_keys(tx))
    signed += [
        (layout.METADATA + layout.metadata_file(row.role, row.version), row.content)
        for role in (*map(layout.role_of, models), TARGETS, SNAPSHOT)
        if (row := state_files.current(tx, role))
    ]
    signed += [
        (layout.METADATA + layout.metadata_file(ROOT, row.version), row.content)
        for row in state_files.every_version(tx, ROOT)
    ]
    timestamp = state_files.current(tx, TIMESTAMP)
    if timestamp is None:
        raise StateUnreadable("the registry has no timestamp metadata")
    signed.append((layout.METADATA + layout.metadata_file(TIMESTAMP), timestamp.content))
    signed += [(path, (public / path).read_bytes()) for path in (layout.assignment(s.subject) for s in subjects)]
    return Parcel(tuple(chosen), tuple(blobs.values()), tuple(signed))


def write(parcel: Parcel, blobs: Blobs, to: Path) -> None:
    """Write it: files first, then what makes them known.

    Raises:
        BlobDiffers: A file of the registry is damaged.
        OSError: The folder takes no more.
    """
    for entry in parcel.blobs:
        _copy(blobs, entry, to / layout.blob(entry.sha256))
    for path, content in parcel.signed:
        _write(to, path, content)


def _write(to: Path, path: str, content: bytes) -> None:
    try:
        files.write_all(to, [(path, content)])
    except OSError as error:
        if error.errno != errno.EINVAL or ":" not in path:
            raise
        # FAT and exFAT, as sticks come, know no colon.
        files.write_all(to, [(path.replace(":", "%3A"), content)])


def _copy(blobs: Blobs, entry: FileEntry, target: Path) -> None:
    if target.is_file() and target.stat().st_size == entry.length_bytes:
        return
    files.make_folder(target.parent)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    digest = hashlib.sha256()
    try:
        with blobs.open(entry.sha256) as source, temporary.open("xb") as out:
            while piece := source.read(_CHUNK_BYTES):
                digest.update(piece)
                out.write(piece)
            out.flush()
            os.fsync(out.fileno())
        if digest.hexdigest() != entry.sha256:
            raise BlobDiffers(f"{entry.sha256} is damaged in the registry", hint="bring it back from a backup")
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _assignment_keys(tx: Connection) -> tuple[str, bytes]:
    row = state_files.current(tx, TARGETS)
    if row is None:
        raise StateUnreadable("the registry has no targets metadata")
    path = layout.ASSIGNMENT_KEYS
    sha256 = repository.decoded(row.content, Targets, TARGETS).signed.targets[path].hashes["sha256"]
    return layout.target_file(path, sha256), _target(tx, path, sha256)


def _target(tx: Connection, path: str, sha256: str) -> bytes:
    content = state_files.target(tx, path, sha256)
    if content is None:
        raise StateUnreadable(f"the registry has lost {path}")
    return content
