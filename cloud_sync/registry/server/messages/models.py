"""Models and their versions."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from cloud_sync.registry.server.messages.base import Message, Name


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
