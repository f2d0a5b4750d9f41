"""The spool: messages a second in, messages a second out against plain paho at QoS 1, and what it costs a pipeline at full speed.

Calls the agent's own ledger, spool and publisher in fresh processes, with a real mosquitto and a file on this machine's disk.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from benchmarks.harness import agent, arithmetic, clips
from benchmarks.harness.broker import Arrivals, Broker
from benchmarks.harness.figures import Figure, at_least
from benchmarks.harness.rounds import interleave

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.harness.context import Context
    from benchmarks.harness.rounds import Measurement

_BYTES = 708
"""What a prediction of a classifier takes; the bound was set for 540."""
_COUNT, _QUICK_COUNT = 200_000, 50_000
_DRAIN_COUNT, _QUICK_DRAIN_COUNT = 50_000, 20_000
_PEER_S = 120.0
_FRAMES, _SKIP = 600, 100
_IN, _BARE, _OUT, _PAHO, _EVENTS, _PLAIN = (
    "in",
    "SQLite alone",
    "drain",
    "paho",
    "every prediction an event",
    "no event",
)


def measure(ctx: Context, runs: int) -> list[Figure]:
    """Messages a second, and two ratios."""
    ctx.peers.prepare("paho")
    count, drained = (_QUICK_COUNT, _QUICK_DRAIN_COUNT) if ctx.quick else (_COUNT, _DRAIN_COUNT)
    clip = ctx.moving_clip(clips.P480)
    with Broker() as broker, agent.Home() as home:
        rounds = interleave(
            runs,
            {
                _IN: lambda: _ours(ctx, "in", count),
                _BARE: lambda: _ours(ctx, "bare", count),
                _OUT: lambda: _ours(ctx, "drain", drained, broker.port),
                _PAHO: lambda: _paho(ctx, broker, drained),
                _EVENTS: lambda: _pipeline(ctx, broker, home, clip, "all"),
                _PLAIN: lambda: _pipeline(ctx, broker, home, clip, "reject"),
            },
            ctx.say,
        )
    return [
        rounds.absolute(
            "messages/s", _IN, "1/s", at_least(50_000), name=f"into the spool, {_BYTES} bytes", also=["bytes"]
        ),
        rounds.ratio("messages/s", _IN, _BARE, at_least(0.5), name="into the spool / a bare table of SQLite"),
        rounds.ratio("messages/s", _OUT, _PAHO, at_least(0.8), name="out of the spool / paho, QoS 1"),
        rounds.ratio("frames/s", _EVENTS, _PLAIN, at_least(0.95), name="480p: every prediction an event / none"),
    ]


def _ours(ctx: Context, what: str, count: int, port: int = 0) -> Measurement:
    answer: Measurement = json.loads(
        ctx.script("spool_messages.py", what, ctx.work, str(count), str(_BYTES), str(port))
    )
    return answer


def _paho(ctx: Context, broker: Broker, count: int) -> Measurement:
    answer = ctx.peers.get("paho").run("drain", str(broker.port), str(count), str(_BYTES), timeout_s=_PEER_S)
    return {"messages/s": answer["messages/s"]}


def _pipeline(ctx: Context, broker: Broker, home: agent.Home, clip: Path, events: str) -> Measurement:
    """The model has no decision, so that `reject` selects none."""
    with Arrivals(broker, agent.PREDICTIONS) as arrivals:
        agent.run_to_end(home, agent.settings(broker.port, agent.video(clip), ctx.bundle, events=events))
        times_s = arrivals.times_s(_FRAMES)
    return {"frames/s": arithmetic.steady_rate(times_s, _SKIP)}
