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
from agent.life.journal import in_state, set_of
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
    _believe_the_store(store, journal)
    events: list[Event] = []
    for name, record in list(journal.records.items()):
        if name not in journal.records:
            continue  # it has gone with its set
        why = _why_not(store, name, record)
        if why is None:
            record.runs = 1 if _is_beyond(record) else record.runs + 1
            continue
        try:
            events += _give_up(store, journal, name, why, on_rejected)
        except (OSError, CloudSyncError) as error:
            hint = {"hint": "is the disk full? lineside doctor"}
            log.error("%s %s should go and cannot: %s", name, record.version, error, extra=hint)  # noqa: TRY400 - its cause is in the line
    journal.write()
    return events


def _believe_the_store(store: ModelStore, journal: Journal) -> None:
    """A kill may have come between it and the journal."""
    for name, record in list(journal.records.items()):
        active = store.active(name)
        is_active = active is not None and active.digest == record.digest
        if record.state == "active" and not is_active:
            del journal.records[name]
        elif is_active and record.state != "active":
            journal.records[name] = in_state(record, "active", "activated")


def _why_not(store: ModelStore, name: str, record: Record) -> str | None:
    """Why a version is not to be loaded again; None if it may be."""
    rejection = store.rejected().get(name)
    if rejection is not None and rejection.digest == record.digest:
        return rejection.reason  # a kill came between the two records of a return
    return crashed_too_often(record.runs, record.spent_s, tightest(record.gates))


def _is_beyond(record: Record) -> bool:
    """Whether it has worked for so long that no run before this one counts against it."""
    return record.spent_s > tightest(record.gates).crash_window_s


def _give_up(
    store: ModelStore, journal: Journal, name: str, why: str, on_rejected: Callable[[Version, str], None]
) -> list[Event]:
    """Reject a version with its set, and make active again what was before them."""
    versions = _set_of(store, journal, name)
    known = store.rejected()
    if any(one.name not in known or known[one.name].digest != one.digest for one in versions):
        if len(versions) > 1:
            names = " and ".join(f"{one.name} {one.version}" for one in versions)
            why = f"{why}; {names} came together, and nobody can say which of them it was"
        store.reject_together(versions, why)
        known = store.rejected()
    store.give_back({one.name: one.digest for one in versions})
    events = []
    hint = {"hint": "its own files, or the delegate's driver? lineside model verify on a machine of this kind"}
    for one in versions:
        reason, record = known[one.name].reason, journal.records.pop(one.name, None)
        log.error("%s %s is rejected before it is loaded again: %s", one.name, one.version, reason, extra=hint)
        journal.note(one.name, one.version, "rejected", reason)
        on_rejected(one, reason)
        was_active = record is not None and record.state == "active"
        events.append(event("returned" if was_active else "rejected", one, reason))
    return events


def _set_of(store: ModelStore, journal: Journal, name: str) -> list[Version]:
    """A version with those that came with it; those of which nothing was tried yet are in the store alone."""
    records, waiting = journal.records, store.staged()
    tried = {each: Version(each, records[each].version, records[each].digest) for each in set_of(name, records)}
    untried = {mate: waiting[mate] for mate in records[name].mates if mate in waiting and mate not in records}
    return [one for _, one in sorted({**untried, **tried}.items())]


def ended(journal: Journal) -> None:
    """This run ends cleanly: no version is to blame for it."""
    for record in journal.records.values():
        record.runs = 0
    if journal.records:
        journal.write()
