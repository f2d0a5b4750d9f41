"""The one rule for names, ids and location segments (design, section 4)."""

from __future__ import annotations

import re

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
_NAME = re.compile(NAME_PATTERN)


def is_name(text: str) -> bool:
    """Whether `text` may name a device, a source, a model, a pipeline or a segment of a location."""
    return _NAME.fullmatch(text) is not None and not text.endswith("\n")


def to_name(text: str) -> str:
    """The nearest name to `text`, for defaults such as the host name; `device` if nothing of it can stay."""
    kept = re.sub(r"[^A-Za-z0-9._-]+", "-", text).lstrip("._-")[:64]
    return kept or "device"
