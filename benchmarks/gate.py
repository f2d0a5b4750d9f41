"""What the motion gate leaves of the processor time beyond decoding, on a still scene at 30 frames/s, 480p."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

from benchmarks.harness import agent, clips, processes
from benchmarks.harness.broker import Broker, TimedSubscriber
from benchmarks.harness.context import SCRIPTS
from benchmarks.harness.figures import Figure, NotMeasured, at_most
from benchmarks.harness.rounds import interleave

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.harness.context import Context
    from benchmarks.harness.rounds import Measurement

_START_S = 30.0
_SETTLE_S = 3.0
_MOTION: agent.Tables = {}
"""The gate as it is when somebody merely asks for it."""
_WITH, _WITHOUT, _DECODE = "with the gate", "without", "decoding only"


def measure(ctx: Context, runs: int) -> list[Figure]:
    """(with - decoding) / (without - decoding), of processor time, round by round."""
    over_s = ctx.duration_s(15, 6)
    clip = clips.still(ctx.assets.photo, clips.P480)
    with Broker() as broker, agent.Home() as home:
        source = agent.video(clip, loop=True, realtime=True)
        plain = agent.settings(broker.port, source, ctx.bundle)
        gated = agent.settings(broker.port, source, ctx.bundle, motion=_MOTION)
        rounds = interleave(
            runs,
            {
                _DECODE: lambda: _decoding(clip, over_s),
                _WITHOUT: lambda: _agent(broker, home, plain, over_s),
                _WITH: lambda: _agent(broker, home, gated, over_s),
            },
            ctx.say,
        )
    name = f"processor beyond decoding, {_WITH} / {_WITHOUT}"
    try:
        parts = {part: rounds.column(part, "% of a core") for part in (_WITH, _WITHOUT, _DECODE)}
    except NotMeasured as missing:
        return [Figure(name, bound=at_most(0.10), reason=str(missing))]
    shares = zip(parts[_WITH], parts[_WITHOUT], parts[_DECODE], strict=True)
    values = tuple((gate - decode) / (plain - decode) for gate, plain, decode in shares)
    return [Figure(name, "", values, at_most(0.10), {f"{part}, % of a core": column for part, column in parts.items()})]


def _agent(broker: Broker, home: agent.Home, tables: agent.Tables, over_s: float) -> Measurement:
    with (
        TimedSubscriber(broker, agent.PREDICTIONS, qos=0, count=1) as subscriber,
        agent.Running(home, tables) as running,
    ):
        subscriber.messages(running, _START_S)
        time.sleep(_SETTLE_S)
        return {"% of a core": 100 * processes.cpu_share(running.pid, over_s)}


def _decoding(clip: Path, over_s: float) -> Measurement:
    process = processes.start([sys.executable, SCRIPTS / "decode_only.py", clip], stdout=subprocess.PIPE)
    try:
        processes.first_line(process, _START_S, what="decode_only.py")
        time.sleep(_SETTLE_S)
        return {"% of a core": 100 * processes.cpu_share(process.pid, over_s)}
    finally:
        processes.stop(process)
