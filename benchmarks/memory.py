"""Proportional set size, children included, of one 480p stream, and of each further model on the same stream."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.harness import agent, clips, processes
from benchmarks.harness.broker import Broker, TimedSubscriber
from benchmarks.harness.context import SCRIPTS
from benchmarks.harness.figures import Figure, NotMeasured, at_most
from benchmarks.harness.rounds import interleave

if TYPE_CHECKING:
    from benchmarks.harness.context import Context
    from benchmarks.harness.rounds import Measurement

_SETTLE_S = 4.0
_START_S = 30.0
_ONE, _TWO, _BARE = "agent", "agent with two models", "bare script"


def measure(ctx: Context, runs: int) -> list[Figure]:
    """All of them 4 s after their first prediction."""
    ctx.peers.prepare("mediapipe")
    clip = ctx.moving_clip(clips.P480)
    with Broker() as broker, agent.Home() as home:
        one = agent.settings(broker.port, agent.video(clip, loop=True, realtime=True), ctx.bundle)
        two = one | {
            "models": one["models"] | {"m2": {"path": str(ctx.second_bundle)}},
            "pipelines": one["pipelines"] | {"p2": agent.pipeline(model="m2")},
        }
        _agent(broker, home, two)  # proves both models, in a child that would count
        rounds = interleave(
            runs,
            {
                _BARE: lambda: _held([sys.executable, SCRIPTS / "bare_script.py", ctx.assets.model, "hold"]),
                _ONE: lambda: _agent(broker, home, one),
                _TWO: lambda: _agent(broker, home, two),
                "mediapipe": lambda: _mediapipe(ctx, clip),
            },
            ctx.say,
        )
    return [
        rounds.absolute("MB", _ONE, "MB", at_most(100), name="one stream", beside=[_BARE, "mediapipe"]),
        rounds.ratio("MB", _ONE, "mediapipe"),
        rounds.ratio("MB", _ONE, _BARE),
        rounds.difference("MB", _TWO, _ONE, "MB", at_most(12), name="each further model"),
    ]


def _agent(broker: Broker, home: agent.Home, tables: agent.Tables) -> Measurement:
    """The last pipeline to start decides when the time begins."""
    pipelines = tables["pipelines"]
    with (
        TimedSubscriber(broker, agent.PREDICTIONS, qos=0, count=4 * len(pipelines)) as subscriber,
        agent.Running(home, tables) as running,
    ):
        messages = subscriber.messages(running, _START_S)
        if any(not any(f'"pipeline":"{name}"' in payload for _, payload in messages) for name in pipelines):
            raise NotMeasured("a pipeline predicts nothing")
        time.sleep(_SETTLE_S)
        return {"MB": processes.pss_mb(running.pid)}


def _mediapipe(ctx: Context, clip: Path) -> Measurement:
    peer = ctx.peers.get("mediapipe")
    return _held([peer.python, peer.script, "watch", ctx.assets.model, clip])


def _held(command: processes.Command) -> Measurement:
    process = processes.start(command, stdout=subprocess.PIPE)
    try:
        processes.first_line(process, _START_S, what=Path(command[1]).name)
        time.sleep(_SETTLE_S)
        return {"MB": processes.pss_mb(process.pid)}
    finally:
        processes.stop(process)
