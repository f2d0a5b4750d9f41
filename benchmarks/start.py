"""Process start to the first prediction that a subscriber received, against a bare script with the same imports, and MediaPipe."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
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
_ROUNDS = 2
"""Times as many rounds as asked for: a start is over in half a second, and one hiccup of the machine doubles it."""
_WHOLE, _FIRST = "bare script, to its exit", "bare script, to its first invoke"


def measure(ctx: Context, runs: int) -> list[Figure]:
    """The agent with a model that it has proven before, as at every start but the first; and the first."""
    ctx.peers.prepare("mediapipe")
    clip = ctx.moving_clip(clips.P480)
    script: processes.Command = [sys.executable, SCRIPTS / "bare_script.py", ctx.assets.model]
    with Broker() as broker, agent.Home() as home:
        tables = agent.settings(broker.port, agent.video(clip, loop=True, realtime=True), ctx.bundle)
        agent_start_ms(broker, home, tables)
        rounds = interleave(
            _ROUNDS * runs,
            {
                _WHOLE: lambda: _exit_ms(script),
                "agent": lambda: agent_start_ms(broker, home, tables),
                "mediapipe": lambda: _mediapipe(ctx, clip),
                _FIRST: lambda: _first_line_ms(script),
                "agent, model new to it": lambda: _first_start(broker, tables),
            },
            ctx.say,
        )
    return [
        rounds.ratio("ms", "agent", _WHOLE, at_most(1.3)),
        rounds.ratio("ms", "agent", _FIRST),
        rounds.ratio("ms", "agent", "mediapipe"),
        rounds.ratio("ms", "agent, model new to it", _WHOLE),
    ]


def agent_start_ms(broker: Broker, home: agent.Home, tables: agent.Tables) -> Measurement:
    """From the process's start to the callback of the first prediction."""
    with TimedSubscriber(broker, agent.PREDICTIONS, qos=0, count=1) as subscriber:
        began_ns = time.time_ns()
        with agent.Running(home, tables) as running:
            messages = subscriber.messages(running, _START_S)
    return {"ms": (messages[0][0] - began_ns) / 1e6}


def _first_start(broker: Broker, tables: agent.Tables) -> Measurement:
    with agent.Home() as fresh:
        return agent_start_ms(broker, fresh, tables)


def _exit_ms(command: processes.Command) -> Measurement:
    began = time.perf_counter()
    processes.run(command, _START_S, what="the bare script")
    return {"ms": (time.perf_counter() - began) * 1e3}


def _mediapipe(ctx: Context, clip: Path) -> Measurement:
    peer = ctx.peers.get("mediapipe")
    return _first_line_ms([peer.python, peer.script, "watch", ctx.assets.model, clip])


def _first_line_ms(command: processes.Command) -> Measurement:
    began = time.perf_counter()
    process = processes.start(command, stdout=subprocess.PIPE)
    try:
        processes.first_line(process, _START_S, what=Path(command[1]).name)
        return {"ms": (time.perf_counter() - began) * 1e3}
    finally:
        processes.stop(process)
