"""Samples for tests: of pictures of a line, written as the agent writes them."""

from __future__ import annotations

import cv2
from drifting import part, prediction_of

from agent.capture.folder import Sample, image_facts
from agent.core.likeness import likeness_hash


def jpeg(pixels) -> bytes:
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def sample_of(prediction, *, seed=1, label=None, reasons=("random",)):
    """A sample of a prediction, and its JPEG."""
    picture = jpeg(part(seed))
    return Sample(
        id=prediction.id,
        pipeline=prediction.pipeline,
        captured_at=prediction.captured_at,
        kept_at=prediction.captured_at,
        reasons=list(reasons),
        label=label,
        image=image_facts(picture, 64, 64),
        likeness=f"{likeness_hash(part(seed)):x}",
        prediction={"decision": prediction.decision, "model": {"digest": prediction.model.digest}},
    ), picture


def made(folder, k, *, label=None, decision="accept", **options):
    """Sample k in a folder."""
    sample, picture = sample_of(prediction_of(part(k), k, decision=decision), seed=k, label=label, **options)
    folder.write(sample, picture)
    return sample
