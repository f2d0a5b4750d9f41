"""What goes over the API, as types: they read the requests, write the answers, and make the OpenAPI document.

Times are UTC, ISO 8601 with `Z`. Digests of manifests begin with `sha256:`, as in all messages of Lineside.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_MANY = 4096


class Message(BaseModel):
    """Unknown keys are faults: who misspells one is told."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True, use_attribute_docstrings=True
    )


class Nothing(Message):
    """No body, or none that says anything."""


class Fault(Message):
    """What went wrong."""

    code: str
    """Stable name of the fault."""
    message: str
    """What, and to which object."""
    hint: str
    """The next step, or an empty string."""
    offset: int | None = None
    """`upload-offset`: where the upload goes on."""
    missing: list[str] | None = None
    """`blobs-missing`: which."""


class Failed(Message):
    """Every answer that is no success."""

    error: Fault


# -- blobs ------------------------------------------------------------------------------------------------------------------------


class BlobsWanted(Message):
    """Files that a version needs."""

    sha256: list[Sha256] = Field(max_length=_MANY)
    """Their digests."""


class BlobsMissing(Message):
    """Files that have to be uploaded."""

    missing: dict[str, int]
    """Digest → offset from which on bytes are missing."""


class UploadQuery(Message):
    """Where a piece of an upload belongs."""

    offset: int = Field(ge=0)
    """Of the piece's first byte."""
    length: int = Field(ge=0)
    """Of the whole file."""


class UploadState(Message):
    """How far an upload has come."""

    sha256: str
    offset: int
    """How many bytes have arrived."""
    complete: bool
    """Whether it is there, verified, and on the disk."""


# -- models -----------------------------------------------------------------------------------------------------------------------


class PublishBody(Message):
    """A version to publish. Manifest and metadata are the texts of these files, byte for byte, as their digests and signatures need it."""

    manifest: str
    """Text of `manifest.json`."""
    metadata: str
    """Text of the new `model.<name>` metadata, signed by the model's owners."""
    channel: Name | None = None
    """Channel that gets it at once."""


class RoleBody(Message):
    """New metadata of a model's role."""

    metadata: str
    """Its text, signed by the model's owners."""


class Version(Message):
    """A version of a model."""

    model: str
    version: str
    release: int
    """Rises by one with each version of the model."""
    digest: str
    size_bytes: int
    hardware: list[str]
    """Devices that it is for; none stands for all."""
    published_at: datetime
    published_by: str
    state: Literal["published", "yanked"]
    channels: list[str]
    """Channels that name it now."""
    devices: int
    """Devices that said in their last report that they run it."""


class Published(Message):
    """A version that is visible now."""

    version: Version
    channel: str | None
    patches: int
    """Patches that were made, compressed wholes included."""
    below_min_release: list[str]
    """Subjects that name a version which the owners do not allow any more; their devices keep what they have."""


class Yanked(Message):
    """A version that was taken back."""

    model: str
    version: str
    returned: dict[str, str | None]
    """Subject → version that it names now instead, or null."""


class Model(Message):
    """A model."""

    name: str
    owners: list[str]
    """Ids of its owners' keys."""
    threshold: int
    """How many of them must sign."""
    min_release: int
    role_version: int
    """Of the `model.<name>` metadata; 0 before the first version."""
    role_expires: datetime | None
    versions: list[Version]
    """Newest release first."""


class Models(Message):
    """All models, by name."""

    models: list[Model]


class Change(Message):
    """A line of the log."""

    number: int
    at: datetime
    who: str
    what: str
    subject: str
    detail: dict[str, Any]
    previous: str
    hash: str
    """sha256 over the line and `previous`."""


class Changes(Message):
    """Lines of the log, oldest first."""

    changes: list[Change]


class DiffQuery(Message):
    """Two versions."""

    before: Name = Field(alias="from")
    after: Name = Field(alias="to")


class FileDiff(Message):
    """A file in which two versions differ; null where it is not there, or there is no patch."""

    path: str
    before_bytes: int | None
    after_bytes: int | None
    patch_bytes: int | None


class Diff(Message):
    """What differs between two versions."""

    model: str
    before: str
    after: str
    files: list[FileDiff]
    same: int
    """Number of files that do not differ."""


# -- what should run where --------------------------------------------------------------------------------------------------------


class AssignBody(Message):
    """What should run."""

    models: dict[Name, Name | None] = Field(max_length=_MANY)
    """Model → version; null takes the model out."""
    replace: bool = False
    """Take out the models that are not named."""


class Subject(Message):
    """What a channel or a device should run."""

    subject: str
    counter: int
    issued_at: datetime
    expires: datetime
    models: dict[str, str]


class Subjects(Message):
    """Assignments, by subject."""

    subjects: list[Subject]


# -- devices ----------------------------------------------------------------------------------------------------------------------


class Candidate(Message):
    """Somebody who asks to be a device, and waits for an operator."""

    device: str
    keyid: str
    """To be compared with what the device itself shows."""
    asked_at: datetime
    profile: str
    agent_version: str


class Device(Message):
    """A device; `keyid` and `state` are null where somebody only waits to become it."""

    device: str
    keyid: str
    state: str
    admitted_at: datetime
    admitted_by: str
    profile: str
    agent_version: str
    number: int
    """Of its last report."""
    reported_at: datetime | None
    runs: dict[str, dict[str, Any]]
    """Model → what the last report said of it."""
    error: Any
    events: list[dict[str, Any]]
    candidates: list[Candidate]
    """Other keys that ask to be this device."""


class Devices(Message):
    """All devices, by id."""

    devices: list[Device]


class CandidateBody(Message):
    """Which candidate."""

    keyid: str | None = None
    """Needed where several wait."""


class Rejected(Message):
    """How many were sent away."""

    device: str
    rejected: int


class DeviceRevoked(Message):
    """A device whose reports are not taken any more."""

    device: str


class EnrolmentTokenBody(Message):
    """Which device may enrol once."""

    device: Name
    valid_for_s: int = Field(default=7 * 86400, ge=60, le=90 * 86400)


class Secret(Message):
    """A secret; shown only here."""

    token: str


class Nonce(Message):
    """Goes into one request for enrolment."""

    nonce: str


class Enrolled(Message):
    """What became of a request to be a device."""

    device: str
    keyid: str
    state: Literal["admitted", "waiting"]


class ReportTaken(Message):
    """A report is on the disk."""

    device: str


# -- tokens, log, time ------------------------------------------------------------------------------------------------------------


class TokenBody(Message):
    """A token to make."""

    name: Name
    """What people call it."""
    role: Literal["admin", "publisher", "viewer"]
    models: list[Name] = Field(default=[], max_length=_MANY)
    """Of a publisher: whose versions it may change."""
    valid_for_s: int | None = Field(default=None, ge=60)


class Token(Message):
    """A token, without its secret."""

    id: str
    name: str
    role: Literal["admin", "publisher", "viewer"]
    models: list[str]
    created_at: datetime
    expires: datetime | None
    revoked_at: datetime | None


class Tokens(Message):
    """All tokens."""

    tokens: list[Token]


class NewToken(Message):
    """A token that was made."""

    id: str
    name: str
    role: Literal["admin", "publisher", "viewer"]
    models: list[str]
    token: str
    """The secret; shown only here."""


class TokenRevoked(Message):
    """A token that opens nothing any more."""

    id: str


class LogQuery(Message):
    """A stretch of the log."""

    after: int = Field(default=0, ge=0)
    """Number of the last line that is known."""
    limit: int = Field(default=100, ge=1, le=1000)
    subject: str | None = Field(default=None, max_length=200)
    """Such as `model:solar-cell`."""


class Expiry(Message):
    """How long a role's metadata holds."""

    role: str
    version: int
    expires: datetime
    offline: bool
    """Whether a person must come with a key."""


class Expiries(Message):
    """Roles, the first to expire first."""

    roles: list[Expiry]
