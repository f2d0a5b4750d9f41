"""What all messages of the API have in common, and what a failure looks like."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
MANY = 4096
"""Entries of a list at most."""


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
