"""A message on its way to the broker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.mqtt.outbox import Parcel
from agent.spool.record import Record

if TYPE_CHECKING:
    from agent.mqtt.notices import Notice


@dataclass(frozen=True, slots=True, eq=False)
class Shipment:
    """A message on its way.

    Attributes:
        ticket: Its number, rising.
        what: The message.
        qos: 0 or 1.
        at_s: Monotonic time at which it was taken.
    """

    ticket: int
    what: Parcel | Record | Notice
    qos: int
    at_s: float

    @property
    def identity(self) -> object:
        """The same for a message that is loaded anew."""
        if isinstance(self.what, Record):
            return self.what.lane, self.what.id
        return self.what.message if isinstance(self.what, Parcel) else self.what
