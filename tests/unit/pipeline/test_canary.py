"""A candidate in its canary: which frames it decides, what its faults cost, and how the line goes back."""

from __future__ import annotations

import time

import pytest
from inspecting import LONG_S, Candidate, Line, Trap, TrappedModel, job, pipeline

from agent.core.comparing import NOT_FINITE
from agent.core.decisions import DecisionRule
from agent.core.errors import ModelCrashed, ModelRefused
from agent.core.sets import is_of_share
from agent.pipeline.shift import Patience
from agent.supervisor import Supervisor


class Seeing:
    """Which model made each prediction."""

    def __init__(self) -> None:
        self.made = []

    def seen(self, _frame, prediction, _inferred) -> None:
        self.made.append((prediction.seq, prediction.model.version, prediction.decision))

    @property
    def versions(self) -> str:
        return "".join(version for _, version, _ in self.made)


def turns(first, beyond, share) -> str:
    """Whose each of these frames is: 2 of the candidate."""
    return "".join("2" if is_of_share(index, share) else "1" for index in range(first, beyond))


def test_a_share_of_the_frames_is_the_candidates_after_some_of_the_active_models():
    """Each by one model, in order, and the candidate's decision is what is published."""
    seeing = Seeing()
    with Line(observers=[seeing]) as line:
        candidate = Candidate(score=0.2)
        canary = line.runner.canary(candidate, share=0.25)
        for _ in range(28):
            line.frame()
        assert canary.end().wait(LONG_S)
        for _ in range(4):
            line.frame()
    assert seeing.versions == "1" * 8 + turns(8, 28, 0.25) + "1111"
    assert {(version, decision) for _, version, decision in seeing.made} == {("1", "reject"), ("2", "unsure")}
    assert candidate.decided == turns(8, 28, 0.25).count("2") == 5
    assert (canary.is_over, canary.fault) == (True, None)


def test_it_counts_what_each_of_the_two_decided():
    """So that somebody can judge: frames, decisions, and what a frame took."""
    with Line() as line:
        canary = line.runner.canary(Candidate(score=0.2), share=0.5)
        before = canary.counts
        for _ in range(28):
            line.frame()
        counts = canary.counts
        canary.end()
    assert (before.candidate.frames, before.candidate.p99_ms) == (0, None)
    own = turns(8, 28, 0.5).count("2")
    assert (counts.candidate.frames, counts.candidate.decisions) == (own, {"unsure": own})
    assert (counts.active.frames, counts.active.decisions) == (28 - own, {"reject": 28 - own})
    assert counts.candidate.p99_ms >= counts.candidate.p50_ms >= 0
    assert (counts.slow, counts.failed, counts.candidate.late, counts.active.bad) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("candidate", "fault"),
    [
        (Candidate(raises={"prepare": ZeroDivisionError("0")}), "ZeroDivisionError: 0"),
        (Candidate(raises={"infer": ModelRefused("the interpreter failed")}), "the interpreter failed"),
        (Candidate(raises={"infer": ModelCrashed("SIGSEGV")}), "SIGSEGV"),
        (Candidate(raises={"decode": KeyError("label")}), "KeyError: 'label'"),
        (Candidate(score=float("nan")), NOT_FINITE),
    ],
)
def test_a_frame_on_which_it_fails_is_the_active_models_and_the_canary_is_over(candidate, fault):
    """No frame is lost, none is numbered twice, and none is published that nobody could believe."""
    seeing = Seeing()
    with Line(observers=[seeing]) as line:
        canary = line.runner.canary(candidate, share=0.5)
        for _ in range(20):
            line.frame()
        assert (canary.is_over, canary.fault, canary.counts.failed) == (True, fault, 1)
        assert canary.end().wait(LONG_S)
        assert (line.runner.state, line.runner.drops()) == ("ok", {})
    assert seeing.versions == "1" * 20


def test_events_have_no_gap_over_both_models():
    """They are numbered by the pipeline, whoever decides."""
    with Line() as line:
        line.active.rule = DecisionRule(label="other")
        line.runner.canary(Candidate(score=0.9), share=0.25)
        for _ in range(28):
            line.frame()
    assert [event for _, event, _ in line.sink.sent if event is not None] == [0, 1, 2, 3, 4]


def test_one_that_is_not_back_in_time_leaves_the_frame_to_the_active_model():
    """And while it is still at that frame, so are those that would be its own; what it says later reaches nobody."""
    trap, seeing = Trap(), Seeing()
    with Line(observers=[seeing], finite=False) as line:
        canary = line.runner.canary(Candidate(infer=trap), share=1.0)
        for _ in range(8):
            line.frame()
        for _ in range(3):
            line.frame()
        assert (canary.is_over, canary.counts.slow, canary.counts.failed) == (False, 3, 0)
        trap.release()
        line.until(lambda: canary.counts.candidate.frames > 0)
    assert seeing.versions[:11] == "1" * 11


def test_one_that_hangs_is_abandoned_and_may_not_be_closed():
    """No frame is lost and no thread of the pipeline's."""
    trap = Trap()
    with Line(finite=False, patience=Patience(stall_after_s=0.0)) as line:
        canary = line.runner.canary(Candidate(infer=trap), share=1.0)
        line.until(lambda: canary.is_over)
        assert "its thread was abandoned" in canary.fault
        assert not canary.wait(0)
        assert line.runner.abandoned == 0
        trap.release()
        assert canary.wait(LONG_S)


def test_where_the_deadline_leaves_no_time_the_candidate_is_not_waited_for():
    """A candidate never makes a part late that the active model would have decided in time."""
    trap = Trap()
    with Line(deadline_ms=1e-6, finite=True) as line:
        canary = line.runner.canary(Candidate(infer=trap), share=1.0)
        for _ in range(12):
            line.frame()
        assert canary.counts.slow == 4
        trap.release()


def test_an_offer_that_is_taken_ends_it_from_one_frame_to_the_next():
    """After a return no frame is decided by anybody but the model that was returned to."""
    seeing = Seeing()
    with Line(observers=[seeing]) as line:
        canary = line.runner.canary(Candidate(), share=0.5)
        for _ in range(12):
            line.frame()
        offer = line.runner.offer(Candidate(version="3"))
        for _ in range(8):
            line.frame()
        assert offer.wait(LONG_S)
        assert (canary.is_over, canary.fault) == (True, None)
        assert canary.wait(LONG_S)
    assert seeing.versions == "1" * 8 + turns(8, 12, 0.5) + "3" * 8


def test_it_goes_on_over_fresh_threads_and_a_reload_of_the_active_model():
    """The frame that hung is lost as ever; the canary is not to blame, and goes on deciding its share."""
    trap, seeing, loads = Trap(armed=False), Seeing(), []

    def load():
        loads.append(TrappedModel(infer=trap))
        return loads[-1]

    runner, box, sink = pipeline(load, observers=[seeing])
    runner.start()
    canary = runner.canary(Candidate(), share=0.5)
    hung = next(index for index in range(12, 20) if not is_of_share(index, 0.5))
    for index in range(hung):
        box.put(job(index), 0)
        sink.wait_for(index + 1)
    trap._armed = True
    box.put(job(hung), 0)
    assert trap.reached.wait(LONG_S)
    Supervisor([runner]).check(time.monotonic() + 31)
    for index in range(hung + 1, hung + 5):
        box.put(job(index), 0)
        sink.wait_for(index)
    trap.release()
    box.close()
    assert runner.join(LONG_S)
    assert [seq for seq, *_ in sink.sent] == list(range(hung + 4))
    assert (len(loads), runner.drops(), canary.fault) == (2, {"hung": 1}, None)
    assert seeing.versions == "1" * 8 + turns(8, hung, 0.5) + turns(hung + 1, hung + 5, 0.5)
    assert canary.is_over, "a pipeline that has ended has no canary"


def test_a_crash_of_the_active_model_does_not_end_it():
    """It costs its own frame and its own reload."""
    crashes = iter([None] * 10 + [ModelCrashed("SIGSEGV")])

    class Crashing(TrappedModel):
        def infer(self, prepared):
            fault = next(crashes, None)
            if fault is not None:
                raise fault
            return super().infer(prepared)

    seeing = Seeing()
    runner, box, sink = pipeline(Crashing, observers=[seeing])
    runner.start()
    canary = runner.canary(Candidate(), share=0.5)
    for index in range(24):
        box.put(job(index), 0)
    box.close()
    assert runner.join(LONG_S)
    assert runner.drops() == {"model_crashed": 1}
    assert [seq for seq, *_ in sink.sent] == list(range(23))
    assert canary.counts.candidate.frames == seeing.versions.count("2") >= 4


def test_every_frame_after_a_return_was_taken_is_the_previous_models_and_none_is_lost():
    """From one frame to the next, while frames come as fast as they are taken."""
    seeing = Seeing()
    previous = Candidate(version="0")
    runner, box, sink = pipeline(Candidate, observers=[seeing])
    runner.start()
    for index in range(200):
        box.put(job(index), 0)
        if index == 100:
            offer = runner.offer(previous)
    assert offer.wait(LONG_S)
    box.close()
    assert runner.join(LONG_S)
    assert [seq for seq, *_ in sink.sent] == list(range(200))
    assert seeing.versions == "2" * seeing.versions.index("0") + "0" * seeing.versions.count("0")
    assert seeing.versions.count("0") >= 1
