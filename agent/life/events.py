"""What became of a version here, for the report to the registry."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from agent.core.times import now_text

if TYPE_CHECKING:
    from cloud_sync.store import Version


@dataclass(frozen=True, slots=True)
class Event:
    """What became of a version here; goes into the report to the registry.

    Attributes:
        what: `shadow`, `canary`, `activated`, `confirmed`, `rejected`, `returned`: it was active and the previous one is again, or
            `postponed`: it is tried again.
        model: As the registry calls it.
        version: Of it.
        reason: A sentence.
        at: When.
    """

    what: str
    model: str
    version: str
    reason: str
    at: str

    def as_dict(self) -> dict[str, Any]:
        """As JSON types, for the report."""
        return asdict(self)


def event(what: str, version: Version, reason: str) -> Event:
    """One that happens now."""
    return Event(what, version.name, version.version, reason, now_text())
