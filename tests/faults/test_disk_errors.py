"""fsync and write fail at random: the spool is degraded, says so, recovers, and loses nothing that it had accepted. Nothing is raised."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
import spool_driver
from spool_judge import Said, disorder, lost, open_and_drain

needs_fiu = pytest.mark.skipif(
    shutil.which("fiu-run") is None, reason="fiu-run is not installed; see tests/install-tools"
)
pytestmark = [needs_fiu, pytest.mark.timeout(600)]

# Only what the spool's file is written with: Python itself neither syncs nor writes at an offset.
FAULTS = {
    "fsync": {"posix/io/sync/*": 0.2},
    "write": {"posix/io/rw/pwrite*": 0.02},
    "truncate": {"posix/io/rw/ftruncate*": 0.5, "posix/io/sync/*": 0.05},
    "fsync and write": {"posix/io/sync/*": 0.1, "posix/io/rw/pwrite*": 0.01},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_that_was_accepted_is_lost_while_the_disk_fails_at_random(tmp_path, chance, storage_row, fault):
    """fiu-run sits between SQLite and the C library. A restart on a sound disk finds everything."""
    runs = chance.pick(2, 25)
    injections = [
        part
        for name, probability in FAULTS[fault].items()
        for part in ("-c", f"enable_random name={name},probability={probability}")
    ]
    owed = missing = disordered = faults = 0
    for number in range(runs):
        folder = tmp_path / str(number)
        folder.mkdir()
        command = ["fiu-run", "-x", "-f", "", *injections, sys.executable, spool_driver.__file__, str(folder), "900"]
        done = subprocess.run(command, check=False, capture_output=True, timeout=120)
        assert done.returncode == 0, done.stderr.decode()
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        said, found = Said.of(done.stdout), open_and_drain(folder)
        assert (found.damaged, found.told) == (0, [])
        assert said.faults > 0, "nothing failed"
        assert said.recoveries >= said.faults - spool_driver.SESSIONS, "each session may end in the middle of a fault"
        faults += said.faults
        owed += len(said.accepted)
        missing += len(lost(said, found))
        disordered += len(disorder(found.records))
    storage_row(f"{fault} fails at random", faults, owed, lost=missing, reordered=disordered, note=f"{runs} runs")
