"""What a start does about versions that the one before had on trial, before any model is loaded.

A version that takes the process down is not loaded again and again: the journal has counted the runs that began with it and did not end
cleanly. Nothing here knows a model; it reads and writes records.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from agent.core.gates import tightest
from agent.core.life import crashed_too_often
from agent.life.events import event
from agent.life.journal import in_state
from cloud_sync.errors import CloudSyncError
from cloud_sync.store import Version

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.life.events import Event
    from agent.life.journal import Journal, Record
    from cloud_sync.store import ModelStore

log = logging.getLogger("lineside.life")


def begin(
    store: ModelStore, journal: Journal, on_rejected: Callable[[Version, str], None] = lambda _version, _why: None
) -> list[Event]:
    """Count this run, and give up what has taken too many down. Called with the state directory locked, before models are loaded.

    Args:
        store: Says what is active; where a kill came between it and the journal, it is right.
        journal: Is read here.
        on_rejected: Called with a version that is given up, and why.

    Returns:
        What became of versions.
    """
    journal.read()
    if not journal.records:
        return []
    events = []
    rejected = store.rejected()
    for name, record in list(journal.records.items()):
        version, active = Version(name, record.version, record.digest), store.active(name)
        is_active = active is not None and active.digest == record.digest
        if record.state == "active" and not is_active:
            del journal.records[name]
            continue
        if is_active and record.state != "active":
            journal.records[name] = in_state(record, "active", "activated")
        now = journal.records[name]
        why = crashed_too_often(now.runs, now.spent_s, tightest(now.gates))
        if name in rejected and rejected[name].digest == record.digest:
            why = rejected[name].reason  # a kill came between the two records of a return
        if why is None:
            now.runs = 1 if _is_beyond(now) else now.runs + 1
            continue
        try:
            _give_up(store, version, why)
        except (OSError, CloudSyncError) as error:
            hint = {"hint": "is the disk full? lineside doctor"}
            log.error("%s %s should go and cannot: %s", name, record.version, error, extra=hint)  # noqa: TRY400 - its cause is in the line
            continue
        del journal.records[name]
        journal.note(name, record.version, "rejected", why)
        on_rejected(version, why)
        events.append(event("returned" if is_active else "rejected", version, why))
    journal.write()
    return events


def _is_beyond(record: Record) -> bool:
    """Whether it has worked for so long that no run before this one counts against it."""
    return record.spent_s > tightest(record.gates).crash_window_s


def _give_up(store: ModelStore, version: Version, why: str) -> None:
    """Reject a version; if it is active, the one before it is active again."""
    hint = {"hint": "its own files, or the delegate's driver? lineside model verify on a machine of this kind"}
    log.error("%s %s is rejected before it is loaded again: %s", version.name, version.version, why, extra=hint)
    store.reject(version.name, version.digest, why)
    store.give_back({version.name: version.digest})


def ended(journal: Journal) -> None:
    """This run ends cleanly: no version is to blame for it."""
    for record in journal.records.values():
        record.runs = 0
    if journal.records:
        journal.write()
