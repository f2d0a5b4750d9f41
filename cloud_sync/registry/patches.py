"""Patches at publish time: from what devices run, and from what the channel had, to the new version.

They lie among the blobs. Their lists, and the digests of pieces in them, are not signed, so they may be there before the version is.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from cloud_sync import deltas, layout, manifest, pieces
from cloud_sync.errors import MetadataInvalid
from cloud_sync.registry import files
from cloud_sync.registry.state import versions
from cloud_sync.registry.state.files import target

if TYPE_CHECKING:
    from pathlib import Path

    from cloud_sync.deltas import Patch
    from cloud_sync.manifest import FileEntry, Manifest
    from cloud_sync.registry.blobs import Blobs
    from cloud_sync.registry.settings import Settings
    from cloud_sync.registry.state.database import Connection

LEAST_BYTES = pieces.LEAST_BYTES
"""Of a file without a list: asking for it costs more than it saves."""


def sources(tx: Connection, model: str, channel: str | None, most: int) -> list[Manifest]:
    """Manifests of the versions that devices most likely have: the channel's, those that they report, the newest."""
    names: list[str] = []
    if channel is not None:
        row = versions.wanted_by(tx, layout.channel_subject(channel)).get(model)
        names += [name for name in (row.version, row.previous) if name] if row else []
    names += [name for name, _ in versions.running(tx, model)]
    names += [info.version for info in versions.versions_of(tx, model)][:1]
    found: list[Manifest] = []
    for name in dict.fromkeys(names):
        content = manifest_bytes(tx, model, name)
        if content is not None and len(found) < most:
            found.append(manifest.decode(content))
    return found


def manifest_bytes(tx: Connection, model: str, version: str) -> bytes | None:
    """The `manifest.json` of a version that was published once."""
    info = versions.version(tx, model, version)
    return target(tx, layout.manifest_target(model, version), info.digest) if info else None


def make(blobs: Blobs, public: Path, olds: list[Manifest], new: Manifest, settings: Settings) -> int:
    """Make the patches that are worth it, and the lists of them and of pieces; how many patches there are now for these files."""
    count = 0
    for entry in {entry.sha256: entry for entry in new.files}.values():
        if entry.length_bytes <= LEAST_BYTES:
            continue
        there = read_index(public, entry.sha256)
        known = {patch.source for patch in there.patches}
        is_patched = deltas.available() and entry.length_bytes <= settings.max_patch_bytes
        made = _made(blobs, _same_path(olds, entry, settings), entry, known) if is_patched else []
        if made or not there.pieces:
            index = deltas.Index(there.pieces or _pieces(blobs, entry), (*there.patches, *made))
            files.write_all(public, [(layout.patches_of(entry.sha256), deltas.encode_index(entry.sha256, index))])
        count += len(there.patches) + len(made)
    return count


def read_index(public: Path, sha256: str) -> deltas.Index:
    """What is listed for a blob."""
    path = public / layout.patches_of(sha256)
    try:
        with path.open("rb") as file:
            return deltas.decode_index(file.read(deltas.MAX_INDEX_BYTES + 1), sha256)
    except (FileNotFoundError, MetadataInvalid):
        return deltas.Index()


def _pieces(blobs: Blobs, entry: FileEntry) -> tuple[str, ...]:
    with blobs.open(entry.sha256) as file:
        return pieces.digests(file, entry.length_bytes)


def _same_path(olds: list[Manifest], entry: FileEntry, settings: Settings) -> list[str]:
    """Digests of the files that had this place."""
    return [
        old.sha256
        for listed in olds
        for old in listed.files
        if old.path == entry.path and old.sha256 != entry.sha256 and old.length_bytes <= settings.max_patch_bytes
    ]


def _made(blobs: Blobs, olds: list[str], entry: FileEntry, there: set[str | None]) -> list[Patch]:
    wanted: list[str | None] = [old for old in dict.fromkeys(olds) if old not in there and blobs.has(old)]
    if not wanted and None in there:
        return []
    new = _read(blobs, entry.sha256)
    whole = deltas.make_patch(b"", new)
    kept = []
    for source in [None, *wanted]:
        content = whole if source is None else deltas.make_patch(_read(blobs, source), new)
        patch = deltas.Patch(source, "", len(content))
        if source not in there and deltas.is_worth(patch, whole_bytes=len(new), compressed_bytes=len(whole)):
            digests = pieces.digests(io.BytesIO(content), len(content))
            kept.append(deltas.Patch(source, blobs.put(content), len(content), digests))
    return kept


def _read(blobs: Blobs, sha256: str) -> bytes:
    with blobs.open(sha256) as file:
        return file.read()
