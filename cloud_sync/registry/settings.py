"""`registry.toml`: how long what is signed holds, and how much is taken."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, fields
from datetime import timedelta
from typing import TYPE_CHECKING

from cloud_sync.atomic import write_atomically
from cloud_sync.registry.errors import StateUnreadable

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from pathlib import Path

NAME = "registry.toml"
SCHEMA = "lineside.registry/1"
_MAX_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Settings:
    """All whole numbers; units stand in the names.

    Attributes:
        root_days, targets_days: What is signed offline; a person must come before it ends.
        snapshot_hours, timestamp_hours, assignment_hours: What is signed by the running registry, again when half is over. A device
            that is shown an old state notices after `timestamp_hours`.
        max_blob_bytes: Of one uploaded file.
        max_report_bytes: Of one report or request for enrolment.
        max_waiting: Requests for enrolment that wait for an operator.
        patch_sources: For how many older versions patches are made.
        max_patch_bytes: Files that are larger are not patched, because old and new lie in memory for it.
    """

    root_days: int = 730
    targets_days: int = 365
    snapshot_hours: int = 14 * 24
    timestamp_hours: int = 48
    assignment_hours: int = 30 * 24
    max_blob_bytes: int = 4 << 30
    max_report_bytes: int = 256 << 10
    max_waiting: int = 1000
    patch_sources: int = 5
    max_patch_bytes: int = 128 << 20

    @property
    def root(self) -> timedelta:
        """Lifetime of root."""
        return timedelta(days=self.root_days)

    @property
    def targets(self) -> timedelta:
        """Lifetime of the top-level targets."""
        return timedelta(days=self.targets_days)

    @property
    def snapshot(self) -> timedelta:
        """Lifetime of the snapshot."""
        return timedelta(hours=self.snapshot_hours)

    @property
    def timestamp(self) -> timedelta:
        """Lifetime of the timestamp."""
        return timedelta(hours=self.timestamp_hours)

    @property
    def assignment(self) -> timedelta:
        """Lifetime of an assignment."""
        return timedelta(hours=self.assignment_hours)


def write(folder: Path, settings: Settings) -> None:
    """Write `registry.toml`."""
    lines = [f'schema = "{SCHEMA}"', *(f"{name} = {value}" for name, value in asdict(settings).items())]
    write_atomically(folder / NAME, "\n".join([*lines, ""]).encode())


def read(folder: Path) -> Settings:
    """Read `registry.toml`; what is not there has its default.

    Raises:
        StateUnreadable: It is not there, or says something impossible.
    """
    path = folder / NAME
    try:
        with path.open("rb") as file:
            data = tomllib.loads(file.read(_MAX_BYTES).decode())
    except (OSError, ValueError) as error:
        raise StateUnreadable(
            f"{path} cannot be read: {error}", hint="`lineside registry init` makes a registry"
        ) from error
    if data.pop("schema", None) != SCHEMA:
        raise StateUnreadable(f"{path} is not of schema {SCHEMA!r}")
    known = {field.name for field in fields(Settings)}
    for name, value in data.items():
        if name not in known:
            raise StateUnreadable(
                f"{path} has {name!r}, which is no setting", hint=f"one of {', '.join(sorted(known))}"
            )
        if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
            raise StateUnreadable(f"{path}: {name} must be a whole number above 0")
    return Settings(**data)
