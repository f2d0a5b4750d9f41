"""A pipeline whose calls hang: noticed from outside, given fresh threads, and what wakes up later reaches nobody."""

from __future__ import annotations

import gc
import time
import weakref

import pytest
from deadlines import LONG_S
from inspecting import RememberingSink, Trap, TrappedModel, job, pipeline

from agent.core.supervision import Limits
from agent.pipeline.shift import Patience
from agent.supervisor import Supervisor

STALL_S, LOAD_S = 30.0, 300.0


def models(*traps):
    """A `load` that gives a model for each of these traps, then models that never hang; and the list of them."""
    given = []

    def load():
        given.append(TrappedModel(**(traps[len(given)] if len(given) < len(traps) else {})))
        return given[-1]

    return load, given


def look(supervisor, later_s=STALL_S + 1):
    supervisor.check(time.monotonic() + later_s)


@pytest.mark.parametrize("call", ["prepare", "infer", "decode"])
def test_a_call_that_hangs_costs_its_frames_and_numbers_go_on(call):
    """A fresh thread with a fresh model takes the frames that waited; what wakes up later is not sent, and its model is closed."""
    trap = Trap()
    load, given = models({call: trap})
    runner, box, sink = pipeline(load)
    supervisor = Supervisor([runner])
    box.put(job(0), 0)
    before_s = time.monotonic()
    runner.start()
    assert trap.reached.wait(LONG_S)
    supervisor.check(before_s + STALL_S)
    assert runner.abandoned == 0
    look(supervisor)
    assert (runner.abandoned, runner.abandoned_alive) == (1, 1)
    for index in range(1, 6):
        box.put(job(index), 0)
    sink.wait_for(5)
    trap.release()
    assert given[0].closed.wait(LONG_S)
    box.close()
    assert runner.join(LONG_S)
    assert sink.sent == [(k, k, k + 1) for k in range(5)]
    assert (runner.state, runner.drops(), len(given)) == ("ended", {"hung": 1}, 2)


def test_a_decoder_that_hangs_beside_the_interpreter_is_noticed_without_a_further_frame():
    """It runs in a thread of its own while frames wait; both threads of the pipeline end when it wakes."""
    trap = Trap()
    load, given = models({"decode": trap})
    runner, box, sink = pipeline(load)
    supervisor = Supervisor([runner])
    for index in range(2):
        box.put(job(index), 0)
    runner.start()
    assert trap.reached.wait(LONG_S)
    look(supervisor)
    box.put(job(2), 0)
    sink.wait_for(1)
    trap.release()
    assert given[0].closed.wait(LONG_S)
    assert _ends(lambda: runner.abandoned_alive == 0)
    box.close()
    assert runner.join(LONG_S)
    taken = 3 - runner.drops()["hung"]
    assert [seq for seq, *_ in sink.sent] == list(range(taken))


def test_a_sink_that_hangs_has_the_number_and_no_other_gets_it():
    """The prediction is the sink's to deliver when it wakes up; nothing is numbered twice."""
    trap = Trap()
    load, _ = models()
    runner, box, sink = pipeline(load, sink=RememberingSink(trap))
    box.put(job(0), 0)
    runner.start()
    assert trap.reached.wait(LONG_S)
    look(Supervisor([runner]))
    box.put(job(1), 0)
    sink.wait_for(1)
    trap.release()
    sink.wait_for(2)
    box.close()
    assert runner.join(LONG_S)
    assert sorted(sink.sent) == [(0, 0, 0), (1, 1, 1)]


def test_a_sink_that_waits_for_room_does_not_hang():
    """A slow broker holds a file up for as long as it likes; each look whether to wait on is a sign of life."""
    waiting = Trap()

    class Full(RememberingSink):
        def send(self, prediction, *, wait, **rest):
            waiting.pass_by()
            assert wait()
            self.asked_s = time.monotonic()
            late.pass_by()
            super().send(prediction, wait=wait, **rest)

    late = Trap()
    load, _ = models()
    sink = Full()
    runner, box, _ = pipeline(load, sink=sink, patience=Patience(stall_after_s=STALL_S))
    box.put(job(0), 0)
    runner.start()
    assert waiting.reached.wait(LONG_S)
    began_s = time.monotonic()
    waiting.release()
    assert late.reached.wait(LONG_S)
    assert sink.asked_s >= began_s
    assert runner.stalled_s(began_s + STALL_S) is None
    assert runner.stalled_s(time.monotonic() + STALL_S) is not None
    late.release()
    box.close()
    assert runner.join(LONG_S)


def test_a_load_may_take_longer_than_a_frame_but_not_for_ever():
    """A model is tried in a child process first, which takes its time on a small machine; one that comes too late is closed."""
    trap = Trap()
    given = []

    def load():
        given.append(TrappedModel())
        if len(given) == 1:
            trap.pass_by()
        return given[-1]

    runner, box, sink = pipeline(load, patience=Patience(STALL_S, LOAD_S))
    supervisor = Supervisor([runner])
    box.put(job(0), 0)
    before_s = time.monotonic()
    runner.start()
    assert trap.reached.wait(LONG_S)
    supervisor.check(before_s + LOAD_S)
    assert runner.abandoned == 0
    look(supervisor, LOAD_S + 1)
    sink.wait_for(1)
    trap.release()
    box.close()
    assert runner.join(LONG_S)
    assert _ends(lambda: runner.abandoned_alive == 0)
    assert (runner.abandoned, sink.sent, runner.drops()) == (1, [(0, 0, 0)], {})


def test_waiting_for_frames_or_for_the_next_try_is_no_stall():
    """A camera without a signal, or a model that was refused, is somebody else's fault."""
    load, _ = models()
    runner, box, sink = pipeline(load)
    assert runner.stalled_s(time.monotonic() + 1e6) is None
    runner.start()
    box.put(job(0), 0)
    sink.wait_for(1)
    assert _ends(lambda: runner.stalled_s(time.monotonic() + 1e6) is None)
    box.close()
    assert runner.join(LONG_S)


def test_a_pipeline_that_hangs_again_and_again_is_failed_and_says_why():
    """And does not hold up the source that it shares; a later try may cure it."""
    traps = [Trap() for _ in range(2)]
    load, _ = models(*({"infer": trap} for trap in traps))
    told = []
    runner, box, sink = pipeline(
        load, capacity=1, shared=True, on_change=lambda r: told.append((r.state, str(r.fault or "")))
    )
    supervisor = Supervisor([runner], Limits(max_restarts=1, within_s=600, retry_s=300))
    runner.start()
    later_s = 0.0
    for trap in traps:
        assert box.put(job(0), LONG_S)
        assert trap.reached.wait(LONG_S)
        later_s += STALL_S + 1
        look(supervisor, later_s)
    assert runner.state == "failed"
    assert str(runner.fault).startswith("infer() did not return for ")
    assert str(runner.fault).endswith("its thread was abandoned; tried again in 300 s")
    assert all(box.put(job(k), 0) for k in range(10)), "frames are let go, so the source goes on"
    look(supervisor, later_s + 301)
    assert _ends(lambda: runner.state == "ok")
    assert box.put(job(11), LONG_S)
    sink.wait_for(1)
    for trap in traps:
        trap.release()
    box.close()
    assert runner.join(LONG_S)
    assert [state for state, _ in told] == ["ok", "failed", "starting", "ok", "failed", "starting", "ok", "ended"]
    assert runner.drops() == {"no_model": 10, "hung": 2}


def test_what_an_abandoned_thread_held_is_let_go_when_it_ends():
    """A call that hangs now and then must not cost a model and some frames each time; what was lost stays counted."""
    trap = Trap()
    load, given = models({"decode": trap})
    runner, box, sink = pipeline(load)
    for index in range(3):
        box.put(job(index), 0)
    runner.start()
    assert trap.reached.wait(LONG_S)
    look(Supervisor([runner]))
    first, given[0] = weakref.ref(given[0]), None
    trap.release()
    assert _ends(lambda: runner.abandoned_alive == 0)
    gc.collect()
    assert first() is None
    assert runner.drops()["hung"] >= 1
    box.close()
    assert runner.join(LONG_S)
    assert len(sink.sent) + runner.drops()["hung"] == 3


def test_a_pipeline_that_was_stopped_is_not_restarted():
    """Whoever stops the agent waits for its grace and no longer."""
    trap = Trap()
    load, given = models({"infer": trap})
    runner, box, _ = pipeline(load)
    box.put(job(0), 0)
    runner.start()
    assert trap.reached.wait(LONG_S)
    runner.stop()
    look(Supervisor([runner]))
    assert not runner.join(0.01)
    trap.release()
    assert runner.join(LONG_S)
    assert (runner.abandoned, len(given)) == (0, 1)


def _ends(is_so) -> bool:
    """Whether something comes to be before the deadline."""
    until_s = time.monotonic() + LONG_S
    while not is_so() and time.monotonic() < until_s:
        time.sleep(0.005)
    return is_so()
