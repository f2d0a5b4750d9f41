"""What wakes the main loop does so out of a signal handler, whatever the loop is just doing."""

from __future__ import annotations

import subprocess
import sys
import time

from deadlines import LONG_S

from agent.core.waking import Wake

SIGNALS = """
import signal
from agent.core.waking import Wake

wake, came = Wake(), 0

def handle(*_):
    global came
    came += 1
    wake.wake()

signal.signal(signal.SIGALRM, handle)
signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.0001)
while came < 5000:
    wake.wait(0.00001)
signal.setitimer(signal.ITIMER_REAL, 0)
print(came)
"""


def test_a_signal_may_come_at_any_moment():
    """Thousands of them while the main thread waits and stops waiting: it never waits for itself."""
    done = subprocess.run([sys.executable, "-c", SIGNALS], capture_output=True, text=True, timeout=LONG_S, check=True)
    assert int(done.stdout) >= 5000


def test_who_is_woken_before_it_waits_does_not_wait():
    """However often it was woken, it counts once."""
    wake = Wake()
    for _ in range(3):
        wake.wake()
    began_s = time.monotonic()
    wake.wait(LONG_S)
    assert time.monotonic() - began_s < LONG_S / 2
    wake.wait(0)  # nothing is left: this would raise or hang otherwise
    assert wake._asked.empty()
