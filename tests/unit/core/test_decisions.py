"""Decision rules of design 4.3: reject, unsure, accept; smoothing; events; publishing on change."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core import results
from agent.core.decisions import DecisionRule, EventRule, PublishRule, Smoothing, decide

CRACK = DecisionRule(label="crack", min_score=0.6, unsure_below=0.55)


def classified(*scored: tuple[str, float]) -> results.Classification:
    top = [results.Scored(label=label, score=score) for label, score in scored]
    return results.Classification(label=top[0].label, score=top[0].score, top=top)


@pytest.mark.parametrize(
    ("scored", "expected"),
    [
        ([("crack", 0.6), ("fine", 0.4)], "reject"),
        ([("fine", 0.61), ("crack", 0.6)], "reject"),
        ([("crack", 0.59), ("fine", 0.41)], "unsure"),
        ([("fine", 0.54), ("crack", 0.46)], "unsure"),
        ([("fine", 0.55), ("crack", 0.45)], "accept"),
    ],
)
def test_a_label_rejects_from_its_score_on_and_is_unsure_while_it_leads(scored, expected):
    """The reject label counts at min_score even when another leads; leading below it is unsure; a weak top is unsure."""
    assert decide(classified(*scored), CRACK) == expected


def test_any_object_with_the_reject_label_rejects():
    """One bad object among good ones is enough."""
    objects = [
        results.DetectedObject(label="bolt", score=0.9, box=[0, 0, 1, 1]),
        results.DetectedObject(label="crack", score=0.7, box=[0, 0, 1, 1]),
    ]
    assert decide(results.Detection(objects=objects), CRACK) == "reject"


def test_an_empty_detection_is_accepted():
    """Nothing found is nothing bad."""
    assert decide(results.Detection(objects=[]), CRACK) == "accept"


@pytest.mark.parametrize(
    ("result", "rule", "expected"),
    [
        (results.Anomaly(score=2.0, threshold=2.0), DecisionRule(threshold=2.0), "reject"),
        (results.Anomaly(score=1.99, threshold=2.0), DecisionRule(threshold=2.0), "accept"),
        (results.Regression(value=10.1, unit="mm"), DecisionRule(above=10, below=5), "reject"),
        (results.Regression(value=10.0, unit="mm"), DecisionRule(above=10, below=5), "accept"),
        (results.Regression(value=4.9, unit="mm"), DecisionRule(above=10, below=5), "reject"),
        (results.Embedding(vector=[1.0], distance=3.0), DecisionRule(threshold=2.0), "reject"),
        (results.Embedding(vector=[1.0]), DecisionRule(threshold=2.0), None),
        (results.Tensors(tensors={"a": [1.0]}), DecisionRule(label="x"), None),
        (results.Segmentation(areas=[results.Scored(label="crack", score=0.7)]), CRACK, "reject"),
    ],
)
def test_numbers_are_judged_by_their_limits(result, rule, expected):
    """`threshold` is reached from equal on; `above` and `below` are strict, as their names say."""
    assert decide(result, rule) == expected


def test_without_a_rule_there_is_no_decision():
    """A model that only observes never accepts or rejects."""
    assert decide(classified(("crack", 1.0)), None) is None


@given(st.floats(allow_nan=True, allow_infinity=False))
def test_a_number_that_is_not_a_number_is_never_accepted(value):
    """NaN compares false with everything, which must not read as inside the limits."""
    decision = decide(results.Anomaly(score=value, threshold=1.0), DecisionRule(threshold=1.0))
    assert decision == ("unsure" if math.isnan(value) else "reject" if value >= 1.0 else "accept")


def test_two_of_three_must_agree_before_a_reject_counts():
    """A single bad frame is not a bad part."""
    smoothing = Smoothing(2, 3)
    raw = ["accept", "reject", "accept", "reject", "reject", "accept", "accept"]
    assert [smoothing.apply(decision) for decision in raw] == [
        "accept", "accept", "accept", "reject", "reject", "reject", "accept",
    ]  # fmt: skip


@given(st.lists(st.sampled_from(["accept", "reject", "unsure"])), st.integers(1, 5), st.integers(0, 5))
def test_smoothing_rejects_exactly_when_n_of_the_last_m_do(raw, n, extra):
    """The rule, stated again in its simplest form, agrees frame by frame."""
    m = n + extra
    smoothing = Smoothing(n, m)
    for k, decision in enumerate(raw):
        window = raw[max(0, k - m + 1) : k + 1]
        assert (smoothing.apply(decision) == "reject") == (window.count("reject") >= n)


@given(st.lists(st.sampled_from(["accept", "reject", "unsure"])))
def test_smoothing_one_of_one_changes_nothing(raw):
    """n = m = 1 is no smoothing."""
    smoothing = Smoothing(1, 1)
    assert [smoothing.apply(decision) for decision in raw] == raw


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ("all", [True, True, True, True, True]),
        ("reject", [False, True, True, True, False]),
        ("change", [True, True, False, True, True]),
    ],
)
def test_events_are_what_the_rule_selects(events, expected):
    """`reject` includes unsure; `change` includes the first decision."""
    rule = EventRule(events)
    assert [rule.selects(d) for d in ("accept", "reject", "reject", "unsure", "accept")] == expected


@pytest.mark.parametrize(("events", "expected"), [("all", True), ("reject", False), ("change", False)])
def test_without_a_decision_only_all_makes_events(events, expected):
    """No rule, no event under `reject` (design 4.3)."""
    assert EventRule(events).selects(None) is expected


def test_on_change_an_unchanged_verdict_is_said_again_after_the_heartbeat():
    """Silence would be read as a dead agent."""
    rule = PublishRule("change", heartbeat_s=10)
    same, other = classified(("fine", 0.9)), classified(("crack", 0.9))
    said = [
        rule.selects("accept", same, 0.0),
        rule.selects("accept", same, 9.9),
        rule.selects("accept", same, 10.0),
        rule.selects("reject", other, 10.1),
        rule.selects("reject", other, 10.2),
    ]
    assert said == [True, False, True, True, False]


def test_another_vote_on_the_last_frame_changes_neither_the_others_nor_what_comes():
    """What a candidate would have said is asked later, and holds for the frame it was asked of."""
    smoothing = Smoothing(2, 3)
    assert [smoothing.apply(raw) for raw in ("reject", "accept")] == ["accept", "accept"]
    instead = smoothing.instead()
    assert smoothing.apply("accept") == "accept"
    assert [instead(raw) for raw in ("reject", "accept", None)] == ["reject", "accept", None]
    assert smoothing.apply("reject") == "accept"
