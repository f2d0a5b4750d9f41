"""What should run where."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from cloud_sync.registry.server.messages.base import MANY, Message, Name


class AssignBody(Message):
    """What should run."""

    models: dict[Name, Name | None] = Field(max_length=MANY)
    """Model → version; null takes the model out."""
    replace: bool = False
    """Take out the models that are not named."""
    gates: dict[Name, dict[Name, float | None]] = Field(default={}, max_length=MANY)
    """Model → gates that its versions must pass on a device before they count there; null takes one out. Of bundle, device and this the tightest
    value holds. They stay when another version is assigned."""


class Subject(Message):
    """What a channel or a device should run."""

    subject: str
    counter: int
    issued_at: datetime
    expires: datetime
    models: dict[str, str]
    gates: dict[str, dict[str, float]]
    """Model → gates that are set here, for models that have any."""


class Subjects(Message):
    """Assignments, by subject."""

    subjects: list[Subject]
