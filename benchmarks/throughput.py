"""Frames a second of the agent on an H.264 file, QoS 0 to a real mosquitto, against a bare invoke loop and against peers.

The agent decodes, predicts, encodes and publishes; the peers decode and predict only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.harness import agent, arithmetic, clips
from benchmarks.harness.broker import Arrivals, Broker
from benchmarks.harness.figures import Bound, Figure, NotMeasured, at_least
from benchmarks.harness.rounds import interleave

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.harness.context import Context
    from benchmarks.harness.rounds import Measurement

_FRAMES = 600
_SKIP = 100
_PEER_S = 120.0
_OURS, _BARE = "agent", "bare invoke"
_BOUNDS: dict[str, tuple[clips.Size, dict[str, Bound | None]]] = {
    "480p": (clips.P480, {_BARE: at_least(0.97), "mediapipe": at_least(1.10), "gstreamer": at_least(0.98)}),
    "1080p": (clips.P1080, {_BARE: at_least(0.92), "mediapipe": None, "gstreamer": None, "opencv": None}),
}


def measure(ctx: Context, runs: int) -> list[Figure]:
    """One figure for each size and each that we are compared with."""
    ctx.peers.prepare("mediapipe", "gstreamer", "opencv")
    return [figure for name in _BOUNDS for figure in _at(ctx, runs, name)]


def _at(ctx: Context, runs: int, name: str) -> list[Figure]:
    size, bounds = _BOUNDS[name]
    clip = ctx.moving_clip(size)
    with Broker() as broker, agent.Home() as home:
        contestants: dict[str, Callable[[], Measurement]] = {
            _BARE: ctx.bare_invoke,
            _OURS: lambda: _agent(ctx, broker, home, clip),
        }
        for peer in bounds:
            if peer != _BARE:
                contestants[peer] = lambda peer=peer: _peer(ctx, peer, clip)  # type: ignore[misc]
        rounds = interleave(runs, contestants, ctx.say)
    return [
        rounds.ratio("frames/s", _OURS, other, bound, name=f"{name}: agent / {other}")
        for other, bound in bounds.items()
    ]


def _agent(ctx: Context, broker: Broker, home: agent.Home, clip: Path) -> Measurement:
    with Arrivals(broker, agent.PREDICTIONS) as arrivals:
        agent.run_to_end(home, agent.settings(broker.port, agent.video(clip), ctx.bundle))
        times_s = arrivals.times_s(_FRAMES)
    return {"frames/s": arithmetic.steady_rate(times_s, _SKIP)}


def _peer(ctx: Context, name: str, clip: Path) -> Measurement:
    answer = ctx.peers.get(name).run("throughput", ctx.assets.model, clip, str(_SKIP), timeout_s=_PEER_S)
    if answer["frames"] != _FRAMES:
        raise NotMeasured(f"it read {answer['frames']} of {_FRAMES} frames")
    return {"frames/s": answer["fps"]}
