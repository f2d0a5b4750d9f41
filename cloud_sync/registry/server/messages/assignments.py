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
