"""The store's immutable folders: put together aside, verified, made durable, and only then under their name.

Knows nothing of models and of what is wanted. Order is all: files and folders reach the disk before the name does, and the name before
`settle` comes back.
"""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

from cloud_sync import manifest as manifests
from cloud_sync.atomic import sync_folder
from cloud_sync.manifest import FilesDiffer, ManifestInvalid

_READ_ONLY = 0o444


def new_draft(staging: Path, digest: str) -> Path:
    """An empty folder to put a version together in."""
    draft = staging / f"{digest}.{secrets.token_hex(4)}"
    draft.mkdir(parents=True)
    return draft


def make_durable(draft: Path) -> None:
    """Have all of a draft on the disk, and its files read-only. Takes as long as the disk does.

    Raises:
        OSError: It could not be written.
    """
    for folder, _, names in os.walk(draft, topdown=False):
        for name in names:
            _sync_file(Path(folder, name))
        sync_folder(Path(folder))


def settle(draft: Path, place: Path, staging: Path) -> None:
    """Give a durable draft its name, for good. What lies there already gives way.

    Raises:
        OSError: It could not be written.
    """
    move_aside(place, staging)
    draft.rename(place)
    sync_folder(place.parent)
    sync_folder(draft.parent)  # a name that moves is sure in its new folder when it is gone from the old one


def move_aside(place: Path, staging: Path) -> Path | None:
    """Take a folder's name away at once; removing its files takes longer. Where it is now, or None if there was none."""
    aside = staging / f"{place.name}.{secrets.token_hex(4)}.gone"
    staging.mkdir(parents=True, exist_ok=True)
    try:
        place.rename(aside)
    except FileNotFoundError:
        return None
    return aside


def is_whole(folder: Path, digest: str) -> bool:
    """Whether a folder has the manifest of that digest, and every file in it. Reads all of them."""
    try:
        found = manifests.read(folder)
        if found is None or found[1] != f"sha256:{digest}":
            return False
        manifests.verify(folder, found[0])
    except (FilesDiffer, ManifestInvalid, OSError):
        return False
    return True


def clear(staging: Path) -> None:
    """Remove what a killed process has left behind; what cannot be removed stays for the next time."""
    if staging.is_dir():
        for leftover in staging.iterdir():
            shutil.rmtree(leftover, ignore_errors=True)


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fchmod(descriptor, _READ_ONLY)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
