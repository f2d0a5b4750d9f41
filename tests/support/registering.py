"""A registry with its keys at hand, an owner who publishes, and devices that enrol and report."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, TargetFile, Targets

from cloud_sync import assignment, envelope, layout
from cloud_sync.manifest import FileEntry, Manifest
from cloud_sync.registry.registry import Registry
from cloud_sync.registry.types import PublishRequest
from cloud_sync.signers import signer_from_uri
from cloud_sync.trust import TrustedRepository
from cloud_sync.wire.folder import FolderWire

if TYPE_CHECKING:
    from pathlib import Path

    from securesystemslib.signer import Signer

    from cloud_sync.registry.settings import Settings
    from cloud_sync.registry.types import Published, Yanked

PASSPHRASE = "correct horse battery"
START = datetime(2026, 12, 1, 6, 0, tzinfo=timezone.utc)


@dataclass
class Clock:
    """A clock that stands until it is moved."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **stretch: float) -> None:
        self.now += timedelta(**stretch)


@dataclass
class Owner:
    """The team of one model; its keys never leave it."""

    model: str
    signers: list[Signer] = field(default_factory=lambda: [CryptoSigner.generate_ed25519()])
    valid_for: timedelta = timedelta(days=365)

    @property
    def keys(self):
        return [signer.public_key for signer in self.signers]

    def role(self, current: bytes | None, now: datetime, *, change=lambda targets: None) -> bytes:
        """The next role metadata, one version up and signed."""
        if current is None:
            targets = Targets(version=1, unrecognized_fields={"x-lineside": {"min_release": 0}})
        else:
            targets = Metadata.from_bytes(current).signed
            targets.version += 1
        targets.expires = (now + self.valid_for).replace(microsecond=0)
        change(targets)
        metadata = Metadata(targets)
        for signer in self.signers:
            metadata.sign(signer, append=True)
        return metadata.to_bytes()


def add_target(
    targets: Targets, manifest: bytes, model: str, version: str, release: int, hardware=(), unsafe=None
) -> None:
    path = layout.manifest_target(model, version)
    custom = {"release": release, "hardware": list(hardware), "published_at": "2026-12-01T06:00:00Z"}
    if unsafe is not None:
        custom["unsafe_publish_worse"] = unsafe
    digest = hashlib.sha256(manifest).hexdigest()
    targets.targets[path] = TargetFile(len(manifest), {"sha256": digest}, path, {"custom": custom})


def manifest_of(model: str, version: str, files: dict[str, bytes]) -> bytes:
    entries = [FileEntry(path, hashlib.sha256(data).hexdigest(), len(data)) for path, data in sorted(files.items())]
    return Manifest(model, version, tuple(entries)).encode()


@dataclass
class Site:
    """A registry that was made here, opened, with everybody's keys."""

    folder: Path
    offline: Path
    clock: Clock
    registry: Registry
    owners: dict[str, Owner] = field(default_factory=dict)

    @classmethod
    def make(cls, tmp_path: Path, settings: Settings | None = None, clock: Clock | None = None) -> Site:
        clock, folder, offline = clock or Clock(), tmp_path / "registry", tmp_path / "offline"
        Registry.init(folder, offline, lambda _: PASSPHRASE, settings=settings, clock=clock, key_rounds=1000)
        return cls(folder, offline, clock, Registry.open(folder, clock=clock))

    def copy(self, to: Path) -> Site:
        """The same in another place, which costs less than making one. The original is closed."""
        shutil.copytree(self.folder, to / "registry")
        shutil.copytree(self.offline, to / "offline")
        clock = Clock(self.clock.now)
        registry = Registry.open(to / "registry", clock=clock)
        return Site(to / "registry", to / "offline", clock, registry, dict(self.owners))

    @property
    def public(self) -> Path:
        return self.folder / "public"

    def signer(self, name: str) -> Signer:
        return signer_from_uri(f"encrypted:{self.offline / name}.pem", lambda _: PASSPHRASE)

    @property
    def roots(self) -> list[Signer]:
        return [self.signer("root-1"), self.signer("root-2")]

    def add_model(self, model: str) -> Owner:
        owner = self.owners[model] = Owner(model)
        self.registry.models.add(model, owner.keys, self.signer("targets"), by="ada")
        return owner

    def request(
        self,
        model: str,
        version: str,
        release: int,
        files: dict[str, bytes],
        channel=None,
        hardware=(),
        min_release=None,
        unsafe=None,
    ) -> PublishRequest:
        """A version whose files are uploaded."""
        for data in files.values():
            self.registry.blobs.put(data)
        manifest = manifest_of(model, version, files)

        def change(targets: Targets) -> None:
            add_target(targets, manifest, model, version, release, hardware, unsafe)
            if min_release is not None:
                targets.unrecognized_fields["x-lineside"] = {"min_release": min_release}

        metadata = self.owners[model].role(self.registry.models.role_metadata(model), self.clock(), change=change)
        return PublishRequest(model, manifest, metadata, channel)

    def publish(
        self, model: str, version: str, release: int, files: dict[str, bytes], channel=None, **more
    ) -> Published:
        return self.registry.models.publish(self.request(model, version, release, files, channel, **more), by="ada")

    def yank(self, model: str, version: str) -> Yanked:
        def change(targets: Targets) -> None:
            del targets.targets[layout.manifest_target(model, version)]

        metadata = self.owners[model].role(self.registry.models.role_metadata(model), self.clock(), change=change)
        return self.registry.models.yank(model, version, metadata, by="ada")


@dataclass
class Device:
    """The device's side of enrolment and reports, as far as a registry sees it."""

    name: str
    signer: Signer = field(default_factory=CryptoSigner.generate_ed25519)
    number: int = 0

    def request(self, its_nonce: str, its_token: str | None = None, **other) -> bytes:
        payload = {
            "schema": "lineside.enrol/1",
            "device": self.name,
            "nonce": its_nonce,
            "token": its_token,
            "key": self.signer.public_key.to_dict(),
            "profile": "generic",
            "agent_version": "0.1.0",
            **other,
        }
        return envelope.seal(payload, self.signer)

    def report(self, running: dict[str, str], happened=(), **other) -> bytes:
        self.number += 1
        detail = {
            name: {"version": v, "digest": None, "state": "active", "reason": None} for name, v in running.items()
        }
        payload = {
            "schema": "lineside.report/1",
            "device": self.name,
            "number": self.number,
            "sent_at": "2026-12-01T06:00:00Z",
            "runs": detail,
            "events": list(happened),
            "error": None,
            **other,
        }
        return envelope.seal(payload, self.signer)


def assignment_of(public: Path, subject: str) -> dict:
    return json.loads((public / layout.assignment(subject)).read_bytes())["signed"]


def client(site: Site, folder: Path, public: Path | None = None) -> TrustedRepository:
    """A device's view, brought up to date: a new one trusts the first root, a known folder goes on."""
    public = public or site.public
    root = (public / "metadata" / "1.root.json").read_bytes()
    trusted = TrustedRepository(folder, FolderWire(public), root=root, now=site.clock())
    trusted.refresh()
    return trusted


def seen(trusted: TrustedRepository, models) -> dict[str, dict[str, str]]:
    """Model → version → digest of the manifest, as a device reads and verifies it."""
    found: dict[str, dict[str, str]] = {}
    for model in models:
        delegation = trusted.delegation(model)
        assert delegation is not None
        for path in delegation.targets:
            content = trusted.read_target(path, 1 << 20)
            found.setdefault(model, {})[layout.of_manifest_target(path)[1]] = hashlib.sha256(content).hexdigest()
    return found


def accepted(site: Site, trusted: TrustedRepository, subject: str, public: Path | None = None) -> dict[str, str]:
    """Model → version of an assignment that a device accepts."""
    keys = assignment.read_keys(trusted.read_target(layout.ASSIGNMENT_KEYS, 1 << 20))
    content = ((public or site.public) / layout.assignment(subject)).read_bytes()
    found = assignment.accept(
        content, keys=keys, subject=subject, now=site.clock(), metadata_until=trusted.timestamp_expires
    )
    return {model: wanted.version for model, wanted in found.assignment.models.items()}
