"""A process is killed as it comes to its n-th fsync: what it had accepted is there."""

from __future__ import annotations

import subprocess
import sys

import pytest
import spool_driver
from spool_judge import Said, disorder, lost, open_and_drain
from strace_log import needs_strace

pytestmark = [needs_strace, pytest.mark.timeout(600)]

_KILLED = 137
"""What strace ends with when its child was killed, or -9 where it kills itself likewise."""


def killed_at(folder, number: int) -> tuple[bool, bytes]:
    """Run the driver until its n-th fsync; whether it came to that, and what it had said."""
    inject = f"inject=fsync,fdatasync:signal=KILL:when={number}"
    command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", inject]
    done = subprocess.run(
        [*command, sys.executable, spool_driver.__file__, str(folder)], check=False, capture_output=True, timeout=120
    )
    assert done.returncode in (0, -9, _KILLED), done.stderr.decode()
    return done.returncode != 0, done.stdout


def test_no_accepted_event_is_lost_by_sigkill_at_each_fsync_of_the_spool(tmp_path, chance, storage_row):
    """For each n until the driver comes to its end, or for ten of them."""
    numbers = iter(chance.pick(sorted(chance.random.sample(range(1, 60), 10)), range(1, 1000)))
    owed = missing = disordered = kills = 0
    for number in numbers:
        folder = tmp_path / str(number)
        folder.mkdir()
        was_killed, text = killed_at(folder, number)
        said, found = Said.of(text), open_and_drain(folder)
        assert (found.damaged, found.told) == (0, []), f"at fsync {number}"
        owed += len(said.accepted - said.confirmed)
        missing += len(lost(said, found))
        disordered += len(disorder(found.records))
        if not was_killed:
            break
        kills += 1
    storage_row("spool killed at the n-th fsync", kills, owed, lost=missing, reordered=disordered)
