"""Capture is killed as it comes to its n-th fsync: every sample is whole or not there, and the quota holds."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
import sample_driver
from strace_log import needs_strace

from agent.capture.folder import SampleFolder

pytestmark = [needs_strace, pytest.mark.timeout(600)]

_KILLED = 137
"""What strace ends with when its child was killed, or -9 where it kills itself likewise."""


def killed_at(folder, number: int) -> bool:
    """Run the driver until its n-th fsync; whether it came to that."""
    inject = f"inject=fsync:signal=KILL:when={number}"
    command = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync", "-e", inject]
    driver = [sys.executable, sample_driver.__file__, str(folder)]
    done = subprocess.run([*command, *driver], check=False, capture_output=True, timeout=120)
    assert done.returncode in (0, -9, _KILLED), done.stderr.decode()
    return done.returncode != 0


def test_a_killed_agent_leaves_no_half_sample(tmp_path, chance):
    """For each n until the driver comes to its end, or for two of them."""
    numbers = iter(chance.pick(sorted(chance.random.sample(range(1, 15), 2)), range(1, 1000)))
    kills = 0
    for number in numbers:
        state_dir = tmp_path / str(number)
        state_dir.mkdir()
        was_killed = killed_at(state_dir, number)
        kills += was_killed
        folder = SampleFolder(state_dir)
        whole = list(folder.samples())
        assert len(whole) <= sample_driver.QUOTA, f"at fsync {number}"
        for sample in whole:
            assert hashlib.sha256(folder.image(sample).read_bytes()).hexdigest() == sample.image["sha256"]
        folder.sweep()
        files = set(Path(folder.root).glob("*/*"))
        assert files == {path for s in whole for path in (folder.document(s), folder.image(s))}, f"at fsync {number}"
        if not was_killed:
            break
    assert kills >= 2
