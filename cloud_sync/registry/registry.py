"""The registry as its server, its commands and its tests see it: every change goes through here, and is whole or does not happen.

A change is decided by one commit in the database, which carries the files that it makes; then the files are written, `timestamp.json`
late enough that no client ever sees half. A crash in between is redone by whoever opens or changes the registry next.

Any thread and any process may call; changes take turns (`RegistryBusy` after a deadline). `by` is who asked, for the log.
All methods may raise `StateUnreadable` and OSError.
"""

from __future__ import annotations

import secrets
import threading
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from cloud_sync import layout
from cloud_sync.errors import Refused, SignatureInvalid
from cloud_sync.registry import devices, exporting, first, gate, keys, models, patches, repository, subjects, tokens
from cloud_sync.registry import settings as settings_file
from cloud_sync.registry.blobs import FolderBlobs
from cloud_sync.registry.comparing import compare
from cloud_sync.registry.edit import ASSIGNMENT, Edit
from cloud_sync.registry.errors import StateUnreadable, UnknownName
from cloud_sync.registry.files import remove_abandoned, remove_leftovers, write_all
from cloud_sync.registry.lock import Turn
from cloud_sync.registry.repository import ROOT, SNAPSHOT, TARGETS, TIMESTAMP, Root, Targets
from cloud_sync.registry.settings import Settings
from cloud_sync.registry.state import changes, files, versions
from cloud_sync.registry.state import devices as state_devices
from cloud_sync.registry.state import tokens as state_tokens
from cloud_sync.registry.state.database import NAME as DATABASE
from cloud_sync.registry.state.database import Database
from cloud_sync.registry.types import Expiry, ModelInfo, Published
from cloud_sync.signers import ROUNDS, create_key_file, public_file, signer_from_uri

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from securesystemslib.signer import Key, Signer
    from typing_extensions import Self

    from cloud_sync.registry.blobs import Blobs
    from cloud_sync.registry.state.database import Connection
    from cloud_sync.registry.types import (
        Candidate,
        Ceremony,
        Change,
        DeviceInfo,
        Diff,
        Enrolled,
        OnlineRole,
        Principal,
        PublishRequest,
        Refreshed,
        SubjectInfo,
        TokenInfo,
        TokenRole,
        VersionInfo,
        Yanked,
    )

_TURN = "registry.lock"
_MOST_HISTORY = 100_000
_ABANDONED_AFTER = timedelta(days=7)
"""For uploads, which a publisher may go on with, and for what a killed process left behind."""


def utc_now() -> datetime:
    """The system's clock."""
    return datetime.now(timezone.utc)


class Registry:
    """One registry folder: `registry.toml`, `state.db`, `keys/` (online), `public/` (what is served), `uploads/`.

    Attributes:
        folder: The registry's folder.
        public: What a web server may serve.
        settings: Of `registry.toml`.
        blobs: Where uploads go: `has`, `offset`, `append`, `commit` (see `cloud_sync.registry.blobs`).
    """

    folder: Path
    public: Path
    blobs: Blobs
    settings: Settings

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
        key_rounds: int = ROUNDS,
    ) -> Ceremony:
        """Make a registry: keys, first metadata, database. All or nothing; `folder` must not be there, or be empty.

        Args:
            folder: Of the registry.
            offline_keys: Where the three root keys and the targets key go, encrypted; a stick that is pulled afterwards.
            passphrase: Of these key files, 12 characters at least.
            settings: Lifetimes and limits; written to `registry.toml`.
            clock: What time it is.
            by: For the log.
            key_rounds: Of the passphrase's derivation; fewer only in tests.

        Raises:
            AlreadyThere: There is something in `folder`, or a key file in `offline_keys`.
            Refused: The passphrase is too short.
        """
        return first.make(folder, offline_keys, passphrase, settings or Settings(), clock(), by, key_rounds)

    @classmethod
    def open(cls, folder: Path, *, clock: Callable[[], datetime] = utc_now) -> Registry:
        """Open a registry, and finish what a crash has left half written.

        Raises:
            StateUnreadable: It is none, or of a later version.
        """
        found = settings_file.read(folder)
        registry = cls(folder, Database(folder / DATABASE), found, clock)
        try:
            with registry._turn.taken():
                registry._finish(after_crash=True)
        except BaseException:
            registry.close()
            raise
        return registry

    def __init__(self, folder: Path, database: Database, settings: Settings, clock: Callable[[], datetime]) -> None:
        self.folder = folder
        self.public = folder / first.PUBLIC
        self.settings = settings
        self.blobs = FolderBlobs(self.public, folder / first.UPLOADS, max_bytes=settings.max_blob_bytes)
        self._database = database
        self._clock = clock
        self._turn = Turn(folder / _TURN)
        self._patching = threading.Lock()  # old and new files lie in memory for it: one at a time

    def close(self) -> None:
        """Let go of the database. May be called twice."""
        self._database.close()

    def __enter__(self) -> Self:
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
        with self._change(by) as edit:
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
        with self._change(by) as edit:
            models.change_owners(edit, name, owners, threshold, targets_signer, metadata)

    def role_metadata(self, name: str) -> bytes | None:
        """The current `model.<name>` metadata, which a publisher builds on; None before the first version.

        Raises:
            UnknownName: There is no such model.
        """
        with self._database.reading() as tx:
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
        with self._looking(by) as edit:
            checked = models.check_publish(edit, request, self.blobs)
            olds = patches.sources(edit.tx, request.model, request.channel, self.settings.patch_sources)
        with self._patching:
            count = patches.make(self.blobs, self.public, olds, checked.manifest, self.settings)
        with self._change(by) as edit:
            checked = models.check_publish(edit, request, self.blobs)
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
        with self._change(by) as edit:
            return models.yank(edit, model, version, metadata)

    def renew_role(self, model: str, metadata: bytes, *, by: str) -> None:
        """Take a role's metadata with the same targets: a later expiry, or another `min_release`.

        Raises:
            UnknownName, Conflict, SignatureInvalid, RoleRefused: As in `publish`.
        """
        with self._change(by) as edit:
            models.renew(edit, model, metadata)

    def models(self) -> list[ModelInfo]:
        """All models, by name."""
        with self._database.reading() as tx:
            return [_model(tx, name) for name in versions.model_names(tx)]

    def model(self, name: str) -> ModelInfo:
        """One model.

        Raises:
            UnknownName: There is no such model.
        """
        with self._database.reading() as tx:
            _known_model(tx, name)
            return _model(tx, name)

    def version(self, model: str, version: str) -> VersionInfo:
        """One version, yanked ones too.

        Raises:
            UnknownName: There is no such version.
        """
        with self._database.reading() as tx:
            return _version(tx, model, version)

    def manifest(self, model: str, version: str) -> bytes:
        """The `manifest.json` of a version.

        Raises:
            UnknownName: There is no such version.
        """
        with self._database.reading() as tx:
            _version(tx, model, version)
            return patches.manifest_bytes(tx, model, version) or b""

    def history(self, model: str) -> list[Change]:
        """What the log says of a model, oldest first.

        Raises:
            UnknownName: There is no such model.
        """
        with self._database.reading() as tx:
            _known_model(tx, model)
            return changes.read(tx, 0, _MOST_HISTORY, f"model:{model}")

    def diff(self, model: str, before: str, after: str) -> Diff:
        """Files in which two versions differ, and what a patch between them costs.

        Raises:
            UnknownName: There is no such version.
        """
        return compare(self.public, model, (before, self.manifest(model, before)), (after, self.manifest(model, after)))

    # -- what should run where -----------------------------------------------------------------------------------------------------

    def subjects(self) -> list[SubjectInfo]:
        """All assignments: `channel:<name>` and `device:<id>`, by name."""
        with self._database.reading() as tx:
            return versions.all_subjects(tx)

    def subject(self, subject: str) -> SubjectInfo:
        """One assignment.

        Raises:
            UnknownName: Nothing was ever assigned to it.
        """
        with self._database.reading() as tx:
            found = versions.subject(tx, subject)
        if found is None:
            raise UnknownName(f"nothing was ever assigned to {subject}", hint="`lineside registry channel` assigns")
        return found

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
            GateRefused: A channel would go on to a version that is not shown to be as good as the one it names.
        """
        with self._change(by) as edit:
            gate.demand_no_worse(edit, subject, models, self.blobs)
            return subjects.assign(edit, subject, models, replace=replace)

    def set_channel(
        self, channel: str, models: Mapping[str, str | None], *, replace: bool = False, by: str
    ) -> SubjectInfo:
        """`assign` to `channel:<channel>`."""
        return self.assign(layout.channel_subject(channel), models, replace=replace, by=by)

    def assign_device(
        self, device: str, models: Mapping[str, str | None], *, replace: bool = False, by: str
    ) -> SubjectInfo:
        """`assign` to `device:<device>`; it beats the channel, per model."""
        return self.assign(layout.device_subject(device), models, replace=replace, by=by)

    # -- time and keys -------------------------------------------------------------------------------------------------------------

    def refresh(self, *, force: bool = False) -> Refreshed:
        """Sign again what has less than half of its lifetime left: timestamp, snapshot, assignments. For a job; cheap when there is nothing.

        Uploads that nobody went on with for a week are removed.

        Args:
            force: Sign timestamp and snapshot again in any case.
        """
        with self._change("refresh") as edit:
            done = keys.refresh(edit, force=force)
        remove_abandoned(self.folder, self.public, _ABANDONED_AFTER)
        return done

    def expiries(self) -> list[Expiry]:
        """How long each role's metadata holds, the first to expire first."""
        with self._database.reading() as tx:
            found = [
                Expiry(row.role, row.version, row.expires, row.role not in (SNAPSHOT, TIMESTAMP))
                for row in files.all_current(tx)
            ]
        return sorted(found, key=lambda entry: (entry.expires, entry.role))

    def root_keys(self) -> list[Key]:
        """The keys of the root role."""
        with self._looking("") as edit:
            return repository.keys_of(edit.payload(ROOT, Root), ROOT)

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
        with self._change(by) as edit:
            keys.rotate_root(edit, signers, add, remove)

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
        with self._change(by) as edit:
            keys.rotate_targets(edit, root_signers, new, old)

    def renew_targets(self, targets_signer: Signer, *, by: str) -> None:
        """Sign the targets metadata again with a later expiry.

        Raises:
            SignatureInvalid: The signer is not the targets key.
        """
        with self._change(by) as edit:
            keys.renew_targets(edit, targets_signer)

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
        if role not in (SNAPSHOT, TIMESTAMP, ASSIGNMENT):
            raise Refused(f"{role!r} is no online role", hint="snapshot, timestamp or assignment")
        if role == ASSIGNMENT and targets_signer is None:
            raise SignatureInvalid("the key of assignments is signed by the targets key, which is missing")
        uri = new_uri or f"file2:{first.KEYS}/{role}-{secrets.token_hex(4)}.pem"
        path = self.folder / uri.partition(":")[2]
        new = signer_from_uri(uri, None, new_key) if new_uri else create_key_file(path, None)
        try:
            with self._change(by) as edit:
                old = files.online_key(edit.tx, role)
                if role != ASSIGNMENT:
                    keys.rotate_signed_by_root(edit, role, root_signers, new, uri)
                elif targets_signer is not None:
                    keys.rotate_assignment(edit, targets_signer, new, uri)
        except BaseException:
            if not new_uri:
                _remove_key(path)
            raise
        if old is not None and old.uri.startswith(f"file2:{first.KEYS}/"):
            _remove_key(self.folder / old.uri.partition(":")[2])
        return new.public_key.keyid

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
        with self._turn.taken():
            self._finish()
            with self._database.reading() as tx:
                parcel = exporting.collect(tx, models, self.public, every_version=every_version)
        exporting.write(parcel, self.blobs, to)
        named = [f"{info.model} {info.version}" for info in parcel.versions]
        with self._database.writing() as tx:
            changes.add(tx, self._clock(), by, "export", "registry", {"versions": named})
        return named

    # -- devices -------------------------------------------------------------------------------------------------------------------

    def create_enrolment_token(self, device: str, *, valid_for: timedelta = timedelta(days=7), by: str) -> str:
        """A secret that admits one device once. It is shown only here.

        Raises:
            Refused: It is no name of a device.
        """
        with self._database.writing() as tx:
            return devices.create_token(tx, device, self._clock(), valid_for, by)

    def nonce(self) -> str:
        """A number that goes into one request for enrolment, within five minutes.

        Raises:
            RegistryBusy: Too many are open.
        """
        with self._database.writing() as tx:
            return devices.nonce(tx, self._clock())

    def enrol(self, request: bytes) -> Enrolled:
        """Take a device's request (schema `lineside.enrol/1`, in an envelope sealed with its own key).

        It is admitted with a token for this id that is valid, was not used, and if the id is new; the same key once more stays what it is.
        Everybody else waits for an operator.

        Raises:
            EnrolmentRefused: The nonce or the token is not valid, or the key is not the one that signed.
            MetadataInvalid, SignatureInvalid: It is no signed request.
            RegistryBusy: Too many wait already.
        """
        with self._database.writing() as tx:
            return devices.enrol(tx, request, self.settings, self._clock())

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
        with self._database.writing() as tx:
            devices.approve(tx, device, keyid, self._clock(), by)
            return _device(tx, device)

    def reject(self, device: str, *, keyid: str | None = None, by: str) -> int:
        """Send who waits away; how many that were.

        Raises:
            UnknownName: Nobody waits.
        """
        with self._database.writing() as tx:
            return devices.reject(tx, device, keyid, self._clock(), by)

    def revoke_device(self, device: str, *, by: str) -> None:
        """Take no reports of a device any more. To come back it needs an operator.

        Raises:
            UnknownName: There is no such device.
        """
        with self._database.writing() as tx:
            devices.revoke(tx, device, self._clock(), by)

    def report(self, content: bytes) -> str:
        """Take a device's report (schema `lineside.report/1`), and return the device's id.

        Raises:
            ReportRefused: The device is not admitted, the number does not rise, or it says something impossible.
            MetadataInvalid, SignatureInvalid: It is not signed by the device.
            ContentTooLarge: It is larger than `max_report_bytes`.
        """
        with self._database.writing() as tx:
            return devices.report(tx, content, self.settings, self._clock())

    def devices(self) -> list[DeviceInfo]:
        """All devices by id, without their events."""
        with self._database.reading() as tx:
            return state_devices.all_devices(tx)

    def waiting(self) -> list[Candidate]:
        """Who asks to be a device and waits for an operator, the first one first."""
        with self._database.reading() as tx:
            return state_devices.waiting(tx)

    def device(self, device: str) -> DeviceInfo:
        """One device, with its events.

        Raises:
            UnknownName: There is no such device.
        """
        with self._database.reading() as tx:
            return _device(tx, device)

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
        with self._database.writing() as tx:
            who, secret = tokens.create(tx, name, role, models, self._clock(), valid_for)
            changes.add(tx, self._clock(), by, "create-token", f"token:{who.id}", {"name": name, "role": role})
        return who, secret

    def authenticate(self, secret: str) -> Principal | None:
        """Whose secret it is, in constant time; None if nobody's, expired or revoked."""
        with self._database.reading() as tx:
            return tokens.authenticated(tx, secret, self._clock())

    def tokens(self) -> list[TokenInfo]:
        """All tokens, without their secrets."""
        with self._database.reading() as tx:
            return state_tokens.all_tokens(tx)

    def revoke_token(self, token: str, *, by: str) -> None:
        """End a token.

        Raises:
            UnknownName: There is no such token.
        """
        with self._database.writing() as tx:
            if state_tokens.token(tx, token) is None:
                raise UnknownName(f"there is no token {token}", hint="`lineside registry token list`")
            state_tokens.revoke(tx, token, self._clock())
            changes.add(tx, self._clock(), by, "revoke-token", f"token:{token}", {})

    # -- what happened -------------------------------------------------------------------------------------------------------------

    def log(self, *, after: int = 0, limit: int = 100, subject: str | None = None) -> list[Change]:
        """Lines of the log from number `after + 1`, oldest first."""
        with self._database.reading() as tx:
            return changes.read(tx, after, limit, subject)

    def verify_log(self) -> int:
        """Number of lines, after the whole chain was computed again.

        Raises:
            LogBroken: A line was changed, or one is missing.
        """
        with self._database.reading() as tx:
            return changes.verify(tx)

    # -- how a change is made ------------------------------------------------------------------------------------------------------

    @contextmanager
    def _change(self, by: str) -> Iterator[Edit]:
        """A change: decided by the commit, then written. Raising within it undoes it."""
        with self._turn.taken():
            self._finish()
            with self._database.writing() as tx:
                edit = Edit(self.folder, self.settings, tx, self._clock(), by)
                yield edit
                edit.close()
            self._finish()

    @contextmanager
    def _looking(self, by: str) -> Iterator[Edit]:
        """The present state as a change sees it; nothing may be changed."""
        with self._database.reading() as tx:
            yield Edit(self.folder, self.settings, tx, self._clock(), by)

    def _finish(self, *, after_crash: bool = False) -> None:
        """Write what committed changes have queued; whoever has the turn calls it. Afterwards files and database agree."""
        with self._database.reading() as tx:
            pending = files.pending(tx)
        if not pending:
            return
        queued = [(path, content) for _, path, content in pending]
        if after_crash:
            remove_leftovers(self.public, queued)
        write_all(self.public, queued)
        with self._database.writing() as tx:
            files.forget_pending(tx, pending[-1][0])


def _known_model(tx: Connection, name: str) -> None:
    if name not in versions.model_names(tx):
        raise UnknownName(f"there is no model {name}", hint="`lineside registry models list`")


def _version(tx: Connection, model: str, name: str) -> VersionInfo:
    found = versions.version(tx, model, name)
    if found is None:
        raise UnknownName(f"there is no version {name} of {model}", hint=f"`lineside registry models show {model}`")
    return found


def _device(tx: Connection, name: str) -> DeviceInfo:
    found = state_devices.device(tx, name)
    if found is None:
        raise UnknownName(f"there is no device {name}", hint="`lineside registry devices list`")
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


def _remove_key(path: Path) -> None:
    path.unlink(missing_ok=True)
    public_file(path).unlink(missing_ok=True)
