"""`ModelStore`: the versions on this device, and the three records that say what they are for.

    store/versions/<digest>/   one folder a version, never changed
    store/activation.json      what each model runs and ran before; written by the agent
    store/staged.json          what is ready to be next; written by the sync
    store/rejected.json        what did not prove itself here; written by the agent, forgiven by the sync

Reading takes no lock and fails for nothing half-written. Writing takes a lock between processes, for as long as a small file or a name
is written.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, TypeVar

from cloud_sync import manifest as manifests
from cloud_sync.atomic import sync_folder, write_atomically
from cloud_sync.errors import BlobDiffers
from cloud_sync.layout import is_sha256
from cloud_sync.manifest import FilesDiffer, ManifestInvalid
from cloud_sync.store import folders, records
from cloud_sync.store.errors import StoreBusy, VersionMissing
from cloud_sync.store.records import Activation, Rejection, Version, of_mate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

_MAX_RECORD_BYTES = 4 << 20
_LOCK_S = 30.0
_LOOK_AGAIN_S = 0.01
T = TypeVar("T")


class ModelStore:
    """The store below a state directory. Any thread, any process; holds nothing but paths.

    Everything may raise OSError where the disk does, and what writes may raise StoreBusy.
    """

    def __init__(self, state_dir: Path) -> None:
        self._root = state_dir / "store"
        self._versions = self._root / "versions"
        self._staging = self._root / "staging"
        self._activation = self._root / "activation.json"
        self._staged = self._root / "staged.json"
        self._rejected = self._root / "rejected.json"

    # -- reading ------------------------------------------------------------------------------------------------------------------

    def folder(self, digest: str) -> Path | None:
        """Where a version lies; None if it does not. Its files are compared with its manifest by whoever opens it."""
        if not is_sha256(digest):
            return None
        place = self._versions / digest
        return place if place.is_dir() else None

    def digests(self) -> set[str]:
        """Of all versions that lie here."""
        with contextlib.suppress(FileNotFoundError):
            return {entry.name for entry in self._versions.iterdir() if is_sha256(entry.name)}
        return set()

    def active(self, name: str) -> Version | None:
        """What a model runs; None before its first activation, or when somebody has removed its folder."""
        one = self._read_activation().models.get(name)
        return self._if_here(one.active) if one else None

    def previous(self, name: str) -> Version | None:
        """What a model ran before."""
        one = self._read_activation().models.get(name)
        return self._if_here(one.previous) if one and one.previous else None

    def staged(self) -> dict[str, Version]:
        """What is verified and ready to be next, by model; neither what is active already nor what was rejected."""
        staged = _read(self._staged, records.decode_staged) or {}
        if not staged:
            return {}
        running, rejected = self._read_activation().models, self.rejected()
        return {
            name: version
            for name, version in staged.items()
            if self.folder(version.digest)
            and not (name in running and running[name].active.digest == version.digest)
            and not (name in rejected and rejected[name].digest == version.digest)
        }

    def rejected(self) -> dict[str, Rejection]:
        """The last version of each model that did not prove itself."""
        return _read(self._rejected, records.decode_rejected) or {}

    def files(self) -> dict[str, Path]:
        """A file for each sha256 that the manifests here list. What it holds is for the caller to verify."""
        found = {}
        for digest in sorted(self.digests()):
            folder = self._versions / digest
            with contextlib.suppress(ManifestInvalid):
                listed = manifests.read(folder)
                found.update({entry.sha256: folder / entry.path for entry in listed[0].files} if listed else {})
        return found

    def is_whole(self, digest: str) -> bool:
        """Whether a version is here and as its manifest says. Reads all of it."""
        folder = self.folder(digest)
        return folder is not None and folders.is_whole(folder, digest)

    def has_room(self, size_bytes: int, reserve_bytes: int) -> bool:
        """Whether the disk has room for so much, and still the reserve for everybody else."""
        place = next(path for path in (self._root, *self._root.parents) if path.exists())
        return shutil.disk_usage(place).free - size_bytes >= reserve_bytes

    # -- the sync's side ----------------------------------------------------------------------------------------------------------

    def tidy(self) -> None:
        """Remove what a killed sync or agent has left behind. Called by the only process that stages, before it does."""
        if not self._root.is_dir():
            return
        folders.clear(self._staging)
        with self._locked():
            for leftover in self._root.glob(".*.partial"):
                leftover.unlink(missing_ok=True)

    def stage(self, build: Callable[[Path], None], manifest_bytes: bytes) -> str:
        """Put a version into the store; does nothing where it is already.

        Args:
            build: Fills an empty folder with the files of the manifest; whatever it raises comes through, and nothing has changed.
            manifest_bytes: The manifest, as its owners signed it.

        Returns:
            The digest.

        Raises:
            ManifestInvalid: It is none.
            BlobDiffers: The folder is not what the manifest says.
        """
        listed, digest = manifests.decode(manifest_bytes), hashlib.sha256(manifest_bytes).hexdigest()
        if self.is_whole(digest):
            return digest
        self._make_folders()
        draft = folders.new_draft(self._staging, digest)
        try:
            build(draft)
            (draft / manifests.MANIFEST).write_bytes(manifest_bytes)
            manifests.verify(draft, listed)
            folders.make_durable(draft)
            with self._locked():
                folders.settle(draft, self._versions / digest, self._staging)
        except FilesDiffer as error:
            raise BlobDiffers(f"{listed.name} {listed.version} is not what its manifest says: {error}") from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        folders.clear(self._staging)
        return digest

    def want(self, versions: Mapping[str, Version]) -> None:
        """Say which staged versions are to be next, for all models at once.

        Raises:
            VersionMissing: One of them is not in the store.
        """
        self._demand(versions.values())
        with self._locked():
            before, after = _read(self._staged, records.decode_staged) or {}, records.encode_staged(versions)
            if records.encode_staged(before) != after:
                write_atomically(self._staged, after)

    def forgive(self, names: Iterable[str]) -> None:
        """Forget rejections, because something else is assigned now."""
        with self._locked():
            before = self.rejected()
            after = {name: rejection for name, rejection in before.items() if name not in set(names)}
            if after != before:
                write_atomically(self._rejected, records.encode_rejected(after))

    # -- the agent's side ---------------------------------------------------------------------------------------------------------

    def activate(self, versions: Mapping[str, Version]) -> None:
        """Make versions the active ones, all of them by one record; what was active becomes `previous`.

        Raises:
            VersionMissing: One of them is not in the store.
        """
        with self._locked():
            self._demand(versions.values())
            before = self._read_activation()
            after = before.after(versions, _now())
            if after is not before:
                write_atomically(self._activation, after.encode())

    def give_back(self, digests: Mapping[str, str]) -> None:
        """Make what was active before the active one again, all of them by one record.

        Args:
            digests: What each of these models is not to run any more; one that runs something else stays, one that ran nothing before runs
                nothing.
        """
        with self._locked():
            before = self._read_activation()
            after = before.without(digests, _now())
            if after is not before:
                write_atomically(self._activation, after.encode())

    def reject(self, version: Version, reason: str, mates: Iterable[Version] = ()) -> None:
        """Note that a version did not prove itself, so that it is not staged again until something else was assigned.

        Args:
            version: Which.
            reason: A sentence.
            mates: Those that came with it and have no fault of their own, by the same record. They may be staged again, too, when another version
                of this model is assigned with them.
        """
        why, now = of_mate(version, reason), _now()
        self._reject(
            {mate.name: Rejection(mate.digest, why, now, (version,)) for mate in mates}
            | {version.name: Rejection(version.digest, reason, now)}
        )

    def reject_together(self, versions: Iterable[Version], reason: str) -> None:
        """Note that versions did not prove themselves that came together, where nobody can say which of them it was.

        Each of them may be staged again when it comes with something else.
        """
        all_of_them, now = tuple(versions), _now()
        self._reject(
            {
                one.name: Rejection(one.digest, reason, now, tuple(other for other in all_of_them if other is not one))
                for one in all_of_them
            }
        )

    def _reject(self, rejections: Mapping[str, Rejection]) -> None:
        with self._locked():
            write_atomically(self._rejected, records.encode_rejected({**self.rejected(), **rejections}))

    def came_with(self, name: str) -> dict[str, Version]:
        """What became active by the same record as the active version of a model, and is active still; that model included."""
        models = self._read_activation().models
        return {other: one.active for other, one in models.items() if name in models and one.at == models[name].at}

    def discard_damaged(self, digest: str) -> bool:
        """Remove a version whose files are no longer what its manifest says, so that the next sync fetches it again.

        Returns:
            Whether it was damaged. A whole one is never removed, active or not.
        """
        folder = self.folder(digest)
        if folder is None or self.is_whole(digest):
            return False
        with self._locked():
            aside = folders.move_aside(folder, self._staging)
        if aside is not None:
            shutil.rmtree(aside, ignore_errors=True)
        return True

    # -- both ---------------------------------------------------------------------------------------------------------------------

    def collect(self, keep: int, in_use: Iterable[str]) -> list[str]:
        """Remove old versions.

        Args:
            keep: How many versions of each model stay, the newest ones. What is active, previous, staged or in use counts, and stays also
                where that is more.
            in_use: Digests that somebody has open.

        Returns:
            Digests of what was removed. Nothing is removed where the activation record cannot be read.
        """
        with self._locked():
            if self._activation.exists() and _read(self._activation, records.decode_activation) is None:
                return []
            needed = self._needed() | set(in_use)
            doomed = [
                digest
                for digests in self._by_model().values()
                for digest in _beyond([d for d in digests if d in needed], digests, keep)
            ]
            aside = [folders.move_aside(self._versions / digest, self._staging) for digest in doomed]
        for folder in aside:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
        return doomed

    def _needed(self) -> set[str]:
        staged = _read(self._staged, records.decode_staged) or {}
        needed = {version.digest for version in staged.values()}
        for one in self._read_activation().models.values():
            needed |= {one.active.digest} | ({one.previous.digest} if one.previous else set())
        return needed

    def _by_model(self) -> dict[str, list[str]]:
        """Digests of each model, the newest first."""
        ages: dict[str, list[tuple[float, str]]] = {}
        for digest in self.digests():
            folder = self._versions / digest
            ages.setdefault(_model_of(folder), []).append((folder.stat().st_mtime, digest))
        return {name: [digest for _, digest in sorted(each, reverse=True)] for name, each in ages.items()}

    def _if_here(self, version: Version) -> Version | None:
        return version if self.folder(version.digest) else None

    def _read_activation(self) -> Activation:
        """An unreadable record counts as none: the next sync finds everything staged again."""
        return _read(self._activation, records.decode_activation) or Activation()

    def _demand(self, versions: Iterable[Version]) -> None:
        for version in versions:
            if self.folder(version.digest) is None:
                raise VersionMissing(f"{version.name} {version.version} is not in the store", hint="lineside sync now")

    def _make_folders(self) -> None:
        """On the disk too: what lies in a folder is lost with its name."""
        if not self._versions.is_dir():
            self._versions.mkdir(parents=True, exist_ok=True)
            self._staging.mkdir(exist_ok=True)
            sync_folder(self._root)
            sync_folder(self._root.parent)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One process and thread at a time.

        Raises:
            StoreBusy: Somebody else has it for longer than anybody should.
        """
        self._make_folders()
        descriptor = os.open(self._root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            until_s = time.monotonic() + _LOCK_S
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > until_s:
                        raise StoreBusy(f"{self._root} is locked by another process", hint="who is it? fuser") from None
                    time.sleep(_LOOK_AGAIN_S)
            yield
        finally:
            os.close(descriptor)


def _beyond(needed: list[str], digests: list[str], keep: int) -> list[str]:
    """What is not needed and not among the newest that fill up to `keep`."""
    others = [digest for digest in digests if digest not in needed]
    return others[max(0, keep - len(needed)) :]


def _model_of(folder: Path) -> str:
    """By its manifest, not verified; what cannot be read is a model of its own."""
    try:
        return str(json.loads((folder / manifests.MANIFEST).read_bytes())["name"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""


def _read(path: Path, decode: Callable[[bytes], T | None]) -> T | None:
    """A record; None where there is none or it cannot be read."""
    try:
        with path.open("rb") as file:
            return decode(file.read(_MAX_RECORD_BYTES))
    except FileNotFoundError:
        return None


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")
