"""What it costs to look at a prediction beside the line: observers_cost.py. Prints one JSON object of microseconds and milliseconds.

Each frame is one of several of 1080p, so that its pixels are not in the cache, as those of a camera.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from agent.capture.capture import Capture
from agent.capture.observer import Line
from agent.capture.settings import CaptureSettings, SamplesSettings
from agent.core.decisions import DecisionRule
from agent.core.frames import Frame
from agent.core.likeness import likeness_hash
from agent.core.messages import FrameReference, Latency, ModelReference, Prediction
from agent.core.results import Classification, Scored
from agent.core.statistics import input_statistics
from agent.drift.desk import DriftDesk
from agent.drift.memory import Memory
from agent.drift.settings import DriftSettings
from agent.models.placement import Region
from agent.pipeline.picture import jpeg

if TYPE_CHECKING:
    from collections.abc import Callable

_FRAMES = 8
_CALLS, _SLOW_CALLS = 20_000, 200


def prediction(index: int) -> Prediction:
    """Of a classifier with five labels, far from its threshold."""
    return Prediction(
        id=f"{index:036x}",
        session="s",
        seq=index,
        event_seq=None,
        captured_at="2026-11-28T12:00:00.000000Z",
        published_at="",
        clock="synced",
        device="d",
        pipeline="p",
        source="s",
        frame=FrameReference(index=index, file=None),
        part_id=None,
        model=ModelReference(name="m", version="1", digest="sha256:0", runtime="r", delegate="none"),
        result=Classification(label="a", score=0.9, top=[Scored(label=label, score=0.02) for label in "abcde"]),
        decision="accept",
        quality="good",
        historical=False,
        latency_ms=Latency(wait=0, pre=0, invoke=0, post=0, total=0),
    )


def main() -> dict[str, float]:
    """Measure all of it."""
    rng = np.random.default_rng(1)
    pixels = [rng.integers(0, 256, (1080, 1920, 3), np.uint8) for _ in range(_FRAMES)]
    frames = [Frame(one, k, 0, 0) for k, one in enumerate(pixels)]
    said = [prediction(k) for k in range(1000)]
    with tempfile.TemporaryDirectory() as folder:
        drift = DriftDesk(
            {"p": (DriftSettings(every_s=3600), Region())},
            device="d",
            session="s",
            active=lambda _: None,
            find=lambda _pipeline, _digest: None,
            tell=lambda _: None,
            memory=Memory(Path(folder)),
        ).observers["p"]
        line = Line(CaptureSettings(random_share=0), Region(), lambda: DecisionRule(label="e", min_score=0.5))
        capture = Capture(SamplesSettings(), {"p": line}, Path(folder), jpeg).observers["p"]
        return {
            "drift µs": 1e3 * _ms(lambda k: drift.seen(frames[0], said[k % 1000], None), _CALLS),  # type: ignore[arg-type]
            "capture µs": 1e3 * _ms(lambda k: capture.seen(frames[0], said[k % 1000], None), _CALLS),  # type: ignore[arg-type]
            "statistics ms": _ms(lambda k: input_statistics(pixels[k % _FRAMES]), _SLOW_CALLS),
            "likeness ms": _ms(lambda k: likeness_hash(pixels[k % _FRAMES]), _SLOW_CALLS),
        }


def _ms(call: Callable[[int], object], calls: int) -> float:
    """Median of one call."""
    times_ns = []
    for k in range(calls):
        began_ns = time.perf_counter_ns()
        call(k)
        times_ns.append(time.perf_counter_ns() - began_ns)
    return median(times_ns) / 1e6


if __name__ == "__main__":
    print(json.dumps(main()))
