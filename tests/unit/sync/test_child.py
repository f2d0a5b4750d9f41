"""The child process of a sync: whatever it says and however it ends, there is an outcome, and nothing of it is left."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from agent.sync.child import run_child

LONG_S = 60.0


def child(text, *, timeout_s=LONG_S, **more):
    return run_child({"device": "press"}, timeout_s=timeout_s, program=("-c", text), **more)


def test_the_order_goes_in_and_progress_and_outcome_come_out():
    """Words that are neither are passed over."""
    said = []
    outcome = child(
        "import json,sys\n"
        "order = json.load(sys.stdin)\n"
        "print(json.dumps({'progress': {'what': order['device']}}))\n"
        "print('{}')\n"
        "print(json.dumps({'outcome': {'state': 'staged', 'wanted': {'m': '1.2.0'}, 'bytes': 7, 'error': None}}))",
        on_progress=said.append,
    )
    assert said == [{"what": "press"}]
    assert (outcome.state, outcome.wanted, outcome.size_bytes, outcome.fault) == ("staged", {"m": "1.2.0"}, 7, None)


def test_what_is_not_trusted_is_known_by_its_code():
    """The agent is degraded by it at once."""
    error = {"code": "rollback-refused", "message": "older", "hint": "who?", "retryable": False}
    outcome = child(f"print({json.dumps({'outcome': {'state': 'failed', 'error': error}})!r})")
    assert outcome.fault is not None
    assert (outcome.fault.distrusted, outcome.fault.message, outcome.fault.hint) == (True, "older", "who?")


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("import os; os.kill(os.getpid(), 9)", "sync-ended", "SIGKILL"),
        ("raise SystemExit('no module of that name')", "sync-ended", "no module of that name"),
        ("print('{\"outcome\": [1]}')", "sync-ended", "TypeError"),
        ("print('[' * 50000)", "sync-ended", "without an outcome"),
        ('print(\'{"outcome": {"state": "happy"}}\')', "sync-ended", "happy"),
        ("print('x' * (1 << 20))", "sync-nonsense", "more than it has to say"),
        ("while True: print('x' * 1000)", "sync-nonsense", "more than it has to say"),
    ],
)
def test_one_that_crashes_or_talks_nonsense_has_failed(text, code, words):
    """With its last words, cut."""
    outcome = child(text)
    assert outcome.fault is not None
    assert (outcome.state, outcome.fault.code) == ("failed", code)
    assert words in outcome.fault.message


def test_one_that_is_late_is_ended_with_all_that_it_started(tmp_path):
    """Also what does not listen to SIGTERM, and what its own child is."""
    pids = tmp_path / "pids"
    text = (
        "import os, signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "other = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)'])\n"
        f"open({str(pids)!r} + '.new', 'w').write(f'{{os.getpid()}} {{other.pid}}')\n"
        f"os.rename({str(pids)!r} + '.new', {str(pids)!r})\n"
        "time.sleep(1000)"
    )
    outcome = child(text, is_over=pids.exists)
    assert outcome.fault is not None
    assert outcome.fault.code == "sync-stopped"
    for pid in map(int, pids.read_text().split()):
        until_s = time.monotonic() + LONG_S
        while _state(pid) != "Z":
            assert time.monotonic() < until_s
            time.sleep(0.01)


def test_the_real_child_understands_and_ends_with_an_outcome(tmp_path):
    """A folder that is no registry is a fault with a next step, not a crash."""
    order = {
        "state_dir": str(tmp_path / "state"),
        "device": "press",
        "import_dir": str(tmp_path),
        "root_sha256": "00" * 32,
    }
    outcome = run_child(order, timeout_s=LONG_S)
    assert outcome.fault is not None
    assert (outcome.state, outcome.fault.code) == ("failed", "not-found")


def test_a_deadline_that_passes_is_told():
    """The next sync goes on where this one was."""
    outcome = child("import time; time.sleep(1000)", timeout_s=0.3)
    assert outcome.fault is not None
    assert (outcome.fault.code, outcome.fault.retryable) == ("sync-late", True)


def _state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"
