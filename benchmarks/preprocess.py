"""One 1080p frame into the input tensor, against NumPy as one first writes it and against OpenCV's `blobFromImage`.

Calls `agent.models.pixels` itself, in a fresh process for each round; the three take turns there, frame by frame.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from benchmarks.harness import clips
from benchmarks.harness.figures import Figure, at_most
from benchmarks.harness.rounds import interleave

if TYPE_CHECKING:
    from benchmarks.harness.context import Context
    from benchmarks.harness.rounds import Measurement

_INPUTS = {"uint8": "uint8, values as they are", "int8": "int8, [-1, 1]"}
_OTHERS = ("naive NumPy ms", "blobFromImage ms")
_COUNT = 400


def measure(ctx: Context, runs: int) -> list[Figure]:
    """Time, and ratios, for a uint8 and an int8 input."""
    return [figure for dtype in _INPUTS for figure in _of(ctx, runs, dtype)]


def _of(ctx: Context, runs: int, dtype: str) -> list[Figure]:
    clip = ctx.moving_clip(clips.P1080)

    def turn() -> Measurement:
        answer: Measurement = json.loads(ctx.script("fill_tensor.py", clip, dtype, str(_COUNT)))
        return answer

    rounds = interleave(runs, {"preprocess": turn}, ctx.say)
    name = _INPUTS[dtype]
    return [
        rounds.absolute("agent ms", "preprocess", "ms", at_most(0.10), name=f"{name}: 1080p to 224x224", also=_OTHERS),
        rounds.within("preprocess", "agent ms", "naive NumPy ms", at_most(0.35), name=f"{name}: agent / naive NumPy"),
        rounds.within("preprocess", "agent ms", "blobFromImage ms", name=f"{name}: agent / blobFromImage"),
    ]
