"""A power cut at any moment of two updates over a bad line: what `test_sync_power_cut.py` has not, which is a server.

A download that broke off lies there in part, the device has a key that a registry admitted, and reports are numbered.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
import sync_driver
from file_server import truncated
from hostile_mirror import HostileMirror
from power_cut import Disk
from serving import Serving
from strace_log import needs_strace, recorded
from sync_world import DEVICE, FIRST, HOME, MODEL, THIRD, Station, make_site

from cloud_sync.device.enrol import enrolment
from cloud_sync.device.identity import identity
from cloud_sync.device.journal import Journal

if TYPE_CHECKING:
    from pathlib import Path

    from registering import Site

pytestmark = [needs_strace, pytest.mark.timeout(1800)]

_WANTED = "2.0.0"


def recorded_updates(site: Site, folder: Path, mirror: HostileMirror) -> Disk:
    """A first start with enrolment, and an update, each of whose answers ends early; the disk to cut the power of."""
    state = folder / "state"
    state.mkdir()
    root = site.public / "metadata" / "1.root.json"
    token = site.registry.devices.create_enrolment_token(DEVICE, by="ada")
    orders = []
    for number, options in enumerate(
        ({"models": {MODEL: "first"}, "enrol_token": token}, {"models": {MODEL: "second"}, "runs": {MODEL: {}}})
    ):
        orders.append(folder / f"order-{number}")
        orders[-1].write_bytes(Station(state, root, mirror.url, options).order.encode())
    command = [sys.executable, sync_driver.__file__, *map(str, orders), str(state)]
    log = folder / "log"
    done = subprocess.run(recorded(log, command), check=False, capture_output=True, timeout=300, cwd=HOME)
    assert (done.returncode, done.stdout) == (0, b"adopted\n" * 2), done.stderr.decode()
    with log.open() as lines:
        return Disk(state, lines, ignored=("-shm", "lock"))


def test_a_power_cut_leaves_key_reports_and_partial_downloads_that_go_on(tmp_path, chance, storage_row):
    """Some moments, 100 with --faults=all; each device that is left goes on with the registry that it was admitted by."""
    site = make_site(tmp_path)
    site.publish(MODEL, "1.0.0", 1, FIRST, "first")
    site.publish(MODEL, _WANTED, 2, THIRD, "second")
    with closing(site.registry), Serving(site.registry) as url, HostileMirror(url) as mirror:
        for content in (FIRST, THIRD):
            mirror.faults[_blob(site, content["model.tflite"])].extend([truncated(50_000)])
        disk = recorded_updates(site, tmp_path, mirror)
        keyid = site.registry.devices.one(DEVICE).keyid
        count = chance.pick(5, 100)
        partial = lost = 0
        for number, moment in enumerate(sorted(chance.random.choices(range(1, disk.moments + 1), k=count))):
            disk.go_to(moment)
            left = tmp_path / f"cut-{number}"
            left.mkdir()
            disk.cut(left, chance.random)
            partial += any((left / "sync" / "blobs").glob("*.partial"))
            options = {"models": {MODEL: "second"}}
            station = Station(left, site.public / "metadata" / "1.root.json", mirror.url, options)
            lost += judge(station, disk.said.count(b"adopted"), keyid, f"moment {moment} of {disk.moments}")
            shutil.rmtree(left)
    storage_row("power cut while a sync over HTTP goes on", count, count, lost=lost, note=f"{partial} in a download")


def _blob(site: Site, content: bytes) -> str:
    import hashlib

    return f"blobs/sha256/{hashlib.sha256(content).hexdigest()}"


def judge(station: Station, adopted: int, keyid: str, moment: str) -> bool:
    """Whether an adopted version, or the key that was admitted, is lost; all else that is wrong fails at once."""
    active = station.store.active(MODEL)
    allowed = {0: (None, "1.0.0"), 1: ("1.0.0", _WANTED), 2: (_WANTED,)}[adopted]
    is_lost = (active and active.version) not in allowed
    was_admitted = adopted > 0
    if (station.state_dir / "sync").is_dir():
        with Journal.open(station.state_dir / "sync") as journal:
            was_admitted |= enrolment(journal) == "admitted"
    if was_admitted:
        is_lost |= identity(station.state_dir / "sync").public_key.keyid != keyid
    outcome = station.poll()
    assert outcome["error"] is None, f"{moment}: {outcome}"
    if was_admitted:
        assert (outcome["enrolment"], outcome["report_error"]) == ("admitted", None), f"{moment}: {outcome}"
    station.adopt()
    active = station.store.active(MODEL)
    assert active.version == _WANTED, moment
    assert station.store.is_whole(active.digest), moment
    return is_lost
