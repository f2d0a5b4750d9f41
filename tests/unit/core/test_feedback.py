"""A person's word on a published prediction, and what it says of a model that saw the same frame."""

from __future__ import annotations

import pytest

from agent.core.comparing import Pair, Verdict
from agent.core.feedback import Feedback, was_right


def verdict(decision=None, label=None, fault=None, score=0.5):
    return Verdict(decision, label, score, 1.0, fault)


@pytest.mark.parametrize(
    ("other", "published", "said", "expected"),
    [
        (verdict("reject"), verdict("accept"), {"judgement": "right"}, False),
        (verdict("accept"), verdict("accept"), {"judgement": "right"}, True),
        (verdict("reject"), verdict("accept"), {"judgement": "wrong"}, True),
        (verdict("accept"), verdict("accept"), {"judgement": "wrong"}, False),
        (verdict("unsure"), verdict("accept"), {"judgement": "wrong"}, None),
        (verdict("unsure"), verdict("accept"), {"judgement": "wrong", "decision": "reject"}, False),
        (verdict("reject"), verdict("accept"), {"judgement": "wrong", "decision": "reject"}, True),
        (verdict(None, "b"), verdict(None, "a"), {"judgement": "wrong", "label": "b"}, True),
        (verdict(None, "c"), verdict(None, "a"), {"judgement": "wrong", "label": "b"}, False),
        (verdict(None, "c"), verdict(None, "a"), {"judgement": "wrong"}, None),
        (verdict("reject", fault="no number"), verdict("accept"), {"judgement": "wrong"}, False),
        # the label that both named first was not what was wrong
        (verdict(None, "b"), verdict(None, "b"), {"judgement": "wrong", "label": "b"}, None),
        # a number is as right as it is near
        (verdict(score=9.0), verdict(score=5.0), {"judgement": "wrong", "label": "10"}, True),
        (verdict(score=1.0), verdict(score=5.0), {"judgement": "wrong", "label": "10"}, False),
        (verdict(score=9.0), verdict(score=5.0), {"judgement": "wrong", "label": "ten"}, False),
        (verdict(score=9.0), verdict(score=5.0), {"judgement": "wrong"}, None),
    ],
)
def test_what_is_said_of_one_counts_for_the_other_as_far_as_it_can(other, published, said, expected):
    """Where two sides are left, the one that was not wrong was right; a model that made nothing of a frame never was."""
    pair = Pair("p", "id", 0.0, published, other, same=False)
    assert was_right(pair, Feedback("id", **said)) is expected


def test_a_candidate_that_found_the_same_was_as_wrong():
    """Whatever kind of result it is."""
    pair = Pair("p", "id", 0.0, verdict(score=5.0), verdict(score=5.1), same=True)
    assert was_right(pair, Feedback("id", "wrong")) is False
    assert was_right(pair, Feedback("id", "right")) is True
