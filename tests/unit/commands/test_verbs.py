"""What each verb does to a pipeline, and what it does not let anybody do."""

from __future__ import annotations

import contextlib

import hypothesis.strategies as st
import pytest
from commanding import Notes, frame, pipeline
from hypothesis import given

from agent.commands.request import Refused
from agent.commands.verbs import Pause, Set
from agent.core.decisions import DecisionRule
from agent.core.messages import HoldResult, SetResult
from agent.pipeline.settings import BoundsSettings

BOUNDS = {"min_score": [0.4, 0.9], "unsure_below": [0.0, 0.5]}


@pytest.fixture
def notes():
    return Notes()


@pytest.fixture
def pipelines():
    return {"p": pipeline("p", bounds=BOUNDS), "q": pipeline("q")}


def refusal(verb, arguments):
    with pytest.raises(Refused) as caught:
        verb(arguments)
    return caught.value.reason, str(caught.value)


def test_a_paused_pipeline_takes_no_frames_until_it_is_resumed(pipelines, notes):
    """The other one goes on; everybody can see it."""
    pause, resume = Pause(pipelines, notes), Pause(pipelines, notes, resume=True)
    assert pause({"pipeline": "p"}) == HoldResult(pipelines={"p": ["paused"]})
    assert [pipelines[name].intake.admit(frame()) is None for name in "pq"] == [True, False]
    assert notes.now == {"paused/p": "pipeline p is paused by command"}
    assert resume({"pipeline": "p"}) == HoldResult(pipelines={"p": []})
    assert pipelines["p"].intake.admit(frame()) is not None
    assert notes.now == {}


def test_without_a_name_all_are_meant(pipelines, notes):
    """Also twice."""
    for _ in range(2):
        assert Pause(pipelines, notes)({}) == HoldResult(pipelines={"p": ["paused"], "q": ["paused"]})
    assert Pause(pipelines, notes, resume=True)({}) == HoldResult(pipelines={"p": [], "q": []})
    assert notes.now == {}


def test_resume_ends_no_hold_but_its_own(pipelines, notes):
    """A pipeline that the device has no room for stays out, and the answer says so."""
    pipelines["p"].intake.hold("shed")
    pipelines["p"].intake.hold("paused")
    assert Pause(pipelines, notes, resume=True)({"pipeline": "p"}) == HoldResult(pipelines={"p": ["shed"]})


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"pipeline": "r"}, "unknown_name"),
        ({"pipeline": ""}, "unknown_name"),
        ({"pipeline": "\x1b[2J" * 100}, "unknown_name"),
        ({"pipeline": 1}, "malformed"),
        ({"pipeline": ["p"]}, "malformed"),
        ({"pipelin": "p"}, "malformed"),
        ({"pipeline": "p", "for_s": 3}, "malformed"),
    ],
    ids=ascii,
)
def test_pause_refuses_what_it_does_not_understand(pipelines, notes, arguments, reason):
    """A misspelt key must not pause them all."""
    said, message = refusal(Pause(pipelines, notes), arguments)
    assert said == reason
    assert message.isascii()
    assert message.isprintable()
    assert not any(p.intake.holds for p in pipelines.values())


def test_set_changes_the_rule_by_which_the_next_frame_is_judged(pipelines, notes):
    """Several values at once; those before stay; null takes the configured one again."""
    p, change = pipelines["p"], Set(pipelines, notes)
    configured = p.tuning.configured
    assert change({"pipeline": "p", "min_score": 0.7, "unsure_below": 0}) == SetResult(
        pipeline="p", set={"min_score": 0.7, "unsure_below": 0.0}
    )
    assert p.tuning.over(configured) == DecisionRule(label="bad", min_score=0.7, unsure_below=0.0)
    assert notes.now == {"set/p": "pipeline p decides by min_score = 0.7, unsure_below = 0, set by command"}
    assert change({"pipeline": "p", "min_score": None}).set == {"unsure_below": 0.0}
    assert p.tuning.over(configured) == DecisionRule(label="bad", min_score=0.6, unsure_below=0.0)
    assert change({"pipeline": "p", "unsure_below": None}).set == {}
    assert p.tuning.over(configured) is configured
    assert notes.now == {}


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({}, "malformed"),
        ({"min_score": 0.7}, "malformed"),
        ({"pipeline": "p"}, "malformed"),
        ({"pipeline": "r", "min_score": 0.7}, "unknown_name"),
        ({"pipeline": "q", "min_score": 0.7}, "not_allowed"),
        ({"pipeline": "p", "threshold": 0.7}, "malformed"),
        ({"pipeline": "p", "label": "good"}, "malformed"),
        ({"pipeline": "p", "min_score": 0.39}, "out_of_bounds"),
        ({"pipeline": "p", "min_score": 0.91}, "out_of_bounds"),
        ({"pipeline": "p", "min_score": -1}, "out_of_bounds"),
        ({"pipeline": "p", "min_score": 10**400}, "out_of_bounds"),
        ({"pipeline": "p", "min_score": float("inf")}, "out_of_bounds"),
        ({"pipeline": "p", "min_score": float("nan")}, "out_of_bounds"),
        ({"pipeline": "p", "min_score": True}, "malformed"),
        ({"pipeline": "p", "min_score": "0.7"}, "malformed"),
        ({"pipeline": "p", "min_score": [0.7]}, "malformed"),
        ({"pipeline": "p", "min_score": 0.7, "unsure_below": 0.6}, "out_of_bounds"),
        ({"pipeline": "p", "min_score": 0.7, "unsure_below": {}}, "malformed"),
    ],
    ids=lambda value: ascii(value)[:60],
)
def test_set_refuses_all_of_it_or_none(pipelines, notes, arguments, reason):
    """One value out of bounds, and the others are not set either."""
    said, message = refusal(Set(pipelines, notes), arguments)
    assert said == reason
    assert message.isprintable()
    assert len(message) < 300
    assert not pipelines["p"].tuning.changes
    assert not notes.now


@pytest.mark.parametrize(
    ("rule", "key"),
    [
        (None, "min_score"),
        (DecisionRule(threshold=1.0), "min_score"),
        (DecisionRule(label="bad"), "threshold"),
        (DecisionRule(above=1.0), "below"),
    ],
    ids=ascii,
)
def test_set_refuses_a_value_that_the_decision_does_not_work_with(notes, rule, key):
    """It would do nothing, or reject by a limit that nobody configured."""
    bounds = {"min_score": [0, 1], "threshold": [0, 9], "above": [0, 9], "below": [0, 9]}
    said, _ = refusal(Set({"p": pipeline("p", rule=rule, bounds=bounds)}, notes), {"pipeline": "p", key: 0.5})
    assert said == "not_applicable"


@given(st.integers() | st.floats(), st.floats(-5, 5), st.floats(0, 5))
def test_whatever_is_asked_the_value_stays_within_its_bounds(value, lowest, width):
    """Any number there is."""
    rule = DecisionRule(threshold=lowest)
    p = pipeline("p", rule=rule, bounds={"threshold": [lowest, lowest + width]})
    with contextlib.suppress(Refused):
        Set({"p": p}, Notes())({"pipeline": "p", "threshold": value})
    assert lowest <= p.tuning.over(rule).threshold <= lowest + width


def test_bounds_are_written_lowest_first():
    """A pair the other way round would allow nothing."""
    with pytest.raises(ValueError, match="write the lowest first"):
        BoundsSettings(min_score=[0.9, 0.4])
    with pytest.raises(ValueError, match="less than or equal to 1"):
        BoundsSettings(min_score=[0.4, 40])
    assert BoundsSettings(above=[-3, 40]).ranges == {"above": (-3.0, 40.0)}
