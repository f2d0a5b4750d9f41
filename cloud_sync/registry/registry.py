"""The registry as its server, its commands and its tests see it: every change goes through here, and is whole or does not happen.

A change is decided by one commit in the database, which carries the files that it makes; then the files are written, `timestamp.json`
late enough that no client ever sees half. A crash in between is redone by whoever opens or changes the registry next.

Any thread and any process may call; changes take turns (`RegistryBusy` after a deadline). `by` is who asked, for the log.
All methods may raise `StateUnreadable` and OSError.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from securesystemslib.signer import Key, Signer

    from cloud_sync.registry.blobs import Blobs
    from cloud_sync.registry.settings import Settings
    from cloud_sync.registry.types import (
        Ceremony,
        Change,
        DeviceInfo,
        Diff,
        Enrolled,
        Expiry,
        ModelInfo,
        OnlineRole,
        Principal,
        Published,
        PublishRequest,
        Refreshed,
        SubjectInfo,
        TokenInfo,
        TokenRole,
        VersionInfo,
        Yanked,
    )


def utc_now() -> datetime:
    """The system's clock."""
    return datetime.now(timezone.utc)


class Registry:
    """One registry folder: `registry.toml`, `state.db`, `keys/` (online), `public/` (what is served), `uploads/`.

    Attributes:
        folder: The registry's folder.
        public: What a web server may serve.
        blobs: Where uploads go: `has`, `offset`, `append`, `commit` (see `cloud_sync.registry.blobs`).
    """

    folder: Path
    public: Path
    blobs: Blobs

    @classmethod
    def init(
        cls,
        folder: Path,
        offline_keys: Path,
        passphrase: str,
        *,
        settings: Settings | None = None,
        clock: Callable[[], datetime] = utc_now,
        by: str = "init",
    ) -> Ceremony:
        """Make a registry: keys, first metadata, database. All or nothing; `folder` must not be there, or be empty.

        Args:
            folder: Of the registry.
            offline_keys: Where the three root keys and the targets key go, encrypted; a stick that is pulled afterwards.
            passphrase: Of these key files, 12 characters at least.
            settings: Lifetimes and limits; written to `registry.toml`.
            clock: What time it is.
            by: For the log.

        Raises:
            AlreadyThere: There is something in `folder`, or a key file in `offline_keys`.
            Refused: The passphrase is too short.
        """
        raise NotImplementedError

    @classmethod
    def open(cls, folder: Path, *, clock: Callable[[], datetime] = utc_now) -> Registry:
        """Open a registry, and finish what a crash has left half written.

        Raises:
            StateUnreadable: It is none, or of a later version.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Let go of the database. May be called twice."""
        raise NotImplementedError

    def __enter__(self) -> Registry:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- models -------------------------------------------------------------------------------------------------------------------

    def add_model(
        self, name: str, owners: Sequence[Key], targets_signer: Signer, *, threshold: int = 1, by: str
    ) -> None:
        """Delegate a model to its owners. Its first version comes with `publish`, whose metadata has version 1.

        Raises:
            AlreadyThere: There is such a model.
            Refused: The name, the keys or the threshold make no sense.
            SignatureInvalid: The signer is not the targets key.
        """
        raise NotImplementedError

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
        raise NotImplementedError

    def role_metadata(self, name: str) -> bytes | None:
        """The current `model.<name>` metadata, which a publisher builds on; None before the first version.

        Raises:
            UnknownName: There is no such model.
        """
        raise NotImplementedError

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
        """
        raise NotImplementedError

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
        raise NotImplementedError

    def renew_role(self, model: str, metadata: bytes, *, by: str) -> None:
        """Take a role's metadata with the same targets: a later expiry, or another `min_release`.

        Raises:
            UnknownName, Conflict, SignatureInvalid, RoleRefused: As in `publish`.
        """
        raise NotImplementedError

    def models(self) -> list[ModelInfo]:
        """All models, by name."""
        raise NotImplementedError

    def model(self, name: str) -> ModelInfo:
        """One model.

        Raises:
            UnknownName: There is no such model.
        """
        raise NotImplementedError

    def version(self, model: str, version: str) -> VersionInfo:
        """One version, yanked ones too.

        Raises:
            UnknownName: There is no such version.
        """
        raise NotImplementedError

    def manifest(self, model: str, version: str) -> bytes:
        """The `manifest.json` of a version.

        Raises:
            UnknownName: There is no such version.
        """
        raise NotImplementedError

    def history(self, model: str) -> list[Change]:
        """What the log says of a model, oldest first.

        Raises:
            UnknownName: There is no such model.
        """
        raise NotImplementedError

    def diff(self, model: str, before: str, after: str) -> Diff:
        """Files in which two versions differ, and what a patch between them costs.

        Raises:
            UnknownName: There is no such version.
        """
        raise NotImplementedError

    # -- what should run where -----------------------------------------------------------------------------------------------------

    def subjects(self) -> list[SubjectInfo]:
        """All assignments: `channel:<name>` and `device:<id>`, by name."""
        raise NotImplementedError

    def subject(self, subject: str) -> SubjectInfo:
        """One assignment.

        Raises:
            UnknownName: Nothing was ever assigned to it.
        """
        raise NotImplementedError

    def assign(self, subject: str, models: Mapping[str, str | None], *, replace: bool = False, by: str) -> SubjectInfo:
        """Say what a channel or a device should run.

        Args:
            subject: `channel:<name>` or `device:<id>`; it is made when it is not there.
            models: Model → version, or None to take the model out. Models that are not named stay as they are.
            replace: Models that are not named are taken out.
            by: For the log.

        Raises:
            UnknownName: There is no such version.
            Refused: It was yanked, it is below `min_release`, or the subject is none.
        """
        raise NotImplementedError

    def set_channel(
        self, channel: str, models: Mapping[str, str | None], *, replace: bool = False, by: str
    ) -> SubjectInfo:
        """`assign` to `channel:<channel>`."""
        raise NotImplementedError

    def assign_device(
        self, device: str, models: Mapping[str, str | None], *, replace: bool = False, by: str
    ) -> SubjectInfo:
        """`assign` to `device:<device>`; it beats the channel, per model."""
        raise NotImplementedError

    # -- time and keys -------------------------------------------------------------------------------------------------------------

    def refresh(self, *, force: bool = False) -> Refreshed:
        """Sign again what has less than half of its lifetime left: timestamp, snapshot, assignments. For a job; cheap when there is nothing.

        Args:
            force: Sign timestamp and snapshot again in any case.
        """
        raise NotImplementedError

    def expiries(self) -> list[Expiry]:
        """How long each role's metadata holds, the first to expire first."""
        raise NotImplementedError

    def root_keys(self) -> list[Key]:
        """The keys of the root role."""
        raise NotImplementedError

    def rotate_root(
        self, signers: Sequence[Signer], *, add: Sequence[Signer] = (), remove: Sequence[str] = (), by: str
    ) -> None:
        """Replace root keys, or only sign root again with a later expiry.

        Args:
            signers: Keys that are root keys now, the threshold of them at least.
            add: Keys that become root keys.
            remove: Key ids that are no root keys any more.
            by: For the log.

        Raises:
            SignatureInvalid: Too few keys to reach the old or the new threshold.
            Refused: Fewer than three keys would stay, or a key id is unknown.
        """
        raise NotImplementedError

    def rotate_targets(
        self, root_signers: Sequence[Signer], new: Signer, *, old: Signer | None = None, by: str
    ) -> None:
        """Replace the targets key.

        Args:
            root_signers: The threshold of root keys.
            new: The new targets key.
            old: The former one, unless it is lost: with it no client is refused while the files are written.
            by: For the log.

        Raises:
            SignatureInvalid: Too few root keys.
        """
        raise NotImplementedError

    def renew_targets(self, targets_signer: Signer, *, by: str) -> None:
        """Sign the targets metadata again with a later expiry.

        Raises:
            SignatureInvalid: The signer is not the targets key.
        """
        raise NotImplementedError

    def rotate_online(
        self,
        role: OnlineRole,
        *,
        root_signers: Sequence[Signer] = (),
        targets_signer: Signer | None = None,
        new_uri: str | None = None,
        new_key: Key | None = None,
        by: str,
    ) -> str:
        """Replace the key of snapshot, timestamp or assignment; the former one is revoked by that. All it signed is signed again.

        Args:
            role: Whose key.
            root_signers: For snapshot and timestamp: the threshold of root keys.
            targets_signer: For assignment: the targets key, which signs `keys/assignment.json`.
            new_uri: Signer URI of the new key, with `new_key`; None makes a file in `keys/`.
            new_key: Its public part.
            by: For the log.

        Returns:
            The id of the new key.

        Raises:
            SignatureInvalid: Too few keys for what is to be signed.
        """
        raise NotImplementedError

    # -- for where there is no network ---------------------------------------------------------------------------------------------

    def export(self, models: Sequence[str], to: Path, *, every_version: bool = False, by: str) -> list[str]:
        """Copy models into a folder of the same layout, which `sync import` takes: metadata, assignments, manifests, blobs.

        Args:
            models: Their names.
            to: A folder, such as that of a USB stick. An earlier export in it is brought up to date.
            every_version: All published versions, not only those that some assignment names.
            by: For the log.

        Returns:
            The versions, as `<model> <version>`.

        Raises:
            UnknownName: There is no such model.
        """
        raise NotImplementedError

    # -- devices -------------------------------------------------------------------------------------------------------------------

    def create_enrolment_token(self, device: str, *, valid_for: timedelta = timedelta(days=7), by: str) -> str:
        """A secret that admits one device once. It is shown only here.

        Raises:
            Refused: It is no name of a device.
        """
        raise NotImplementedError

    def nonce(self) -> str:
        """A number that goes into one request for enrolment, within five minutes.

        Raises:
            RegistryBusy: Too many are open.
        """
        raise NotImplementedError

    def enrol(self, request: bytes) -> Enrolled:
        """Take a device's request (schema `lineside.enrol/1`, in an envelope sealed with its own key).

        It is admitted with a token for this id that is valid, was not used, and if the id is new; the same key once more stays what it is.
        Everybody else waits for an operator.

        Raises:
            EnrolmentRefused: The nonce or the token is not valid, or the key is not the one that signed.
            MetadataInvalid, SignatureInvalid: It is no signed request.
            RegistryBusy: Too many wait already.
        """
        raise NotImplementedError

    def approve(self, device: str, *, keyid: str | None = None, by: str) -> DeviceInfo:
        """Admit who waits. A key that the device had before is replaced.

        Args:
            device: Its id.
            keyid: Which candidate, needed when several wait; compare it with what `lineside sync enroll` shows on the device.
            by: For the log.

        Raises:
            UnknownName: Nobody waits.
            Refused: Several wait.
        """
        raise NotImplementedError

    def reject(self, device: str, *, keyid: str | None = None, by: str) -> int:
        """Send who waits away; how many that were.

        Raises:
            UnknownName: Nobody waits.
        """
        raise NotImplementedError

    def revoke_device(self, device: str, *, by: str) -> None:
        """Take no reports of a device any more. To come back it needs an operator.

        Raises:
            UnknownName: There is no such device.
        """
        raise NotImplementedError

    def report(self, content: bytes) -> str:
        """Take a device's report (schema `lineside.report/1`), and return the device's id.

        Raises:
            ReportRefused: The device is not admitted, the number does not rise, or it says something impossible.
            MetadataInvalid, SignatureInvalid: It is not signed by the device.
            ContentTooLarge: It is larger than `max_report_bytes`.
        """
        raise NotImplementedError

    def devices(self) -> list[DeviceInfo]:
        """All devices by id, without their events; who only waits is in `candidates`."""
        raise NotImplementedError

    def device(self, device: str) -> DeviceInfo:
        """One device, with its events.

        Raises:
            UnknownName: There is no such device.
        """
        raise NotImplementedError

    # -- who may call --------------------------------------------------------------------------------------------------------------

    def create_token(
        self,
        name: str,
        role: TokenRole,
        *,
        models: Sequence[str] = (),
        valid_for: timedelta | None = None,
        by: str,
    ) -> tuple[Principal, str]:
        """A token for the API, and its secret, which is shown only here.

        Raises:
            Refused: The role is none, or a publisher has no models.
        """
        raise NotImplementedError

    def authenticate(self, secret: str) -> Principal | None:
        """Whose secret it is, in constant time; None if nobody's, expired or revoked."""
        raise NotImplementedError

    def tokens(self) -> list[TokenInfo]:
        """All tokens, without their secrets."""
        raise NotImplementedError

    def revoke_token(self, token: str, *, by: str) -> None:
        """End a token.

        Raises:
            UnknownName: There is no such token.
        """
        raise NotImplementedError

    # -- what happened -------------------------------------------------------------------------------------------------------------

    def log(self, *, after: int = 0, limit: int = 100, subject: str | None = None) -> list[Change]:
        """Lines of the log from number `after + 1`, oldest first."""
        raise NotImplementedError

    def verify_log(self) -> int:
        """Number of lines, after the whole chain was computed again.

        Raises:
            LogBroken: A line was changed, or one is missing.
        """
        raise NotImplementedError
