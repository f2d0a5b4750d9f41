"""What goes into the registry and comes out of it: plain values, all times aware UTC."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from securesystemslib.signer import Key

TokenRole = Literal["admin", "publisher", "viewer"]
OnlineRole = Literal["snapshot", "timestamp", "assignment"]
VersionState = Literal["published", "yanked"]
DeviceState = Literal["admitted", "revoked"]


@dataclass(frozen=True, slots=True)
class PublishRequest:
    """A version to publish, or to publish and assign to a channel at once.

    Attributes:
        model: Name of the model.
        manifest: The bytes of `manifest.json`; all files that it names are uploaded before.
        metadata: The new `model.<name>` metadata: one version up, exactly one target more, signed by the model's owners.
        channel: Channel that gets it, or None.
    """

    model: str
    manifest: bytes
    metadata: bytes
    channel: str | None = None


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """A version of a model.

    Attributes:
        digest: sha256 of its manifest, in hexadecimal.
        size_bytes: Of all its files.
        hardware: Tags that it is for; none stands for any.
        channels: Channels that name it now.
        devices: How many devices said in their last report that they run it.
    """

    model: str
    version: str
    release: int
    digest: str
    size_bytes: int
    hardware: tuple[str, ...]
    published_at: datetime
    published_by: str
    state: VersionState
    channels: tuple[str, ...] = ()
    devices: int = 0


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model, its owners and its versions, newest release first."""

    name: str
    owners: tuple[Key, ...]
    threshold: int
    min_release: int
    role_version: int  # 0 before the first version
    role_expires: datetime | None
    versions: tuple[VersionInfo, ...]


@dataclass(frozen=True, slots=True)
class Published:
    """What became visible.

    Attributes:
        patches: Number of patches that were kept, compressed wholes included.
        below_min_release: Subjects that still name a version which the owners do not allow any more; their devices keep what they have.
    """

    version: VersionInfo
    channel: str | None
    patches: int
    below_min_release: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Yanked:
    """A version that was taken back.

    Attributes:
        returned: Subject → the version that it names now instead, or None where it had no earlier one that may run.
    """

    model: str
    version: str
    returned: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class SubjectInfo:
    """What a channel or a device should run: the last signed assignment of `channel:<name>` or `device:<id>`.

    Attributes:
        models: Model → version.
        gates: Model → gates that this assignment sets for it, by name; models without any are not here.
    """

    subject: str
    counter: int
    issued_at: datetime
    expires: datetime
    models: Mapping[str, str]
    gates: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FileDiff:
    """One file in which two versions differ.

    Attributes:
        before_bytes: Its length in the first, or None if it is not there.
        after_bytes: In the second.
        patch_bytes: Length of the kept patch between the two, or None.
    """

    path: str
    before_bytes: int | None
    after_bytes: int | None
    patch_bytes: int | None


@dataclass(frozen=True, slots=True)
class Diff:
    """What differs between two versions; `same` counts the files that do not."""

    model: str
    before: str
    after: str
    files: tuple[FileDiff, ...]
    same: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody who asks to be a device, and waits for an operator."""

    device: str
    keyid: str
    asked_at: datetime
    profile: str
    agent_version: str


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """A device.

    Attributes:
        number: Of its last report; 0 before the first.
        runs: Model → {version, digest, state, reason} of its last report.
        events: What its last reports said of what happened, newest last, at most some hundred.
        error: Of its last report.
        candidates: Other keys that ask to be this device.
    """

    device: str
    keyid: str
    state: DeviceState
    admitted_at: datetime
    admitted_by: str
    profile: str
    agent_version: str
    number: int
    reported_at: datetime | None
    runs: Mapping[str, Mapping[str, Any]]
    error: Any = None
    events: tuple[Mapping[str, Any], ...] = ()
    candidates: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What became of a request to be a device: `admitted`, or `waiting` for an operator."""

    device: str
    keyid: str
    state: Literal["admitted", "waiting"]


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls the API: the owner of a token.

    Attributes:
        id: Of the token; public.
        name: What an operator called it.
        models: Of a publisher: the models whose versions it may change.
    """

    id: str
    name: str
    role: TokenRole
    models: tuple[str, ...] = ()

    def may_publish(self, model: str) -> bool:
        """Whether it may publish and yank versions of the model."""
        return self.role == "admin" or (self.role == "publisher" and model in self.models)


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """A token as it is listed; its secret is shown once, when it is made."""

    principal: Principal
    created_at: datetime
    expires: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Change:
    """A line of the log.

    Attributes:
        number: From 1, without gaps.
        what: Verb, such as `publish`.
        subject: What was changed, such as `model:solar-cell` or `channel:stable`.
        hash: sha256 over the line and `previous`, the hash of the line before.
    """

    number: int
    at: datetime
    who: str
    what: str
    subject: str
    detail: Mapping[str, Any]
    previous: str
    hash: str


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What was signed again because it would have expired, and when to look next."""

    timestamp: bool
    snapshot: bool
    assignments: tuple[str, ...]
    next_at: datetime


@dataclass(frozen=True, slots=True)
class Expiry:
    """How long a role's metadata holds; `offline` ones need a person."""

    role: str
    version: int
    expires: datetime
    offline: bool


@dataclass(frozen=True, slots=True)
class Ceremony:
    """What `init` made.

    Attributes:
        text: What lies where and what to do with it, for the person who holds the keys.
        root_sha256: Fingerprint of `1.root.json`, as in `sync.root_sha256`.
        offline_files: The encrypted key files.
    """

    text: str
    root_sha256: str
    root_keyids: tuple[str, ...] = ()
    targets_keyid: str = ""
    offline_files: tuple[str, ...] = field(default=())
