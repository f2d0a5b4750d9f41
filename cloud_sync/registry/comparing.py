"""What differs between two versions, for people who decide whether to roll one out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloud_sync import manifest
from cloud_sync.registry.patches import read_index
from cloud_sync.registry.types import Diff, FileDiff

if TYPE_CHECKING:
    from pathlib import Path


def compare(public: Path, model: str, before: tuple[str, bytes], after: tuple[str, bytes]) -> Diff:
    """Compare two manifests, given with the names of their versions."""
    old = {entry.path: entry for entry in manifest.decode(before[1]).files}
    new = {entry.path: entry for entry in manifest.decode(after[1]).files}
    differing = []
    for path in sorted(old.keys() | new.keys()):
        was, becomes = old.get(path), new.get(path)
        if was is not None and becomes is not None and was.sha256 == becomes.sha256:
            continue
        patch = None
        if was is not None and becomes is not None:
            found = [patch for patch in read_index(public, becomes.sha256).patches if patch.source == was.sha256]
            patch = found[0].length_bytes if found else None
        differing.append(
            FileDiff(path, was.length_bytes if was else None, becomes.length_bytes if becomes else None, patch)
        )
    return Diff(model, before[0], after[0], tuple(differing), len(old.keys() | new.keys()) - len(differing))
