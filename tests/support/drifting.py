"""Pictures of a line, predictions of them, and the reference of a model that was evaluated on such pictures."""

from __future__ import annotations

import time

import cv2
import numpy as np

from agent.core import results
from agent.core.frames import Frame
from agent.core.messages import FrameReference, Latency, ModelReference, Prediction
from agent.core.reference import reference_of
from agent.core.statistics import input_statistics, score_of

LABEL = "bright"


def part(k, *, gain=1.0):
    """Picture k of a line: a smooth texture, brighter or darker by chance. uint8 [64, 64, 3]."""
    rng = np.random.default_rng(k)
    noise = rng.normal(0, 60, (16, 16, 3)).astype(np.float32)
    picture = cv2.resize(noise, (64, 64)) + rng.uniform(90, 160)
    return np.clip(picture * gain, 0, 255).astype(np.uint8)


def result_of(pixels):
    """A model that is the surer of `bright` the brighter a picture is."""
    score = float(pixels.mean()) / 255
    return results.Classification(
        label="dark",
        score=1 - score,
        top=[results.Scored(label="dark", score=1 - score), results.Scored(label=LABEL, score=score)],
    )


def reference(samples=200, *, label=LABEL, first=100_000):
    """Of so many pictures that the line never shows again."""
    pictures = [part(first + k) for k in range(samples)]
    scores = [score_of(result_of(picture), label) for picture in pictures]
    return reference_of(scores, [input_statistics(p) for p in pictures], ["accept"] * samples, label=label)


def frame_of(pixels, index=0):
    return Frame(pixels, index, time.time_ns(), time.perf_counter_ns())


def prediction_of(pixels, index=0, *, digest="sha256:0", pipeline="p", decision="accept", result=None):
    """What a pipeline would say of a picture."""
    return Prediction(
        id=f"0193a000-0000-7000-8000-{index:012x}",
        session="s",
        seq=index,
        event_seq=None,
        captured_at=f"2026-11-28T12:00:00.{index:06d}Z",
        published_at="",
        clock="synced",
        device="dev",
        pipeline=pipeline,
        source="cam",
        frame=FrameReference(index=index, file=None),
        part_id=None,
        model=ModelReference(name="m", version="1", digest=digest, runtime="none", delegate="none"),
        result=result_of(pixels) if result is None else result,
        decision=decision,
        quality="good",
        historical=False,
        latency_ms=Latency(wait=0, pre=0, invoke=0, post=0, total=0),
    )
