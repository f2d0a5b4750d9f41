"""Models, their owners, their versions."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from cloud_sync import layout
from cloud_sync.registry import models, patches, repository
from cloud_sync.registry.comparing import compare
from cloud_sync.registry.errors import StateUnreadable, UnknownName
from cloud_sync.registry.repository import TARGETS, Targets
from cloud_sync.registry.state import changes, files, versions
from cloud_sync.registry.types import ModelInfo, Published

if TYPE_CHECKING:
    from collections.abc import Sequence

    from securesystemslib.signer import Key, Signer

    from cloud_sync.registry.blobs import Blobs
    from cloud_sync.registry.changing import Changing
    from cloud_sync.registry.state.database import Connection
    from cloud_sync.registry.types import Change, Diff, PublishRequest, VersionInfo, Yanked

_MOST_HISTORY = 100_000


class Models:
    """`registry.models`: who owns which model, and which versions there are."""

    def __init__(self, changing: Changing, blobs: Blobs) -> None:
        self._changing = changing
        self._blobs = blobs
        self._patching = threading.Lock()  # old and new files lie in memory for it: one at a time

    def add(self, name: str, owners: Sequence[Key], targets_signer: Signer, *, threshold: int = 1, by: str) -> None:
        """Delegate a model to its owners. Its first version comes with `publish`, whose metadata has version 1.

        Raises:
            AlreadyThere: There is such a model.
            Refused: The name, the keys or the threshold make no sense.
            SignatureInvalid: The signer is not the targets key.
        """
        with self._changing.change(by) as edit:
            models.add(edit, name, owners, threshold, targets_signer)

    def change_owners(
        self,
        name: str,
        owners: Sequence[Key],
        targets_signer: Signer,
        *,
        threshold: int = 1,
        metadata: bytes | None = None,
        by: str,
    ) -> None:
        """Replace the owners of a model.

        Args:
            name: Of the model.
            owners: All owners from now on.
            targets_signer: The offline targets key.
            threshold: How many of them must sign.
            metadata: The role's metadata, one version up, same or fewer targets, signed by the new owners. Not needed as long as nothing
                was published, or when enough of the new owners signed the current one.
            by: For the log.

        Raises:
            UnknownName: There is no such model.
            SignatureInvalid: Too few of the new owners signed `metadata`, or the current one, where `metadata` is None.
            RoleRefused: `metadata` says something else.
        """
        with self._changing.change(by) as edit:
            models.change_owners(edit, name, owners, threshold, targets_signer, metadata)

    def role_metadata(self, name: str) -> bytes | None:
        """The current `model.<name>` metadata, which a publisher builds on; None before the first version.

        Raises:
            UnknownName: There is no such model.
        """
        with self._changing.database.reading() as tx:
            _known_model(tx, name)
            row = files.current(tx, layout.role_of(name))
            return row.content if row else None

    def publish(self, request: PublishRequest, *, by: str) -> Published:
        """Make a version visible, and assign it to a channel, at once or not at all.

        Raises:
            UnknownName: There is no such model.
            AlreadyThere: The version exists, or existed.
            Conflict: The metadata does not follow the current one; somebody published in between.
            SignatureInvalid: Too few owners signed it.
            RoleRefused: It changes more than one added target, or says something impossible.
            ManifestInvalid: The manifest cannot be read, or is of another model or version.
            BlobsMissing: Files were not uploaded.
            BlobDiffers: A file has another length than the manifest says.
            GateRefused: It misses its own bounds, or is not shown to be as good as what it replaces, and its owners do not say why it is to
                be published nevertheless.
            ReportInvalid: Its evaluation cannot be read.
        """
        # Patches take seconds; who cannot publish is told before, and nobody waits for them.
        with self._changing.looking(by) as edit:
            checked = models.check_publish(edit, request, self._blobs)
            olds = patches.sources(edit.tx, request.model, request.channel, self._changing.settings.patch_sources)
        with self._patching:
            count = patches.make(self._blobs, self._changing.public, olds, checked.manifest, self._changing.settings)
        with self._changing.change(by) as edit:
            checked = models.check_publish(edit, request, self._blobs)
            models.publish(edit, request, checked)
            least = repository.min_release(checked.role.signed)
            below = tuple(versions.wanting_less(edit.tx, request.model, least))
        return Published(self.version(request.model, checked.version), request.channel, count, below)

    def yank(self, model: str, version: str, metadata: bytes, *, by: str) -> Yanked:
        """Take a version back. Channels and devices that were assigned it return to the one before, where that may run.

        Args:
            model: Its name.
            version: What is taken back.
            metadata: The new role metadata: one version up, exactly this target removed, signed by the owners.
            by: For the log.

        Raises:
            UnknownName, Conflict, SignatureInvalid, RoleRefused: As in `publish`.
        """
        with self._changing.change(by) as edit:
            return models.yank(edit, model, version, metadata)

    def renew_role(self, model: str, metadata: bytes, *, by: str) -> None:
        """Take a role's metadata with the same targets: a later expiry, or another `min_release`.

        Raises:
            UnknownName, Conflict, SignatureInvalid, RoleRefused: As in `publish`.
        """
        with self._changing.change(by) as edit:
            models.renew(edit, model, metadata)

    def all(self) -> list[ModelInfo]:
        """All models, by name."""
        with self._changing.database.reading() as tx:
            return [_model(tx, name) for name in versions.model_names(tx)]

    def one(self, name: str) -> ModelInfo:
        """One model.

        Raises:
            UnknownName: There is no such model.
        """
        with self._changing.database.reading() as tx:
            _known_model(tx, name)
            return _model(tx, name)

    def version(self, model: str, version: str) -> VersionInfo:
        """One version, yanked ones too.

        Raises:
            UnknownName: There is no such version.
        """
        with self._changing.database.reading() as tx:
            return _version(tx, model, version)

    def manifest(self, model: str, version: str) -> bytes:
        """The `manifest.json` of a version.

        Raises:
            UnknownName: There is no such version.
        """
        with self._changing.database.reading() as tx:
            _version(tx, model, version)
            return patches.manifest_bytes(tx, model, version) or b""

    def history(self, model: str) -> list[Change]:
        """What the log says of a model, oldest first.

        Raises:
            UnknownName: There is no such model.
        """
        with self._changing.database.reading() as tx:
            _known_model(tx, model)
            return changes.read(tx, 0, _MOST_HISTORY, f"model:{model}")

    def diff(self, model: str, before: str, after: str) -> Diff:
        """Files in which two versions differ, and what a patch between them costs.

        Raises:
            UnknownName: There is no such version.
        """
        return compare(
            self._changing.public, model, (before, self.manifest(model, before)), (after, self.manifest(model, after))
        )


def _known_model(tx: Connection, name: str) -> None:
    if name not in versions.model_names(tx):
        raise UnknownName(f"there is no model {name}", hint="`lineside registry models list`")


def _version(tx: Connection, model: str, name: str) -> VersionInfo:
    found = versions.version(tx, model, name)
    if found is None:
        raise UnknownName(f"there is no version {name} of {model}", hint=f"`lineside registry models show {model}`")
    return found


def _model(tx: Connection, name: str) -> ModelInfo:
    top = files.current(tx, TARGETS)
    if top is None:
        raise StateUnreadable("the registry has no targets metadata")
    targets = repository.decoded(top.content, Targets, TARGETS).signed
    row = files.current(tx, layout.role_of(name))
    role = repository.decoded(row.content, Targets, row.role).signed if row else None
    return ModelInfo(
        name,
        tuple(repository.keys_of(targets, layout.role_of(name))),
        repository.delegated(targets, name).threshold,
        repository.min_release(role) if role else 0,
        role.version if role else 0,
        role.expires if role else None,
        tuple(versions.versions_of(tx, name)),
    )
