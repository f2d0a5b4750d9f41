"""Times as they stand in files and in the database."""

from __future__ import annotations

from datetime import datetime, timezone


def iso(at: datetime) -> str:
    """ISO 8601 with microseconds and `Z`: sorts as text."""
    return at.astimezone(timezone.utc).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parsed(text: str) -> datetime:
    """An aware time.

    Raises:
        ValueError: It is none, or has no zone.
    """
    at = datetime.fromisoformat(text.removesuffix("Z") + "+00:00" if text.endswith("Z") else text)
    if at.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return at.astimezone(timezone.utc)


def whole_second(at: datetime) -> datetime:
    """TUF knows no fractions of a second."""
    return at.replace(microsecond=0)
