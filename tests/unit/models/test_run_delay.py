"""A thread that had to share its core knows for how long it waited."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SPIN = """
import os, sys, time
from agent.models.run_delay import RunDelay
os.sched_setaffinity(0, {int(sys.argv[1])})
rival = os.fork()
if rival == 0:
    until_s = time.monotonic() + 30
    while time.monotonic() < until_s:
        pass
    os._exit(0)
delay = RunDelay()
before_ns, began_s, own_s = delay.ns(), time.monotonic(), time.thread_time()
while time.thread_time() - own_s < 0.3:
    pass
print(time.monotonic() - began_s, time.thread_time() - own_s, (delay.ns() - before_ns) / 1e9)
delay.close()
os.kill(rival, 9)
os.waitpid(rival, 0)
"""


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="this kernel counts no run delay")
def test_what_is_left_of_a_stretch_beside_a_rival_is_the_thread_s_own_time():
    """Two processes on one core: each runs for half of the time, and what it waited for accounts for the other half."""
    core = min(os.sched_getaffinity(0))
    done = subprocess.run(
        [sys.executable, "-c", SPIN, str(core)], capture_output=True, text=True, timeout=60, check=True
    )
    wall_s, own_s, delayed_s = map(float, done.stdout.split())
    assert delayed_s > own_s / 4
    assert wall_s - delayed_s == pytest.approx(own_s, rel=0.25)
