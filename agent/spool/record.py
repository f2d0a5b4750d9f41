"""One message that is owed to the broker, as the spool keeps it: bytes, and what a bound must know to choose among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LaneName = Literal["event", "backlog"]

OVERHEAD_BYTES = 64
"""What a row of the database costs beside its payload, about."""


@dataclass(slots=True, eq=False)
class Record:
    """A message, or the announcement that some are missing.

    Attributes:
        id: Position in its lane, rising; never used twice.
        lane: Where it goes.
        pipeline: Where it is from.
        session: Of the agent that made it.
        first: Its number (`event_seq`, in the backlog `seq`); of a gap, the first that is missing.
        last: The same; of a gap, the last that is missing.
        decision: What it says of the part, or None.
        payload: As encoded when it was made; empty for a gap.
        reason: Why messages are missing; None unless this is a gap.
        at_s: When it was made, on the spool's clock, which only runs while an agent does.
        is_late: It was not sent when it was made.
        refusals: How often the broker has refused it.
    """

    id: int
    lane: LaneName
    pipeline: str
    session: str
    first: int
    last: int
    decision: str | None
    payload: bytes
    reason: str | None = None
    at_s: float = 0.0
    is_late: bool = False
    refusals: int = 0

    @property
    def is_gap(self) -> bool:
        """Whether this stands for messages that are missing."""
        return self.reason is not None

    @property
    def size_bytes(self) -> int:
        """What it counts against the bound."""
        return len(self.payload) + OVERHEAD_BYTES

    # What the wire asks of everything that it sends; see `agent.mqtt.shipment.Shipment`.

    @property
    def qos(self) -> int:
        """At least once."""
        return 1

    @property
    def retain(self) -> bool:
        """History is never the last word."""
        return False

    @property
    def channel(self) -> LaneName:
        """Which topic of the pipeline."""
        return self.lane
