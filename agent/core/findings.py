"""What `check`, `doctor`, `bench` and the loading of a model have to say: one line each, for a person and for a machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that somebody should know.

    Attributes:
        code: Stable, machine-readable name, such as `unknown-key`.
        severity: `error` makes the thing unusable, `warning` wants a look, `info` is good to know.
        message: Names the fault and the object.
        hint: The next step, or an empty string.
    """

    code: str
    severity: Severity
    message: str
    hint: str = ""
