"""What should run where."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from cloud_sync import layout
from cloud_sync.registry import gate, subjects
from cloud_sync.registry.errors import UnknownName
from cloud_sync.registry.state import versions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloud_sync.registry.blobs import Blobs
    from cloud_sync.registry.changing import Changing
    from cloud_sync.registry.types import SubjectInfo


class Assignments:
    """`registry.assignments`: what channels and devices should run."""

    def __init__(self, changing: Changing, blobs: Blobs) -> None:
        self._changing = changing
        self._blobs = blobs

    def all(self) -> list[SubjectInfo]:
        """All assignments: `channel:<name>` and `device:<id>`, by name."""
        with self._changing.database.reading() as tx:
            return versions.all_subjects(tx)

    def one(self, subject: str) -> SubjectInfo:
        """One assignment.

        Raises:
            UnknownName: Nothing was ever assigned to it.
        """
        with self._changing.database.reading() as tx:
            found = versions.subject(tx, subject)
        if found is None:
            raise UnknownName(f"nothing was ever assigned to {subject}", hint="`lineside registry channel` assigns")
        return found

    def assign(
        self,
        subject: str,
        models: Mapping[str, str | None],
        *,
        replace: bool = False,
        gates: Mapping[str, Mapping[str, float | None]] = MappingProxyType({}),
        by: str,
    ) -> SubjectInfo:
        """Say what a channel or a device should run.

        Args:
            subject: `channel:<name>` or `device:<id>`; it is made when it is not there.
            models: Model → version, or None to take the model out. Models that are not named stay as they are.
            replace: Models that are not named are taken out.
            gates: Model → gates that its versions must pass on a device, or None to take one out; see `cloud_sync.gates`. They stay when
                another version is assigned.
            by: For the log.

        Raises:
            UnknownName: There is no such version.
            Refused: It was yanked, it is below `min_release`, or the subject is none; or a gate makes no sense.
            GateRefused: A channel would go on to a version that is not shown to be as good as the one it names.
        """
        with self._changing.change(by) as edit:
            gate.demand_no_worse(edit, subject, models, self._blobs)
            return subjects.assign(edit, subject, models, replace=replace, gates=gates)

    def set_channel(
        self, channel: str, models: Mapping[str, str | None], *, replace: bool = False, by: str
    ) -> SubjectInfo:
        """`assign` to `channel:<channel>`."""
        return self.assign(layout.channel_subject(channel), models, replace=replace, by=by)

    def assign_device(
        self, device: str, models: Mapping[str, str | None], *, replace: bool = False, by: str
    ) -> SubjectInfo:
        """`assign` to `device:<device>`; it beats the channel, per model."""
        return self.assign(layout.device_subject(device), models, replace=replace, by=by)
