"""What a pipeline notices of a new model: of a swap, of a candidate in its shadow or canary, and of candidates that fail.

MobileNet v2 int8 on 480p frames that were decoded beforehand, at 30 frames/s (the newest wins) and at full speed (none may be lost). What runs
is the pipeline alone (`scripts/swapped_line.py`), each time in a fresh process: nothing is published, so nothing but the models can slow it.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.harness import agent
from benchmarks.harness.figures import Figure, NotMeasured, at_least, at_most
from benchmarks.harness.rounds import interleave

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.harness.context import Context
    from benchmarks.harness.rounds import Measurement

_PACES = {"30 frames/s": True, "full speed": False}
_FAILING = {
    "does not load": "none",
    "raises": "none",
    "nan": "none",
    "slow": "none",
    "hangs": "none",
    "crashes": "process",
    "hangs its child": "process",
}
_SWAPS, _CANDIDATES = 200, 20
_SECONDS = 10.0
_MOST_RUNS = 2
"""What is counted does not vary, and a run takes minutes."""
_RUN_S = 1800.0
_NONE = at_most(0)


def measure(ctx: Context, runs: int) -> list[Figure]:
    """Swaps, shadow, canary; then each kind of failing candidate, once."""
    bundles = [_bundle(ctx, version) for version in ("1.0.0", "2.0.0")]
    swaps, candidates = (5, 2) if ctx.quick else (_SWAPS, _CANDIDATES)
    seconds = ctx.duration_s(_SECONDS, 2)

    def turn(what: str, *, paced: bool, isolation: str = "none", pipelines: int = 1, times: int = swaps) -> Measurement:
        order = {
            "what": what,
            "paced": paced,
            "isolation": isolation,
            "pipelines": pipelines,
            "times": times,
            "seconds": seconds,
        }
        answer = ctx.script("swapped_line.py", *bundles, json.dumps(order), timeout_s=_RUN_S)
        return {name: float(value) for name, value in json.loads(answer).items()}

    contestants: dict[str, Callable[[], Measurement]] = {}
    for pace, paced in _PACES.items():
        contestants[f"swaps, {pace}"] = partial(turn, "swaps", paced=paced)
        contestants[f"swaps, {pace}, isolated"] = partial(turn, "swaps", paced=paced, isolation="process")
        contestants[f"shadow, {pace}"] = partial(turn, "shadow", paced=paced)
        contestants[f"canary, {pace}"] = partial(turn, "canary", paced=paced)
    contestants["swaps of two pipelines, 30 frames/s"] = partial(turn, "swaps", paced=True, pipelines=2)
    rounds = interleave(min(runs, _MOST_RUNS), contestants, ctx.say)
    figures = []
    for name in (name for name in contestants if name.startswith("swaps")):
        figures += [
            rounds.absolute("lost", name, "frames", _NONE, name=f"{name}: frames lost", also=["lost without"]),
            rounds.absolute("by the wrong model", name, "frames", _NONE, name=f"{name}: by two models or half a set"),
            rounds.absolute("gaps", name, "", _NONE, name=f"{name}: gaps in seq"),
            rounds.absolute(
                "worst, periods extra",
                name,
                "periods",
                at_most(1),
                name=f"{name}: worst frame, extra",
                also=["worst without, periods extra", "load ms"],
            ),
            rounds.absolute("MB more", name, "MB", at_most(5), name=f"{name}: memory after, above before"),
        ]
    for pace, paced in _PACES.items():
        for what, beside in (("shadow", "compared"), ("canary", "decided")):
            name = f"{what}, {pace}"
            figures.append(
                rounds.absolute(
                    "lost", name, "frames", _NONE, name=f"{name}: frames lost", also=["lost without", beside]
                )
            )
            if paced:
                figures.append(rounds.within(name, "p50 ms", "p50 ms without", name=f"{name}: latency p50 / without"))
                figures.append(rounds.within(name, "p99 ms", "p99 ms without", name=f"{name}: latency p99 / without"))
            else:
                bound = at_least(0.9) if what == "shadow" else None
                figures.append(
                    rounds.within(name, "frames/s", "frames/s without", bound, name=f"{name}: frames/s / without")
                )
    for pace, paced in _PACES.items():
        for kind, isolation in _FAILING.items():
            figures += _failing(ctx, f"{candidates} that fail ({kind}), {pace}", partial(
                turn, kind, paced=paced, isolation=isolation, times=candidates
            ))  # fmt: skip
    return figures


def _failing(ctx: Context, name: str, turn: Callable[[], Measurement]) -> list[Figure]:
    """One kind of candidates, each in its shadow and in its canary."""
    keys = {"lost": "frames lost", "gaps": "gaps in seq", "not found out": "not found out"}
    try:
        found = turn()
    except NotMeasured as error:
        return [Figure(f"{name}: {title}", bound=_NONE, reason=str(error)) for title in keys.values()]
    ctx.say(f"{name}: " + "  ".join(f"{key} {found[key]:g}" for key in keys))
    beside = {"lost without": (found["lost without"],)}
    return [
        Figure(f"{name}: {title}", "", (found[key],), _NONE, beside if key == "lost" else {})
        for key, title in keys.items()
    ]


def _bundle(ctx: Context, version: str) -> Path:
    return agent.bundle(ctx.work / f"swaps-{version}", "mobilenet", ctx.assets.model, ctx.assets.labels, version)
