"""Uploads of files."""

from __future__ import annotations

from pydantic import Field

from cloud_sync.registry.server.messages.base import MANY, Message, Sha256


class BlobsWanted(Message):
    """Files that a version needs."""

    sha256: list[Sha256] = Field(max_length=MANY)
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
