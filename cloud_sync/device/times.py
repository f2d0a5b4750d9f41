"""Times as they stand in files: UTC, ISO 8601, with Z."""

from __future__ import annotations

from datetime import datetime, timezone


def written(moment: datetime) -> str:
    """An aware time."""
    return moment.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


def read_time(text: str) -> datetime:
    """What `written` wrote.

    Raises:
        ValueError: It is no time.
    """
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc)
