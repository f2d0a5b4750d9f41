"""From what was seen of a version to its next state: each way on, each way out, and no state without an end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.gates import Gates, tightest
from agent.core.life import Evidence, after, crashed_too_often, first
from agent.core.sequential import needed

GATES = tightest({"p99_ms": 40})
STATES = ("shadow", "canary", "active")
ENOUGH = Evidence(spent_s=4000, frames=1000)
DEADLINES = {name: getattr(GATES, f"{'bake' if name == 'active' else name}_deadline_s") for name in STATES}
LEAD = needed(GATES.max_error)


def test_what_shows_enough_goes_from_state_to_state_until_it_is_confirmed():
    """The way of a good version."""
    assert first(GATES, "proved", can_compare=True).state == "shadow"
    steps = [after(state, ENOUGH, GATES) for state in STATES]
    assert [step.state for step in steps] == ["canary", "active", "active"]
    assert [step.is_settled for step in steps] == [False, False, True]


def test_what_cannot_be_compared_is_active_at_once_and_watched():
    """The first version, and one whose pipeline does not work."""
    step = first(GATES, "proved", can_compare=False)
    assert (step.state, step.is_settled) == ("active", False)


@pytest.mark.parametrize(
    ("open_gates", "way"),
    [
        ({"shadow_frames": 0}, ["canary", "active"]),
        ({"canary_frames": 0}, ["shadow", "active"]),
        ({"shadow_frames": 0, "canary_frames": 0}, ["active"]),
    ],
)
def test_a_gate_of_no_frames_skips_its_state(open_gates, way):
    """Who wants no canary has none."""
    gates = tightest(open_gates)
    step = first(gates, "proved", can_compare=True)
    seen = [step.state]
    while step.state != "active":
        step = after(step.state, ENOUGH, gates)
        seen.append(step.state)
    assert seen == way


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("seen", [Evidence(spent_s=4000, frames=10), Evidence(spent_s=1, frames=10_000)])
def test_it_stays_until_it_has_shown_enough_in_number_and_in_time(state, seen):
    """A fast line sees few parts in ten seconds, a slow one few frames in an hour; the reason says how far it is."""
    step = after(state, seen, GATES)
    assert (step.state, step.is_settled) == (state, False)
    assert "of" in step.reason


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fault": "it crashed"}, "it crashed"),
        ({"failures": 20}, "made nothing of 20 of 1000"),
        ({"p99_ms": 41.0, "latencies": 2000}, "41.0 ms"),
        ({"better": 1, "worse": 1 + LEAD}, "worse"),
        ({"wrong": 5}, "wrong"),
        ({"worsened": "it rejects everything"}, "rejects everything"),
        ({"word": "return"}, "operator"),
    ],
)
def test_what_speaks_against_it_ends_it_in_any_state_whatever_else_it_has_shown(state, change, words):
    """With the reason; an operator's `confirm` does not weigh it up."""
    step = after(state, replace(ENOUGH, **{"word": "confirm"} | change), GATES)
    assert (step.state, step.is_settled) == ("rejected", True)
    assert words in step.reason


@pytest.mark.parametrize("state", STATES)
def test_two_failures_or_a_few_slow_frames_are_no_reason(state):
    """They happen to every model."""
    seen = Evidence(spent_s=1, frames=4, failures=2, p99_ms=99.0, latencies=4)
    assert after(state, seen, GATES).state == state


def test_disagreement_alone_waits_for_a_person_until_the_deadline():
    """It cannot tell better from worse, so it neither passes nor fails; unlabelled it ends with the old model."""
    seen = replace(ENOUGH, disagreed=21)
    held = after("shadow", seen, GATES)
    assert (held.state, held.waits_for_feedback) == ("shadow", True)
    assert f"a lead of {LEAD}" in held.reason
    assert after("shadow", replace(seen, better=LEAD), GATES).state == "canary"
    assert after("shadow", replace(seen, worse=LEAD), GATES).state == "rejected"
    late = after("shadow", replace(seen, spent_s=GATES.shadow_deadline_s), GATES)
    assert late.state == "rejected"
    assert "feedback" in late.reason
    assert after("shadow", replace(seen, disagreed=20), GATES).state == "canary", "within the bound"


@pytest.mark.parametrize("state", STATES)
def test_a_held_version_stays_and_a_confirmed_one_goes_on(state):
    """`hold` keeps what could go on; `confirm` passes over what is missing."""
    assert after(state, replace(ENOUGH, word="hold"), GATES).state == state
    assert not after(state, replace(ENOUGH, word="hold"), GATES).is_settled
    step = after(state, Evidence(word="confirm"), GATES)
    assert (step.state, step.is_settled) == ("active", state == "active")


@pytest.mark.parametrize("state", STATES)
@given(
    frames=st.integers(0, 10_000),
    disagreed=st.integers(0, 10_000),
    better=st.integers(0, 10),
    worse=st.integers(0, 10),
    word=st.sampled_from(["", "hold", "confirm", "return"]),
    past_s=st.floats(0, 1e6),
)
def test_nothing_stays_beyond_its_deadline(state, frames, disagreed, better, worse, word, past_s):
    """Whatever was seen, and whatever an operator said: it goes on or it is rejected."""
    spent_s = DEADLINES[state] + past_s
    seen = Evidence(spent_s, frames=frames, disagreed=min(frames, disagreed), better=better, worse=worse, word=word)
    step = after(state, seen, GATES)
    assert step.state != state or step.is_settled


def test_a_version_that_takes_the_agent_down_again_and_again_is_given_up():
    """Three runs in a row within ten minutes of work; later ones have other causes."""
    gates = Gates()
    assert crashed_too_often(2, 30, gates) is None
    assert "3 runs" in (crashed_too_often(3, 30, gates) or "")
    assert crashed_too_often(3, 601, gates) is None
