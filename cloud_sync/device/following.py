"""Which assignments this device follows, and what they say of each of its models.

Its own beats that of the channel, model by model. One that was accepted stays in force until it expires or another one follows: whoever
withholds a file (404) takes nothing back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloud_sync import layout
from cloud_sync.assignment import MAX_BYTES, accept, read_keys
from cloud_sync.errors import CloudSyncError, NotAssigned, NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from cloud_sync.assignment import Assignment, Wanted
    from cloud_sync.device.journal import Journal
    from cloud_sync.trust import TrustedRepository
    from cloud_sync.wire.contract import Wire


class Assignments:
    """The assignments of one sync. `timestamp_keys` is under what the clock's floor is remembered (`cloud_sync.device.trusting`)."""

    def __init__(
        self, repository: TrustedRepository, wire: Wire, journal: Journal, now: datetime, timestamp_keys: str
    ) -> None:
        self._repository = repository
        self._wire = wire
        self._journal = journal
        self._now = now
        self._timestamp_keys = timestamp_keys

    def of_models(self, device: str, channels: Mapping[str, str]) -> dict[str, Wanted | CloudSyncError]:
        """What each model should run, or why that is not known.

        Raises:
            CloudSyncError: Nothing is known of any: the device's own assignment, or the keys that sign, cannot be believed or had.
        """
        self._keys = read_keys(self._repository.read_target(layout.ASSIGNMENT_KEYS, MAX_BYTES))
        own = self._accepted(layout.device_subject(device))
        found: dict[str, Wanted | CloudSyncError] = {}
        of_channel: dict[str, Assignment | CloudSyncError | None] = {}
        for name, channel in channels.items():
            if own is not None and name in own.models:
                found[name] = own.models[name]
                continue
            if channel and channel not in of_channel:
                of_channel[channel] = self._accepted_or_why(layout.channel_subject(channel))
            found[name] = _wanted(name, channel, of_channel.get(channel))
        return found

    def _accepted_or_why(self, subject: str) -> Assignment | CloudSyncError | None:
        try:
            return self._accepted(subject)
        except CloudSyncError as error:
            return error

    def _accepted(self, subject: str) -> Assignment | None:
        try:
            known = self._journal.last_accepted(subject)
            content = self._wire.read(layout.assignment(subject), MAX_BYTES, known=known)
        except NotFound:
            return self._still_in_force(subject)
        return self._judged(subject, content)

    def _still_in_force(self, subject: str) -> Assignment | None:
        content = self._journal.last_accepted(subject)
        try:
            return None if content is None else self._judged(subject, content)
        except CloudSyncError:
            return None  # it has expired, or its key was replaced

    def _judged(self, subject: str, content: bytes) -> Assignment:
        until = self._repository.timestamp_expires
        floors = self._journal.floors(subject)
        accepted = accept(content, keys=self._keys, subject=subject, floors=floors, now=self._now, metadata_until=until)
        found = accepted.assignment
        if accepted.floor not in floors:
            self._journal.raise_floor(subject, accepted.floor, content)
            self._journal.note(
                "assigned",
                subject=subject,
                counter=found.counter,
                models={n: w.version for n, w in found.models.items()},
            )
        self._journal.raise_clock_floor(min(found.issued_at, until), self._timestamp_keys)
        return found


def _wanted(name: str, channel: str, found: Assignment | CloudSyncError | None) -> Wanted | CloudSyncError:
    if isinstance(found, CloudSyncError):
        return found
    if found is not None and name in found.models:
        return found.models[name]
    where = f"channel {channel}" if channel else "assignment of its own"
    what = "has no version of it" if found is not None or not channel else "is not known to the registry"
    message = f"{name} follows {where}, which {what}" if channel else f"{name} follows no channel and has no {where}"
    return NotAssigned(message, hint="lineside registry channel")
