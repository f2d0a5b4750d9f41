"""A source at twice what the model can do: how old frames are when they are published, and whether memory stays as it is."""

from __future__ import annotations

import json
import time
from datetime import datetime
from typing import TYPE_CHECKING

from benchmarks.harness import agent, arithmetic, clips, processes
from benchmarks.harness.broker import Arrivals, Broker
from benchmarks.harness.figures import Figure, NotMeasured, at_most
from benchmarks.harness.rounds import interleave

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.harness.context import Context
    from benchmarks.harness.rounds import Measurement

_HIGHEST_RATE = 1000.0
"""Frames a second up to which the agent believes a file."""
_CLIP_S = 20.0
_START_S = 30.0
_SETTLE_S = 3.0
_SAMPLE_S = 1.0
_STEADY = 0.8
"""The last share of the samples; before, caches and arenas fill."""
_FLAT_MB = 1.0


def measure(ctx: Context, runs: int) -> list[Figure]:
    """Age in model periods for each round; memory in one long run, since growth shows in time and not in repetition."""
    invoke_ms = ctx.bare_invoke()["ms"]
    rate = min(_HIGHEST_RATE, round(2e3 / invoke_ms, -1))
    clip = ctx.moving_clip(clips.SMALL, seconds=_CLIP_S, rate=rate)
    age_s, memory_s = ctx.duration_s(20, 6), ctx.duration_s(300, 20)
    with Broker() as broker:
        rounds = interleave(runs, {"agent": lambda: _ages(ctx, broker, clip, age_s)}, ctx.say)
        memory = _memory(ctx, broker, clip, memory_s)
    return [
        rounds.absolute(
            "p99 in model periods", "agent", "periods", at_most(3), name="age of the frame at publish, p99"
        ),
        rounds.absolute("p50 in model periods", "agent", "periods", name="age of the frame at publish, p50"),
        rounds.absolute("frames offered / predicted", "agent", "", name="frames offered / frames predicted"),
        memory,
    ]


def _tables(ctx: Context, broker: Broker, clip: Path) -> agent.Tables:
    return agent.settings(broker.port, agent.video(clip, loop=True, realtime=True), ctx.bundle)


def _ages(ctx: Context, broker: Broker, clip: Path, over_s: float) -> Measurement:
    period_ms = ctx.bare_invoke()["ms"]
    with agent.Home() as home, Arrivals(broker, agent.PREDICTIONS, "%p") as arrivals:
        with agent.Running(home, _tables(ctx, broker, clip)) as running:
            processes.wait_until(lambda: arrivals.count() > 0, _START_S, what="the first prediction", every_s=0.1)
            time.sleep(_SETTLE_S)
            skip = arrivals.count()
            time.sleep(over_s)
            running.check()
            taken = arrivals.count()
        predictions = [json.loads(line) for line in arrivals.lines()[skip:taken]]
    if len(predictions) < 100:  # noqa: PLR2004 - below, p99 is the slowest of a few
        raise NotMeasured(f"only {len(predictions)} predictions in {over_s:g} s")
    ages_ms = [age_ms(prediction) for prediction in predictions]
    offered = predictions[-1]["frame"]["index"] - predictions[0]["frame"]["index"]
    return {
        "p99 in model periods": arithmetic.percentile(ages_ms, 0.99) / period_ms,
        "p50 in model periods": arithmetic.percentile(ages_ms, 0.5) / period_ms,
        "frames offered / predicted": offered / (len(predictions) - 1),
        "model period ms": period_ms,
    }


def age_ms(prediction: dict[str, str]) -> float:
    """From `captured_at` to `published_at`."""
    captured, published = (_time(prediction[key]) for key in ("captured_at", "published_at"))
    return (published - captured).total_seconds() * 1e3


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _memory(ctx: Context, broker: Broker, clip: Path, over_s: float) -> Figure:
    name, note = "growth of memory (line through the last 80 %)", f"over {over_s:g} s, sampled each second"
    try:
        samples = _samples(ctx, broker, clip, over_s)
        steady = samples[round(len(samples) * (1 - _STEADY)) :]
        growth = arithmetic.slope(steady) * (steady[-1][0] - steady[0][0])
    except NotMeasured as error:
        return Figure(name, "MB", bound=at_most(_FLAT_MB), reason=str(error))
    megabytes = tuple(value for _, value in steady)
    note += f"; between {min(megabytes):.1f} and {max(megabytes):.1f} MB"
    return Figure(name, "MB", (growth,), at_most(_FLAT_MB), {"Pss MB": tuple(value for _, value in samples)}, note=note)


def _samples(ctx: Context, broker: Broker, clip: Path, over_s: float) -> list[tuple[float, float]]:
    samples: list[tuple[float, float]] = []
    with agent.Home() as home, agent.Running(home, _tables(ctx, broker, clip)) as running:
        time.sleep(_SETTLE_S)
        began_s = time.monotonic()
        while (now_s := time.monotonic() - began_s) < over_s:
            samples.append((now_s, processes.pss_mb(running.pid)))
            if len(samples) % 30 == 0:
                ctx.say(f"memory after {now_s:.0f} s: {samples[-1][1]:.1f} MB")
            time.sleep(_SAMPLE_S)
    return samples
