"""Drift and capture: how seldom a line that is as it was is called another, how soon one that changed is, and what looking costs a pipeline.

Calls the agent's own rule on simulated lines and on the demo's photographs; what it costs is measured at a whole agent.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from benchmarks.harness import agent, arithmetic, clips
from benchmarks.harness.broker import Arrivals, Broker
from benchmarks.harness.figures import Figure, NotMeasured, at_least, at_most
from benchmarks.harness.rounds import interleave

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.harness.context import Context
    from benchmarks.harness.rounds import Measurement

_MEMORIES = {0.0: (20_000, 2_000), 0.9: (2_000, 500), 0.97: (1_000, 200)}
"""Autocorrelation of a line's values, and windows of the long run and of the quick one."""
_RATE = 1e-4
"""`false_alarm_rate` of the agent's defaults: of all statistics together."""
_CELL_RUNS, _QUICK_CELL_RUNS = 20, 5
_SCRIPT_S = 600.0
_FRAMES, _SKIP = 600, 100
_KEPT = {"reasons": ["random", "near_threshold", "feedback", "disagreement"], "random_share": 0.01, "every_s": 1}
_ON, _OFF = "drift and capture on", "off"


def measure(ctx: Context, runs: int) -> list[Figure]:
    """Alarms, windows, and a ratio."""
    clip = ctx.moving_clip(clips.P480)
    with Broker() as broker, agent.Home() as home:
        rounds = interleave(
            runs,
            {
                _ON: lambda: _pipeline(broker, home, clip, ctx, capture=_KEPT, drift={"every_s": 0.2}),
                _OFF: lambda: _pipeline(broker, home, clip, ctx, drift={"statistics": []}),
                "cost": lambda: json.loads(ctx.script("observers_cost.py")),
            },
            ctx.say,
        )
    return [
        *(_stationary(ctx, memory, windows[ctx.quick]) for memory, windows in _MEMORIES.items()),
        *_cells(ctx),
        rounds.ratio("frames/s", _ON, _OFF, at_least(0.97), name=f"480p: {_ON} / {_OFF}"),
        rounds.absolute("statistics ms", "cost", "ms", at_most(0.2), name="statistics of a 1080p frame"),
        rounds.absolute(
            "drift µs", "cost", "µs", at_most(10), name="a frame that is not looked at", also=["capture µs"]
        ),
    ]


def _stationary(ctx: Context, memory: float, windows: int) -> Figure:
    """One statistic of four; chance that it looks different is a quarter of the rate."""
    found = json.loads(ctx.script("drift_windows.py", str(memory), str(windows), "1", timeout_s=_SCRIPT_S))
    parts = {key: (value,) for key, value in found.items()}
    name = f"false alarms, autocorrelation {memory:g}"
    return Figure(name, "", (found["alarms"],), at_most(_RATE / 4 * found["windows"]), parts)


def _cells(ctx: Context) -> list[Figure]:
    """Of as many runs."""
    runs = _QUICK_CELL_RUNS if ctx.quick else _CELL_RUNS
    try:
        found = json.loads(ctx.script("drift_cells.py", str(runs), "1", timeout_s=_SCRIPT_S))
    except NotMeasured as error:
        return [Figure("windows until the alarm, solar cells", reason=str(error))]
    quiet = found.pop("as it was")
    figures = [Figure("solar cells as they were: runs of 40 windows with an alarm", "", (quiet["seen"],), at_most(0))]
    for what, facts in found.items():
        parts = {key: (value,) for key, value in facts.items()}
        values = (facts["windows"],) if facts["windows"] is not None else ()
        figures.append(Figure(f"solar cells, {what}: windows until the alarm", "", values, at_most(4), parts))
    return figures


def _pipeline(broker: Broker, home: agent.Home, clip: Path, ctx: Context, **tables: object) -> Measurement:
    with Arrivals(broker, agent.PREDICTIONS) as arrivals:
        agent.run_to_end(home, agent.settings(broker.port, agent.video(clip), ctx.bundle, **tables))
        times_s = arrivals.times_s(_FRAMES)
    return {"frames/s": arithmetic.steady_rate(times_s, _SKIP)}
