"""The publish gate at the publisher: the same question as the registry asks, before anything is uploaded.

What the channel names is the registry's word, and that version's files are believed as far as its owners signed them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloud_sync.errors import Refused
from cloud_sync.evaluation import judge, release_of

if TYPE_CHECKING:
    from pathlib import Path

    from cloud_sync.evaluation import Release
    from cloud_sync.manifest import FileEntry, Manifest
    from cloud_sync.publishing.desk import Desk
    from cloud_sync.publishing.knowledge import Knowledge

_NOTHING_THERE: Final = ("unknown", "report-invalid", "bounds-invalid")
"""Codes of a channel that names nothing yet, and of files that an older publisher wrote in another form: nothing to compare with."""


class Gate:
    """Of one registry.

    Args:
        desk: Says what a channel names.
        knowledge: Verified; refreshed by its owner.
    """

    def __init__(self, desk: Desk, knowledge: Knowledge) -> None:
        self._desk = desk
        self._knowledge = knowledge

    def reasons_against(self, folder: Path, listed: Manifest, digest: str, channel: str | None) -> tuple[str, ...]:
        """Why a bundle should not be published; nothing where it may be.

        Args:
            folder: Of the bundle.
            listed: Its manifest.
            digest: `sha256:` digest of the manifest.
            channel: That gets it, or None.

        Raises:
            ReportInvalid: Its evaluation cannot be read.
            BoundsInvalid: Its bounds cannot be read.
            Untrusted: What it replaces is not what its owners signed.
            Unreachable: The registry does not answer.
        """

        def read(entry: FileEntry) -> bytes:
            with (folder / entry.path).open("rb") as file:
                return file.read(entry.length_bytes)

        new = release_of(listed, digest, read)
        replaced: Release | None = None
        if channel is not None:
            try:
                replaced = self._replaced(listed.name, channel)
            except Refused as error:
                if error.code not in _NOTHING_THERE:
                    raise
        return judge(new, replaced)

    def _replaced(self, model: str, channel: str) -> Release | None:
        models = self._desk.ask("GET", f"channels/{channel}").get("models")
        version = models.get(model) if isinstance(models, dict) else None
        if not isinstance(version, str):
            return None
        found, digest = self._knowledge.version(model, version)
        return release_of(found, digest, self._knowledge.blob)
