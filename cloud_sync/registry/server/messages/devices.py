"""Devices, who wants to be one, and what they report."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from cloud_sync.registry.server.messages.base import Message, Name


class Candidate(Message):
    """Somebody who asks to be a device, and waits for an operator."""

    device: str
    keyid: str
    """To be compared with what the device itself shows."""
    asked_at: datetime
    profile: str
    agent_version: str


class Device(Message):
    """A device that was admitted once."""

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
    """All devices, by id, and all who wait to become one."""

    devices: list[Device]
    waiting: list[Candidate]


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
