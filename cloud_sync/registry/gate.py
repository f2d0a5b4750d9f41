"""The publish gate at the registry: what is against a version, as its own files and those of the version that its channel names say it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from cloud_sync import layout, manifest
from cloud_sync.errors import BlobDiffers
from cloud_sync.evaluation import BoundsInvalid, GateRefused, ReportInvalid, judge, release_of
from cloud_sync.registry import checks, patches
from cloud_sync.registry.state import versions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cloud_sync.evaluation import Release
    from cloud_sync.manifest import FileEntry
    from cloud_sync.registry.blobs import Blobs
    from cloud_sync.registry.checks import Checked
    from cloud_sync.registry.edit import Edit
    from cloud_sync.registry.state.database import Connection


def reasons_against(tx: Connection, checked: Checked, channel: str | None, blobs: Blobs) -> tuple[str, ...]:
    """Why a version should not be published; nothing where it may be.

    Raises:
        ReportInvalid: Its evaluation cannot be read.
        BoundsInvalid: Its bounds cannot be read.
    """
    new = release_of(checked.manifest, f"sha256:{checked.digest}", _reader(blobs))
    named = versions.subject(tx, layout.channel_subject(channel)) if channel else None
    return judge(
        new, _replaced(tx, checked.manifest.name, named.models.get(checked.manifest.name) if named else None, blobs)
    )


def demand_no_worse(edit: Edit, subject: str, models: Mapping[str, str | None], blobs: Blobs) -> None:
    """Whether a channel may go on to other versions: else who publishes for one channel and then names it for another would go round the gate.

    A return to an earlier release is never refused, as it is how a bad version is taken back; nor is a version whose owners have signed why.

    Raises:
        GateRefused: One is not shown to be as good as what it replaces.
    """
    named = versions.subject(edit.tx, subject)
    if named is None or not subject.startswith(layout.channel_subject("")):
        return
    for model, version in models.items():
        before = versions.version(edit.tx, model, named.models.get(model, ""))
        after = versions.version(edit.tx, model, version) if version else None
        if (
            before is None
            or after is None
            or after.release <= before.release
            or _has_reason(edit, model, after.version)
        ):
            continue
        new = _replaced(edit.tx, model, after.version, blobs)
        reasons = judge(new, _replaced(edit.tx, model, before.version, blobs)) if new else ()
        if reasons:
            raise GateRefused(f"{model} {after.version}", reasons)


def _has_reason(edit: Edit, model: str, version: str) -> bool:
    role = edit.model_role(model)
    target = role.targets.get(layout.manifest_target(model, version)) if role else None
    return target is not None and checks.release_of(target).unsafe_publish_worse is not None


def _replaced(tx: Connection, model: str, version: str | None, blobs: Blobs) -> Release | None:
    """A version that was published before. One whose report is of another form is as good as none: it must not keep the next one out."""
    content = patches.manifest_bytes(tx, model, version) if version else None
    if not content:
        return None
    with suppress(ReportInvalid, BoundsInvalid):
        return release_of(manifest.decode(content), manifest.digest_of(content), _reader(blobs))
    return None


def _reader(blobs: Blobs) -> Callable[[FileEntry], bytes]:
    def read(entry: FileEntry) -> bytes:
        with blobs.open(entry.sha256) as file:
            content = file.read(entry.length_bytes + 1)
        if len(content) != entry.length_bytes:
            raise BlobDiffers(f"{entry.path} has another length than its manifest says")
        return content

    return read
