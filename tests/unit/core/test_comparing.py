"""What two models say of the same frame: each kind of result in a form that can be compared."""

from __future__ import annotations

import pytest

from agent.core import results
from agent.core.comparing import NOT_FINITE, Pair, Verdict, failed, verdict_of

TOP = [results.Scored(label="crack", score=0.9), results.Scored(label="good", score=0.1)]
OBJECTS = [
    results.DetectedObject(label="cap", score=0.8, box=[0, 0, 1, 1]),
    results.DetectedObject(label="bottle", score=0.7, box=[0, 0, 1, 1]),
]


@pytest.mark.parametrize(
    ("result", "label", "score"),
    [
        (results.Classification(label="crack", score=0.9, top=TOP), "crack", 0.9),
        (results.Detection(objects=OBJECTS), "cap", 0.8),
        (results.Detection(objects=[]), None, 0.0),
        (results.Segmentation(areas=TOP), "crack", 0.9),
        (results.Segmentation(areas=[]), None, 0.0),
        (results.Anomaly(score=3.5, threshold=2.0), None, 3.5),
        (results.Regression(value=-7.25, unit="mm"), None, -7.25),
        (results.Embedding(vector=[1.0], distance=0.25), None, 0.25),
        (results.Embedding(vector=[1.0]), None, None),
        (results.Tensors(tensors={"out": [1.0]}), None, None),
    ],
)
def test_each_kind_of_result_gives_what_it_names_and_its_number(result, label, score):
    """A kind that names nothing has no label, and one without a number no score; neither is a fault."""
    assert verdict_of(result, "reject", 4.0) == Verdict("reject", label, score, 4.0)


def test_a_result_that_holds_a_nan_is_a_fault_and_its_score_is_not_compared():
    """Otherwise the mean of all scores would be a NaN."""
    nan = results.Anomaly(score=float("nan"), threshold=2.0)
    assert verdict_of(nan, "unsure", 4.0) == Verdict("unsure", None, None, 4.0, NOT_FINITE)


def test_a_frame_of_which_nothing_was_made_says_why():
    """It counts as a failure and never as a disagreement."""
    assert failed("SIGSEGV", 2.0) == Verdict(None, None, None, 2.0, "SIGSEGV")


def verdict(decision, fault=None):
    return Verdict(decision, None, 0.5, 1.0, fault)


@pytest.mark.parametrize(
    ("active", "candidate", "same", "expected"),
    [
        ("accept", verdict("accept"), False, False),
        ("accept", verdict("reject"), True, True),
        (None, verdict("reject"), True, True),
        (None, verdict(None), True, False),
        (None, verdict(None), False, True),
        ("accept", verdict("accept", NOT_FINITE), True, True),
        (None, failed("SIGSEGV", 2.0), True, True),
    ],
)
def test_models_differ_by_their_decision_and_by_what_they_found_where_they_decide_nothing(
    active, candidate, same, expected
):
    """What counts on the line is what is done with the part; a candidate that made nothing of it is never right."""
    assert Pair("p", "id", 0.0, verdict(active), candidate, same).differs is expected


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (Verdict("reject", "crack", 0.9, 1.0), "reject"),
        (Verdict(None, "crack", 0.9, 1.0), "crack"),
        (Verdict(None, None, 12.5, 1.0), "12.5"),
        (failed("SIGSEGV", 1.0), "SIGSEGV"),
        (Verdict(None, None, None, 1.0), None),
    ],
)
def test_a_person_who_is_asked_is_told_what_each_made_of_the_frame(one, words):
    """A number for a model that gives numbers."""
    assert one.words == words
