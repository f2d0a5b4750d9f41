"""A person's word on a published prediction, and what it says of a model that saw the same frame."""

from __future__ import annotations

import pytest

from agent.core.comparing import Verdict
from agent.core.feedback import Feedback, differ, was_right


def verdict(decision=None, label=None, fault=None):
    return Verdict(decision, label, 0.5, 1.0, fault)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (verdict("accept", "a"), verdict("accept", "b"), False),
        (verdict("accept", "a"), verdict("reject", "a"), True),
        (verdict(None, "a"), verdict(None, "a"), False),
        (verdict(None, "a"), verdict(None, "b"), True),
        (verdict(None, None), verdict(None, None), False),
    ],
)
def test_models_differ_by_their_decision_and_by_their_label_where_they_decide_nothing(one, other, expected):
    """What counts on the line is what is done with the part."""
    assert differ(one, other) is differ(other, one) is expected


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
    ],
)
def test_what_is_said_of_one_counts_for_the_other_as_far_as_it_can(other, published, said, expected):
    """Where two sides are left, the one that was not wrong was right; a model that made nothing of a frame never was."""
    assert was_right(other, published, Feedback("id", **said)) is expected
