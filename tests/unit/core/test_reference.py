"""`reference.json`: what is written is read again, and what is no such file is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from agent.core.errors import BadData
from agent.core.reference import decode, encode, reference_of
from agent.core.statistics import InputStatistics


def made(samples=300):
    rng = np.random.default_rng(1)
    inputs = [InputStatistics(*map(float, row)) for row in rng.random((samples, 3))]
    decisions = ["accept", "reject", None] * (samples // 3)
    return reference_of(rng.random(samples).tolist(), inputs, decisions, label="crack", of={"model.tflite": "00ff"})


def test_a_reference_is_read_as_it_was_written():
    """The device compares with what pack saw."""
    assert decode(encode(made())) == made()


def test_one_that_does_not_say_what_it_is_of_is_read_too():
    """Earlier versions wrote such."""
    data = json.loads(encode(made()))
    del data["of"]

    assert decode(json.dumps(data).encode()).of == {}


def test_what_has_no_score_and_is_no_picture_has_no_distributions():
    """Its decisions are still known."""
    reference = reference_of([None, None], [], ["accept", "reject"], label=None)

    assert decode(encode(reference)) == reference
    assert reference.distributions == {}
    assert reference.decisions == {"accept": 1, "reject": 1}


def test_a_histogram_alone_is_enough():
    """Values are there for the sharper test, and may be left out."""
    data = json.loads(encode(made()))
    del data["score"]["values"]

    assert decode(json.dumps(data).encode()).score.values == ()


def changed(**changes):
    return json.dumps(json.loads(encode(made())) | changes).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"[" * 100_000,
        changed(schema="lineside.reference/2"),
        changed(samples=-1),
        changed(inputs={"brightness": {"edges": [0.5], "counts": [1]}}),
        changed(inputs={"brightness": {"edges": [0.5, 0.4], "counts": [1, 1, 1]}}),
        changed(inputs={"brightness": {"edges": [0.5], "counts": [0, 0]}}),
        changed(score={"label": None, "edges": [None], "counts": [1, 2]}),
        changed(score={"label": 3, "edges": [0.5], "counts": [1, 2]}),
        changed(score={"label": None, "edges": [float("nan")], "counts": [1, 2]}),
        changed(decisions={"accept": "many"}),
    ],
)
def test_what_is_no_reference_is_refused_with_the_next_step(content):
    """Bundles come over a wire; nothing of it may bring the agent down."""
    with pytest.raises(BadData, match=r"reference\.json") as refused:
        decode(content)
    assert "pack" in refused.value.hint


def test_statistics_of_a_later_version_are_left_out():
    """An old agent compares what it knows."""
    later = json.loads(encode(made()))
    later["inputs"]["hue"] = {"angles": [1, 2]}

    assert decode(json.dumps(later).encode()) == made()
