"""A candidate in its shadow: what is compared, what its faults cost, and when it is over."""

from __future__ import annotations

import os
import sys
import threading
import time

import pytest
from inspecting import LONG_S, Candidate, Line, Trap, TrappedModel, job, pipeline

from agent.core import results
from agent.core.decisions import DecisionRule
from agent.core.errors import ModelCrashed, ModelRefused
from agent.pipeline.candidates import MOST_HUNG
from agent.pipeline.shadow import NICENESS
from agent.pipeline.shift import Patience
from agent.supervisor import Supervisor


def test_both_verdicts_are_compared_and_the_published_one_counts():
    """The pair names the prediction; the candidate's decision is by the same rule; its frame comes along."""
    with Line() as line:
        shadow = line.runner.shadow(Candidate(score=0.2), on_pair=line.on_pair)
        line.until_pair(value=90)
        assert shadow.stop(LONG_S)
    pair, frame = line.pairs[0]
    assert (pair.pipeline, frame.pixels.flat[0]) == ("p", 90)
    assert (pair.active.decision, pair.active.label, pair.active.score) == ("reject", "bad", 0.9)
    assert (pair.candidate.decision, pair.candidate.label, pair.candidate.score) == ("unsure", "bad", 0.2)
    assert pair.active.fault is pair.candidate.fault is None
    assert (shadow.seen, shadow.failed, shadow.fault) == (len(line.pairs), 0, None)


def test_what_was_tuned_holds_for_the_candidate_too():
    """And asking for its rule does not make it the pipeline's own."""
    rule = DecisionRule(label="bad", min_score=0.7)
    with Line() as line:
        line.runner.tuning.change({"min_score": 0.1})
        line.runner.shadow(Candidate(score=0.2, rule=rule), on_pair=line.on_pair)
        line.until_pair()
        assert line.runner.tuning.configured == line.active.rule
    assert line.pairs[0][0].candidate.decision == "reject"


class Gauge(Candidate):
    """Gives a number and decides nothing."""

    def __init__(self, offset=0.0) -> None:
        super().__init__()
        self.rule, self._offset = None, offset

    def decode(self, inferred):
        super().decode(inferred)
        return results.Regression(value=float(inferred.outputs[0].flat[0]) + self._offset, unit="mm")


@pytest.mark.parametrize(("offset", "differs"), [(0.5, False), (2.0, True)])
def test_models_that_decide_nothing_are_compared_by_what_they_find(offset, differs):
    """Numbers by the spread of the reference: here within a tenth of 10 mm."""
    with Line(Gauge()) as line:
        line.runner.shadow(Gauge(offset), on_pair=line.on_pair, spread=10.0)
        line.until_pair(value=90)
    pair, _ = line.pairs[0]
    assert (pair.active.score, pair.candidate.score, pair.differs) == (90.0, 90.0 + offset, differs)


def test_where_decisions_are_smoothed_only_the_frames_own_vote_differs():
    """One candidate's reject among accepts is not yet one, as little as it would be published."""
    with Line(smoothing={"n": 2, "m": 3}) as line:
        line.active.rule = DecisionRule(label="other")
        line.runner.shadow(Candidate(score=0.9), on_pair=line.on_pair)
        line.until_pair()
    assert {(pair.active.decision, pair.candidate.decision) for pair, _ in line.pairs} == {("accept", "accept")}


def test_a_frame_that_was_late_is_not_compared():
    """Its decision is the clock's; and it is no time for anything beside the line."""
    with Line(deadline_ms=1e-6) as line:
        candidate = Candidate()
        shadow = line.runner.shadow(candidate, on_pair=line.on_pair)
        for _ in range(60):
            line.frame()
        assert shadow.stop(LONG_S)
    assert (shadow.seen, candidate.decided) == (0, 0)


@pytest.mark.parametrize(
    ("raises", "fault"),
    [
        ({"prepare": ZeroDivisionError("0")}, "ZeroDivisionError: 0"),
        ({"infer": ModelRefused("the interpreter failed")}, "the interpreter failed"),
        ({"infer": ModelCrashed("SIGSEGV")}, "SIGSEGV"),
        ({"decode": KeyError("label")}, "KeyError: 'label'"),
    ],
)
def test_its_first_fault_is_told_and_ends_it(raises, fault):
    """The pair says what failed; the line notices nothing."""
    with Line() as line:
        shadow = line.runner.shadow(Candidate(raises=raises), on_pair=line.on_pair)
        line.until(lambda: shadow.is_over)
        assert shadow.stop(LONG_S)
        assert not line.runner.observers.present
        assert (line.runner.state, line.runner.fault) == ("ok", None)
    assert [(pair.candidate.fault, pair.candidate.decision) for pair, _ in line.pairs] == [(fault, None)]
    assert (shadow.seen, shadow.failed, shadow.fault) == (1, 1, fault)


def test_a_result_that_is_no_number_is_a_failure_and_goes_on():
    """How many of them are too many is for the gates to say."""
    with Line() as line:
        shadow = line.runner.shadow(Candidate(score=float("nan")), on_pair=line.on_pair)
        line.until_pair(2)
        assert (shadow.is_over, shadow.fault) == (False, None)
        assert shadow.stop(LONG_S)
    assert shadow.failed == shadow.seen >= 2


def test_one_that_hangs_is_abandoned_and_may_not_be_closed():
    """The line goes on; `stop` says that the candidate is still in its call."""
    trap = Trap()
    with Line(patience=Patience(stall_after_s=0.0)) as line:
        shadow = line.runner.shadow(Candidate(infer=trap), on_pair=line.on_pair)
        line.until(trap.reached.is_set)
        line.until(lambda: shadow.is_over)
        assert not shadow.stop(0)
        trap.release()
        assert shadow.stop(LONG_S)
    assert shadow.fault is not None
    assert "its thread was abandoned" in shadow.fault
    assert line.pairs == []


def test_when_several_hang_no_further_one_is_tried():
    """Each holds a thread and a model until the process ends: they are bounded."""
    traps = [Trap() for _ in range(MOST_HUNG)]
    with Line(patience=Patience(stall_after_s=0.0)) as line:
        for trap in traps:
            shadow = line.runner.shadow(Candidate(infer=trap), on_pair=line.on_pair)
            line.until(trap.reached.is_set)
            line.until(lambda shadow=shadow: shadow.is_over)
        one_more = line.runner.shadow(Candidate(), on_pair=line.on_pair)
        assert one_more.is_over
        assert one_more.fault == "4 candidates hang in a call already; restart the agent to try further ones"
        for trap in traps:
            trap.release()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread has no niceness of its own")
def test_its_thread_stands_back_and_no_other_does():
    """The processor is the line's first."""
    niceness = {}

    class Told(Candidate):
        def infer(self, prepared):
            niceness["candidate"] = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
            return super().infer(prepared)

    with Line() as line:
        line.runner.shadow(Told(), on_pair=line.on_pair)
        line.until_pair()
    assert niceness["candidate"] == min(19, os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) + NICENESS)


def test_the_newest_frame_wins_while_the_candidate_is_busy():
    """It holds two frames at most, and counts what it did not come to."""
    trap = Trap()
    with Line() as line:
        shadow = line.runner.shadow(Candidate(infer=trap), on_pair=line.on_pair)
        line.until(lambda: shadow.dropped >= 2)
        trap.release()
        assert shadow.stop(LONG_S)


def test_who_compares_may_err_and_the_shadow_goes_on():
    """A bug over there is none of the candidate's."""
    with Line() as line:

        def err(pair, frame):
            line.on_pair(pair, frame)
            raise ZeroDivisionError

        shadow = line.runner.shadow(Candidate(), on_pair=err)
        line.until_pair(2)
        assert shadow.fault is None


def test_it_goes_on_over_fresh_threads_of_the_model_at_work():
    """A call of the active model that hangs is no fault of the candidate's."""
    trap = Trap(armed=False)
    active = TrappedModel(infer=trap)
    runner, box, _sink = pipeline(lambda: active)
    pairs = []
    came = threading.Event()
    shadow = runner.shadow(Candidate(), on_pair=lambda pair, _: (pairs.append(pair), came.set()))
    trap._armed = True
    box.put(job(0), 0)
    runner.start()
    assert trap.reached.wait(LONG_S)
    Supervisor([runner]).check(time.monotonic() + 31)
    for index in range(1, 200):
        box.put(job(index), 0)
    assert came.wait(LONG_S)
    trap.release()
    box.close()
    assert runner.join(LONG_S)
    assert shadow.fault is None
    assert shadow.is_over, "a pipeline that has ended has no shadow"


def test_another_model_at_work_ends_it():
    """What it was compared with is gone; and while it is in its shadow it cannot be offered."""
    with Line() as line:
        candidate = Candidate()
        shadow = line.runner.shadow(candidate, on_pair=line.on_pair)
        with pytest.raises(ValueError, match="shadow or canary"):
            line.runner.offer(candidate)
        offer = line.runner.offer(TrappedModel())
        line.frame()
        assert offer.wait(LONG_S)
        assert (shadow.is_over, shadow.fault) == (True, None)
        assert shadow.stop(LONG_S)
        taken = line.runner.offer(candidate)
        line.frame()
        assert taken.wait(LONG_S)
        assert taken.taken


def test_a_second_shadow_takes_the_place_of_the_first():
    """One candidate a pipeline."""
    with Line() as line:
        first = line.runner.shadow(Candidate(), on_pair=line.on_pair)
        second = line.runner.shadow(Candidate(), on_pair=line.on_pair)
        assert (first.is_over, second.is_over) == (True, False)
        assert second.stop(LONG_S)


def test_a_shadow_that_comes_after_the_end_is_over_at_once():
    """Nobody waits for frames that never come."""
    line = Line()
    line.end()
    shadow = line.runner.shadow(Candidate(), on_pair=line.on_pair)
    assert shadow.is_over
    assert shadow.stop(LONG_S)


def test_frames_are_large_enough_for_the_candidate_while_it_looks_on():
    """A source that decodes no more than is needed is asked for what both need."""
    with Line() as line:
        line.frame()
        before = line.runner.needed
        candidate = Candidate()
        candidate.size = type(candidate.size)(100, 8)
        shadow = line.runner.shadow(candidate, on_pair=line.on_pair)
        assert (line.runner.needed.width, line.runner.needed.height) == (16, 100)
        assert shadow.stop(LONG_S)
        assert line.runner.needed == before
