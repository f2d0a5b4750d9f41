"""Many devices poll and report to one registry while versions are published and keys replaced: nobody sees half of a change."""

from __future__ import annotations

import hashlib
import json
import os
import queue
import threading
import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import pytest
from serving import Serving
from sync_world import CHANNEL, FIRST, MODEL, OLD, Station, make_site

from cloud_sync import layout
from cloud_sync.registry.server.limits import Limits, Rate

if TYPE_CHECKING:
    from pathlib import Path

    from registering import Site

pytestmark = pytest.mark.timeout(3600)

_THREADS = 6
_PATIENCE_S = 3000


@pytest.fixture(autouse=True)
def no_fsync(monkeypatch):
    """What must survive a crash is proved elsewhere."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


class Fleet:
    """Devices that take turns: each polls, adopts, and waits behind all others for its next turn. Judges what each of them sees.

    Attributes:
        polls: So far.
        errors: Codes of errors of polls, and of reports.
        snapshots: By version of the snapshot, what devices saw of it: its digest, and the version of the model's role beside it.
        ran: What each device ran, one after the other.
    """

    def __init__(self, stations: dict[str, Station], last: str) -> None:
        self._stations = stations
        self._last = last
        self._turns: queue.Queue[str] = queue.Queue()
        self._lock = threading.Lock()
        self._moved = threading.Condition(self._lock)
        self.polls = 0
        self.errors: Counter[str] = Counter()
        self.snapshots: dict[int, set[tuple[str, int]]] = defaultdict(set)
        self.ran: dict[str, list[str]] = {name: [] for name in stations}
        self.faults: list[BaseException] = []
        for name in stations:
            self._turns.put(name)
        self._threads = [threading.Thread(target=self._work) for _ in range(_THREADS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wait_polls(self, count: int) -> None:
        """Until so many polls were made, or somebody failed."""
        with self._moved:
            assert self._moved.wait_for(lambda: self.polls >= count or self.faults, _PATIENCE_S)

    def join(self) -> None:
        for thread in self._threads:
            thread.join(_PATIENCE_S)
            assert not thread.is_alive()
        if self.faults:
            raise self.faults[0]

    def _work(self) -> None:
        until_s = time.monotonic() + _PATIENCE_S
        try:
            while time.monotonic() < until_s and not self.faults:
                try:
                    name = self._turns.get_nowait()
                except queue.Empty:
                    return
                if not self._turn(name, self._stations[name]):
                    self._turns.put(name)
        except BaseException as error:  # noqa: BLE001 - it is raised again where the test is
            with self._moved:
                self.faults.append(error)
                self._moved.notify_all()

    def _turn(self, name: str, station: Station) -> bool:
        """One poll; whether the device runs the last version and has said so."""
        outcome = station.poll()
        station.adopt()
        active = station.store.active(MODEL)
        runs = {MODEL: {"version": active.version, "digest": active.digest, "state": "active", "reason": None}}
        has_told = station.options.get("runs") == runs and outcome["report_error"] is None
        station.options = {"device": name, "runs": runs}
        with self._moved:
            self.polls += 1
            for what in ("error", "report_error"):
                if outcome[what] is not None:
                    self.errors[f"{what} {outcome[what]['code']}: {outcome[what]['message']}"] += 1
            version, seen = _snapshot(station.state_dir / "sync" / "trust")
            self.snapshots[version].add(seen)
            if self.ran[name][-1:] != [active.version]:
                self.ran[name].append(active.version)
            self._moved.notify_all()
        return has_told and active.version == self._last


def _snapshot(folder: Path) -> tuple[int, tuple[str, int]]:
    """The trusted snapshot's version, its digest, and the version of the model's role; the snapshot must name that one."""
    content = (folder / "snapshot.json").read_bytes()
    signed = json.loads(content)["signed"]
    role = json.loads((folder / f"{layout.role_of(MODEL)}.json").read_bytes())["signed"]["version"]
    assert signed["meta"][f"{layout.role_of(MODEL)}.json"]["version"] == role, "half of a change"
    return signed["version"], (hashlib.sha256(content).hexdigest(), role)


def make_fleet(site: Site, url: str, folder: Path, count: int, last: str) -> Fleet:
    """New devices, each with a token to enrol by."""
    root, stations = site.public / "metadata" / "1.root.json", {}
    for number in range(count):
        name = f"press-{number:04}"
        token = site.registry.devices.create_enrolment_token(name, by="ada")
        stations[name] = Station(folder / name, root, url, {"enrol_token": token, "device": name})
    return Fleet(stations, last)


def test_nobody_sees_an_inconsistent_snapshot_and_all_converge(tmp_path, chance, storage_row):
    """A few devices, 1,000 with --faults=all; a version is published, or something signed anew, each time all have polled about once."""
    count, publications = chance.pick(30, 1000), chance.pick(2, 4)
    site = make_site(tmp_path)
    site.publish(MODEL, "1.0.0", 1, FIRST, CHANNEL)
    last = f"1.{publications}.0"
    with Serving(site.registry, Limits(address=Rate(1e6, 10**7))) as url:
        fleet = make_fleet(site, url, tmp_path / "devices", count, last)
        fleet.start()
        for number in range(1, publications + 1):
            fleet.wait_polls(number * count // 2)
            weights = OLD[: 1000 * number] + f"trained {number} times".encode() + OLD[1000 * number + 16 :]
            site.publish(MODEL, f"1.{number}.0", number + 1, {**FIRST, "model.tflite": weights}, CHANNEL)
            if number % 2:
                site.registry.keys.refresh(force=True)
            else:
                site.registry.keys.rotate_online("snapshot", root_signers=site.roots, by="ada")
        fleet.join()
        told = {info.device: info.runs[MODEL]["version"] for info in site.registry.devices.all()}
    site.registry.close()
    assert fleet.errors == Counter()
    assert told == dict.fromkeys(fleet.ran, last)
    assert all(ran[-1] == last and sorted(ran) == ran for ran in fleet.ran.values()), "a device went back"
    assert {version: len(seen) for version, seen in fleet.snapshots.items() if len(seen) > 1} == {}
    note = f"{count} devices made {fleet.polls} polls and saw {len(fleet.snapshots)} snapshots while {publications} versions were published"
    storage_row("sync: many devices while versions are published", publications, fleet.polls, note=note)
