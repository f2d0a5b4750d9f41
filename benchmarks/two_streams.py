"""Frames a second of two streams together, against one, with frames that were decoded beforehand.

The whole agent runs, publishing included; only what its sources read is exchanged (`scripts/preloaded_agent.py`), since on two cores
the decoders of two streams would be measured instead.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from benchmarks.harness import agent, arithmetic, clips, processes
from benchmarks.harness.broker import Arrivals, Broker
from benchmarks.harness.context import SCRIPTS
from benchmarks.harness.figures import Figure, at_least
from benchmarks.harness.rounds import interleave

if TYPE_CHECKING:
    from benchmarks.harness.context import Context
    from benchmarks.harness.rounds import Measurement

_FRAMES = 900
_SKIP = 100
_RUN_S = 120.0


def measure(ctx: Context, runs: int) -> list[Figure]:
    """One stream, two streams, in turn."""
    with Broker() as broker, agent.Home() as home:
        _run(ctx, broker, home, 2)  # proves the model
        rounds = interleave(
            runs,
            {
                "one stream": lambda: _run(ctx, broker, home, 1),
                "two streams": lambda: _run(ctx, broker, home, 2),
            },
            ctx.say,
        )
    return [rounds.ratio("frames/s", "two streams", "one stream", at_least(1.85), name="sum of two / one")]


def _run(ctx: Context, broker: Broker, home: agent.Home, streams: int) -> Measurement:
    source = agent.video(ctx.moving_clip(clips.P480))
    names = [str(number) for number in range(streams)]
    config = home.write(
        {
            "mqtt": {"url": f"mqtt://127.0.0.1:{broker.port}"},
            "sources": {f"s{name}": source for name in names},
            "models": {"m": {"path": str(ctx.bundle)}},
            "pipelines": {f"p{name}": agent.pipeline(source=f"s{name}") for name in names},
        }
    )
    with Arrivals(broker, agent.PREDICTIONS) as arrivals:
        script = SCRIPTS / "preloaded_agent.py"
        processes.run([sys.executable, script, config, str(_FRAMES)], _RUN_S, what="two streams")
        times_s = arrivals.times_s(_FRAMES * streams)
    return {"frames/s": arithmetic.steady_rate(times_s, _SKIP)}
