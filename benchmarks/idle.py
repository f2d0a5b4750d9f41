"""Share of a core that the agent takes while its source gives one frame a second, beside one bare invoke a second."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

from benchmarks.harness import agent, clips, processes
from benchmarks.harness.broker import Broker, TimedSubscriber
from benchmarks.harness.context import SCRIPTS
from benchmarks.harness.figures import Figure, at_most
from benchmarks.harness.rounds import interleave

if TYPE_CHECKING:
    from benchmarks.harness.context import Context
    from benchmarks.harness.rounds import Measurement

_START_S = 30.0
_SETTLE_S = 3.0
_BARE = "bare invoke once a second"


def measure(ctx: Context, runs: int) -> list[Figure]:
    """Processor time beyond the start."""
    over_s = ctx.duration_s(20, 8)
    clip = ctx.moving_clip(clips.P480, seconds=60, rate=1)
    with Broker() as broker, agent.Home() as home:
        tables = agent.settings(broker.port, agent.video(clip, loop=True, realtime=True), ctx.bundle)
        rounds = interleave(
            runs, {"agent": lambda: _share(broker, home, tables, over_s), _BARE: lambda: _bare(ctx, over_s)}, ctx.say
        )
    return [rounds.absolute("%", "agent", "%", at_most(1.0), name="of a core at 1 frame/s", beside=[_BARE])]


def _share(broker: Broker, home: agent.Home, tables: agent.Tables, over_s: float) -> Measurement:
    with (
        TimedSubscriber(broker, agent.PREDICTIONS, qos=0, count=1) as subscriber,
        agent.Running(home, tables) as running,
    ):
        subscriber.messages(running, _START_S)
        time.sleep(_SETTLE_S)
        return {"%": 100 * processes.cpu_share(running.pid, over_s)}


def _bare(ctx: Context, over_s: float) -> Measurement:
    process = processes.start([sys.executable, SCRIPTS / "once_a_second.py", ctx.assets.model], stdout=subprocess.PIPE)
    try:
        processes.first_line(process, _START_S, what="once_a_second.py")
        time.sleep(_SETTLE_S)
        return {"%": 100 * processes.cpu_share(process.pid, over_s)}
    finally:
        processes.stop(process)
