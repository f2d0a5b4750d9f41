"""A model in a child process: its crash or hang costs that pipeline a moment, and no other one a frame."""

from __future__ import annotations

import signal
import time

import psutil
import pytest
from broker import needs_mosquitto
from harness.plant import Plant, pipeline
from processes import wait_for_end

pytestmark = [needs_mosquitto, pytest.mark.timeout(900)]

ISOLATED = '[models.apart]\npath = "tiny"\nisolation = "process"\ninvoke_timeout_s = 1\n' + pipeline(
    "apart", model="apart"
)
FEW_S = 13.0
"""Between two crashes: more than five a minute are one too many for the agent, which then waits long."""


def _only_child(plant: Plant) -> psutil.Process:
    """The child that runs the model, when those that tried models are gone."""
    until_s = time.monotonic() + 30
    while len(children := psutil.Process(plant.pid).children()) != 1:
        assert time.monotonic() < until_s, children
        time.sleep(0.1)
    return children[0]


@pytest.mark.parametrize("end", [signal.SIGSEGV, signal.SIGSTOP], ids=["crashes", "hangs"])
def test_a_model_child_that_dies_or_hangs_is_replaced(tmp_path, chance, row, end):
    """SIGSEGV as by native code; SIGSTOP as one that does not come back from its work. The other pipeline loses nothing."""
    times = chance.pick(1, 12)
    with Plant(tmp_path, pipelines=1, rate_hz=20, tables=ISOLATED) as plant:
        since_s = plant.start()
        for name in ("p0", "apart"):
            plant.wait_confirmed_after(since_s, pipeline=name)
        for number in range(times):
            if number:
                time.sleep(FEW_S)
            child = _only_child(plant)
            since_s = time.monotonic()
            child.send_signal(end)
            wait_for_end(child.pid)
            time.sleep(0.1)  # what it had answered already is on its way
            ended_s = time.monotonic()
            plant.healthy_s.append(ended_s - since_s + plant.wait_confirmed_after(ended_s, pipeline="apart"))
            ill_s = time.monotonic() - since_s
            beside = [s for s in plant.way.recording.sent() if s.event.pipeline == "p0" and s.at_s > since_s]
            assert len(beside) >= ill_s * 5, "the other pipeline stood still"
        assert plant.stop() == 0, plant.agent.log
        verdict = plant.verdict()
    how = "crashes (SIGSEGV)" if end == signal.SIGSEGV else "hangs (SIGSTOP)"
    note = "" if end == signal.SIGSEGV else "with invoke_timeout_s = 1"
    row(f"model child {how}", times, plant, verdict, note)
    assert not verdict.forgotten
