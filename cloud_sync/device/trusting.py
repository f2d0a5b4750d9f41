"""The time and the trust of one sync: which moment is taken for now, and whose metadata is believed.

Clocks of devices are wrong. What counts is the latest of the system's clock, the build, and the latest verified time that was seen
(`issued_at` of an assignment, which never lies beyond the expiry of the timestamp that vouched for it).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from cloud_sync.build import BUILT_AT
from cloud_sync.errors import MetadataExpired

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from cloud_sync.device.journal import Journal
    from cloud_sync.device.order import Order
    from cloud_sync.trust import TrustedRepository
    from cloud_sync.wire.contract import Wire

FOLDER = "trust"
_ROOT = "root.json"
_MAX_ROOT_BYTES = 512 << 10


def open_trusted(
    order: Order, wire: Wire, journal: Journal, folder: Path, clock: Callable[[], datetime]
) -> tuple[TrustedRepository, datetime]:
    """The registry's metadata, verified and up to date, and the moment at which it was.

    Keys of the timestamp that were replaced may have been stolen, and with the assignment key's help have set the floor of the clock to where
    everything has expired. So a floor counts only under the keys of its time, and a refresh that ends by it is tried once without.

    Raises:
        Untrusted: It cannot be believed.
        Unreachable: It cannot be had.
        OSError: The disk is full or broken.
    """
    from cloud_sync.trust import TrustedRepository  # noqa: PLC0415 - tuf takes its time to load

    root = _root(order)
    by_digest = order.root_sha256
    keys = timestamp_keys(folder)
    floor = journal.clock_floor(keys)
    now = max(clock(), BUILT_AT, floor or BUILT_AT)
    repository = TrustedRepository(folder, wire, root=root, now=now, root_sha256=by_digest)
    try:
        repository.refresh()
    except MetadataExpired:
        if floor is None or timestamp_keys(folder) == keys:
            raise
        now = max(clock(), BUILT_AT)
        journal.note("clock-floor-forgotten", floor=str(floor))
        repository = TrustedRepository(folder, wire, root=root, now=now, root_sha256=by_digest)
        repository.refresh()
    return repository, now


def timestamp_keys(folder: Path) -> str:
    """Who signs the timestamp, by the trusted root; empty where there is none."""
    try:
        roles = json.loads((folder / _ROOT).read_bytes())["signed"]["roles"]
        return ",".join(sorted(map(str, roles["timestamp"]["keyids"])))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""


def _root(order: Order) -> bytes | None:
    """The pinned root; None where there is no file of it."""
    if order.root_path is None:
        return None
    with order.root_path.open("rb") as file:
        return file.read(_MAX_ROOT_BYTES)
