"""One sync: poll ► verify metadata ► verify assignment ► plan ► fetch ► verify ► stage ► say how it ended.

Everything may be repeated, and a sync that was killed is continued by the next one. A fault of one model is none of another's, and nothing
that goes wrong with reports stops an update.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import sqlite3
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from cloud_sync.device.faults import DiskFailed
from cloud_sync.device.fetching import Fetcher
from cloud_sync.device.following import Assignments
from cloud_sync.device.order import Outcome, described
from cloud_sync.device.plan import StoreState, check_manifest, decide
from cloud_sync.device.times import read_time, written
from cloud_sync.device.trusting import FOLDER, open_trusted, timestamp_keys
from cloud_sync.errors import (
    CloudSyncError,
    DeltaFailed,
    DiskReserve,
    ManifestForeign,
    NotAssigned,
    NotFound,
    ServerBusy,
    VersionYanked,
)
from cloud_sync.manifest import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from cloud_sync.assignment import Wanted
    from cloud_sync.device.enrol import Desk
    from cloud_sync.device.journal import Journal
    from cloud_sync.device.order import Order
    from cloud_sync.device.plan import Fetch, Plan
    from cloud_sync.manifest import Manifest
    from cloud_sync.store import ModelStore, Version
    from cloud_sync.trust import TrustedRepository
    from cloud_sync.wire.contract import Wire

_WAITS = (DeltaFailed, DiskReserve, NotAssigned, ServerBusy)
_MAY_BE_NEWER = (VersionYanked, ManifestForeign)
"""What an assignment looks like that was made after the metadata was read."""
_SAY_SO = timedelta(hours=1)
"""How old the record of the last outcome may be where nothing has changed: a poll that finds nothing writes nothing."""
_FULL = {errno.ENOSPC, errno.EDQUOT}


class Sync:
    """Runs once. Used by one thread, in its `turn`.

    Args:
        order: What the agent wants.
        wire: To the registry's files.
        journal: What earlier syncs remember.
        store: Where versions go.
        folder: The sync's own.
        desk: Where reports go; None for nowhere.
        clock: The system's.
        say: Told what is being done, for whoever watches.
    """

    def __init__(
        self,
        order: Order,
        *,
        wire: Wire,
        journal: Journal,
        store: ModelStore,
        folder: Path,
        desk: Desk | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
        say: Callable[[dict[str, Any]], None] = lambda _: None,
    ) -> None:
        self._order = order
        self._wire = wire
        self._journal = journal
        self._store = store
        self._folder = folder
        self._desk = desk
        self._clock = clock
        self._say = say
        self._now = clock()
        self._events: list[dict[str, Any]] = []
        self._under_way: dict[str, Any] = {}
        self._fresh: set[str] = set()
        self._fetcher = Fetcher(
            wire,
            store,
            journal,
            folder / "blobs",
            on_delta_failure=order.on_delta_failure,
            on_bytes=self._came,
        )

    def run(self) -> Outcome:
        """Do it, and say how it ended. Raises nothing that is not a fault of the program."""
        outcome = Outcome()
        try:
            self._update(outcome)
        except (CloudSyncError, OSError, sqlite3.Error) as error:
            self._set_error(outcome, as_ours(error))
        outcome.bytes = self._fetcher.bytes
        outcome.at = written(self._clock())
        with _told_as(lambda error: _set_report_error(outcome, error)):
            self._report(outcome)
        with contextlib.suppress(sqlite3.Error, OSError):  # the outcome is told in any case
            self._remember(outcome)
        return outcome

    # -- the update ---------------------------------------------------------------------------------------------------------------

    def _update(self, outcome: Outcome) -> None:
        if self._journal.was_damaged:
            self._event("journal-damaged", reason="floors of counters and clock were lost")
        self._store.tidy()
        self._say({"what": "looking"})
        trust = self._folder / FOLDER
        repository, self._now = open_trusted(self._order, self._wire, self._journal, trust, self._clock)
        keys = timestamp_keys(trust)
        following = Assignments(repository, self._wire, self._journal, self._now, keys)
        wanted = following.of_models(self._order.device, self._order.models)
        plan = self._decided(wanted, repository)
        if any(isinstance(error, _MAY_BE_NEWER) for error in plan.refusals.values()):
            repository.refresh()  # it may have been published since
            plan = self._decided(wanted, repository)
        if plan.forgiven:
            self._store.forgive(plan.forgiven)
        self._carry_out(plan, repository, outcome)

    def _decided(self, wanted: Mapping[str, Wanted | CloudSyncError], repository: TrustedRepository) -> Plan:
        delegations = {name: _or_why(repository, name) for name in wanted}
        return decide(wanted, delegations, set(self._order.hardware), self._state())

    def _state(self) -> StoreState:
        names = self._order.models
        active = {name: version for name in names if (version := self._store.active(name)) is not None}
        return StoreState(active, self._store.staged(), self._store.rejected(), self._store.digests())

    def _carry_out(self, plan: Plan, repository: TrustedRepository, outcome: Outcome) -> None:
        """Fetch what is missing, model by model; want what is ready, before and after."""
        problems = dict(plan.refusals)
        ready = dict(plan.ready)
        self._store.want({**plan.keep, **ready})
        for fetch in plan.fetches:
            name = fetch.version.name
            try:
                self._stage(fetch, repository)
                ready[name] = fetch.version
            except (CloudSyncError, OSError) as error:
                problems[name] = as_ours(error)
        self._store.want({**plan.keep, **ready})
        chosen = {**plan.current, **ready, **{fetch.version.name: fetch.version for fetch in plan.fetches}}
        self._tell(outcome, chosen, {**plan.keep, **ready}, problems)
        self._fetcher.tidy()
        self._collect(self._order.retention)

    def _stage(self, fetch: Fetch, repository: TrustedRepository) -> None:
        version = fetch.version
        listed_bytes = repository.read_target(fetch.target, MAX_BYTES)
        listed = check_manifest(listed_bytes, version)
        self._fetcher.need(listed)
        self._fetcher.make_room(listed, self._order.reserve_bytes, lambda: self._collect(0))
        self._watch("fetching", version, of_bytes=self._fetcher.missing_bytes(listed))
        is_known = self._store.active(version.name) is not None
        try:
            files = self._fetcher.fetch(listed, is_known=is_known)
            self._watch("staging", version)
            self._store.stage(lambda folder: _build(folder, listed, files), listed_bytes)
        finally:
            for reason in self._fetcher.take_failed_patches():
                self._event("patch-failed", version, reason=reason)
        self._fresh.add(version.digest)
        self._fetcher.forget(listed)
        self._event("staged", version)

    def _collect(self, keep: int) -> None:
        """What was staged just now is wanted only when all models are through."""
        for digest in self._store.collect(keep, self._order.digests_in_use() | self._fresh):
            self._journal.note("collected", digest=digest)

    # -- what is told -------------------------------------------------------------------------------------------------------------

    def _tell(
        self,
        outcome: Outcome,
        chosen: Mapping[str, Version],
        staged: Mapping[str, Version],
        problems: Mapping[str, CloudSyncError],
    ) -> None:
        outcome.wanted = {name: version.version for name, version in chosen.items()}
        outcome.staged = {name: version.version for name, version in staged.items()}
        for name in sorted({*chosen, *problems}):
            error = problems.get(name)
            state = _state_of(error) if error else "staged" if name in staged else "current"
            version = chosen[name].version if name in chosen else None
            outcome.models[name] = {"state": state, "version": version, "error": described(error) if error else None}
        if problems:
            first = min(problems, key=lambda name: (isinstance(problems[name], _WAITS), name))
            self._set_error(outcome, problems[first])
        outcome.retry_after_s = max((_retry_after_s(error) for error in problems.values()), default=0.0)
        if staged:
            outcome.state = "staged"

    def _set_error(self, outcome: Outcome, error: CloudSyncError) -> None:
        outcome.state = _state_of(error)
        outcome.error = described(error)
        outcome.retry_after_s = _retry_after_s(error)

    def _event(self, what: str, version: Version | None = None, *, reason: str = "") -> None:
        name, number = (version.name, version.version) if version else (None, None)
        self._journal.note(what, model=name, version=number, reason=reason)
        self._events.append(
            {"at": written(self._clock()), "what": what, "model": name, "version": number, "reason": reason}
        )

    def _watch(self, what: str, version: Version, *, of_bytes: int = 0) -> None:
        self._under_way = {"what": what, "model": version.name, "version": version.version, "of_bytes": of_bytes}
        self._under_way |= {"bytes": 0} if of_bytes else {}
        self._say(dict(self._under_way))

    def _came(self, count: int) -> None:
        self._under_way["bytes"] = self._under_way.get("bytes", 0) + count
        self._say(dict(self._under_way))

    def _report(self, outcome: Outcome) -> None:
        """Whatever goes wrong here is told, and that is all."""
        from cloud_sync.device.enrol import enrolment  # noqa: PLC0415 - keys and cryptography are not needed until here
        from cloud_sync.device.identity import identity  # noqa: PLC0415 - likewise
        from cloud_sync.device.reports import keep_report, send  # noqa: PLC0415 - likewise

        signer = identity(self._folder)
        keep_report(self._journal, signer, self._order, outcome, self._events, self._now)
        try:
            if self._desk is not None:
                send(self._desk, self._journal, signer, self._order, self._now)
        except NotFound as nobody:
            outcome.no_reports = str(nobody)
        finally:
            outcome.enrolment, outcome.keyid = enrolment(self._journal), signer.public_key.keyid

    def _remember(self, outcome: Outcome) -> None:
        """For `lineside sync status`; written when it changed."""
        known = json.loads(self._journal.value("outcome") or "null")
        body = outcome.as_dict()
        if known is not None and _timeless(known) == _timeless(body):
            age = read_time(body["at"]) - read_time(known["at"])
            if timedelta(0) <= age < _SAY_SO:
                return
        self._journal.set_value("outcome", json.dumps(body))


@contextlib.contextmanager
def _told_as(tell: Callable[[CloudSyncError], None]) -> Any:
    try:
        yield
    except (CloudSyncError, OSError, sqlite3.Error) as error:
        tell(as_ours(error))


def _set_report_error(outcome: Outcome, error: CloudSyncError) -> None:
    outcome.report_error = described(error)


def as_ours(error: Exception) -> CloudSyncError:
    """A fault of the disk, as one of our errors."""
    if isinstance(error, CloudSyncError):
        return error
    if isinstance(error, OSError) and error.errno in _FULL:
        return DiskReserve(f"the disk is full: {error}", hint="make room")
    return DiskFailed(f"the disk fails: {error}", hint="lineside doctor; is it full, read-only or worn out?")


def _build(folder: Path, listed: Manifest, files: Mapping[str, Path]) -> None:
    """Fill a version's folder. Files that are on the same disk are linked: they are never written again."""
    for entry in listed.files:
        place = folder / entry.path
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(files[entry.sha256], place)
        except OSError as error:
            if error.errno in _FULL:
                raise
            shutil.copyfile(files[entry.sha256], place)  # a file system without links


def _or_why(repository: TrustedRepository, name: str) -> Any:
    try:
        return repository.delegation(name)
    except CloudSyncError as error:
        return error


def _state_of(error: CloudSyncError) -> Any:
    return "waiting" if isinstance(error, _WAITS) else "failed"


def _retry_after_s(error: CloudSyncError) -> float:
    return error.retry_after_s if isinstance(error, ServerBusy) else 0.0


def _timeless(outcome: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in outcome.items() if name not in {"at", "bytes"}}
