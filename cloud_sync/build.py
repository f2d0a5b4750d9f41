"""When this version was made: no clock that shows an earlier time is right."""

from datetime import datetime, timezone

BUILT_AT = datetime(2026, 11, 28, tzinfo=timezone.utc)
"""Raised with each release. The least that a device without a clock takes the time to be."""
