"""The publish gate at the registry: what is against a version, as its own files and those of the version that its channel names say it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from cloud_sync import layout, manifest
from cloud_sync.errors import BlobDiffers
from cloud_sync.evaluation import BoundsInvalid, ReportInvalid, judge, release_of
from cloud_sync.registry import patches
from cloud_sync.registry.state import versions

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloud_sync.evaluation import Release
    from cloud_sync.manifest import FileEntry
    from cloud_sync.registry.blobs import Blobs
    from cloud_sync.registry.checks import Checked
    from cloud_sync.registry.state.database import Connection


def reasons_against(tx: Connection, checked: Checked, channel: str | None, blobs: Blobs) -> tuple[str, ...]:
    """Why a version should not be published; nothing where it may be.

    Raises:
        ReportInvalid: Its evaluation cannot be read.
        BoundsInvalid: Its bounds cannot be read.
    """

    def read(entry: FileEntry) -> bytes:
        with blobs.open(entry.sha256) as file:
            content = file.read(entry.length_bytes + 1)
        if len(content) != entry.length_bytes:
            raise BlobDiffers(f"{entry.path} has another length than its manifest says")
        return content

    new = release_of(checked.manifest, f"sha256:{checked.digest}", read)
    replaced: Release | None = None
    # A report that an older publisher wrote in another form is as good as none: it must not keep the next version out.
    with suppress(ReportInvalid, BoundsInvalid):
        replaced = _replaced(tx, checked.manifest.name, channel, read)
    return judge(new, replaced)


def _replaced(tx: Connection, model: str, channel: str | None, read: Callable[[FileEntry], bytes]) -> Release | None:
    named = versions.subject(tx, layout.channel_subject(channel)) if channel else None
    version = named.models.get(model) if named else None
    content = patches.manifest_bytes(tx, model, version) if version else None
    return release_of(manifest.decode(content), manifest.digest_of(content), read) if content else None
