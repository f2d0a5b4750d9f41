"""A model that is offered to a pipeline: to one that works, one that waits for a model, one that hangs, one that has ended."""

from __future__ import annotations

import gc
import threading
import time
import weakref

from inspecting import LONG_S, Candidate, Trap, TrappedModel, job, pipeline

from agent.core.errors import ModelAwaited, ModelCrashed
from agent.supervisor import Supervisor


def refuse():
    raise ModelAwaited("no version yet")


def test_the_frame_in_the_old_model_is_the_old_ones_and_the_next_is_the_new_ones():
    """The offer is over only when the old model's last frame is decoded; then the old one may be closed."""
    infer = Trap()
    old, new = TrappedModel(infer=infer), TrappedModel()
    runner, box, sink = pipeline(lambda: old)
    for index in range(3):
        box.put(job(index), 0)
    runner.start()
    assert infer.reached.wait(LONG_S)
    offer = runner.offer(new)
    assert not offer.wait(0)
    infer.release()
    assert offer.wait(LONG_S)
    assert offer.former is old
    sink.wait_for(3)
    box.close()
    assert runner.join(LONG_S)
    assert sink.sent == [(k, k, k) for k in range(3)]
    assert (old.closed.is_set(), new.closed.is_set()) == (False, True), "what comes back is the offerer's to close"


def test_a_pipeline_that_waits_for_a_model_begins_with_the_offered_one():
    """It does not wait for its next try, which would be seconds away."""
    failed = threading.Event()
    runner, box, sink = pipeline(refuse, on_change=lambda r: failed.set() if r.state == "failed" else None)
    runner.start()
    assert failed.wait(LONG_S)
    new = TrappedModel()
    offer = runner.offer(new)
    assert offer.wait(LONG_S)
    assert (offer.taken, offer.former) == (True, None)
    while runner.state != "ok":
        time.sleep(0.001)
    box.put(job(0), 0)
    sink.wait_for(1)
    box.close()
    assert runner.join(LONG_S)
    assert new.closed.is_set()


def test_one_that_hangs_gets_fresh_threads_which_take_the_offered_model():
    """The frame that hung is lost, as ever; the old model is closed by the thread that woke up."""
    trap = Trap()
    old, new = TrappedModel(infer=trap), TrappedModel()
    runner, box, sink = pipeline(lambda: old)
    box.put(job(0), 0)
    runner.start()
    assert trap.reached.wait(LONG_S)
    offer = runner.offer(new)
    Supervisor([runner]).check(time.monotonic() + 31)
    assert offer.wait(LONG_S)
    assert offer.taken
    box.put(job(1), 0)
    sink.wait_for(1)
    trap.release()
    assert old.closed.wait(LONG_S)
    assert not new.closed.is_set()
    box.close()
    assert runner.join(LONG_S)
    assert sink.sent == [(0, 0, 1)]


def test_one_that_has_ended_takes_nothing():
    """Neither an offer that comes too late nor one that still waited."""
    runner, box, _ = pipeline(TrappedModel)
    box.close()
    runner.start()
    assert runner.join(LONG_S)
    new = TrappedModel()
    offer = runner.offer(new)
    assert offer.wait(LONG_S)
    assert (offer.taken, offer.former, new.closed.is_set()) == (False, None, False)


def test_an_offer_that_came_before_a_frame_decides_it():
    """A line that waits for its next part returns to the previous model with that part and not the one after it."""
    runner, box, sink = pipeline(TrappedModel)
    box.put(job(0), 0)
    runner.start()
    sink.wait_for(1)
    new = Candidate()
    offer = runner.offer(new)
    box.put(job(1), 0)
    sink.wait_for(2)
    assert offer.taken
    assert new.decided == 1
    box.close()
    assert runner.join(LONG_S)


def test_nothing_of_an_old_model_stays_when_its_last_frame_is_finished():
    """Its tensors go with it: two hundred swaps must not leave two hundred models' buffers behind."""
    runner, box, sink = pipeline([TrappedModel()].pop)
    box.put(job(0), 0)
    runner.start()
    sink.wait_for(1)
    gone = []
    for index in range(1, 5):
        offer = runner.offer(TrappedModel())
        box.put(job(index), 0)
        assert offer.wait(LONG_S)
        gone.append(weakref.ref(offer.former))
        del offer
        sink.wait_for(index + 1)
    box.put(job(5), 0)
    sink.wait_for(6)
    gc.collect()
    assert [ref() for ref in gone] == [None] * 4
    box.close()
    assert runner.join(LONG_S)


def test_a_later_offer_takes_the_place_of_one_that_still_waits():
    """Nobody waits for one that will never be taken."""
    infer = Trap()
    runner, box, _ = pipeline(lambda: TrappedModel(infer=infer))
    box.put(job(0), 0)
    runner.start()
    assert infer.reached.wait(LONG_S)
    first, second = runner.offer(TrappedModel()), runner.offer(TrappedModel())
    assert first.wait(LONG_S)
    assert not first.taken
    infer.release()
    assert second.wait(LONG_S)
    assert second.taken
    box.close()
    assert runner.join(LONG_S)


def test_a_new_model_that_crashes_is_loaded_anew_and_closed_itself():
    """After the swap the new one is the pipeline's: its crash costs one frame, and its remains are closed."""

    class Crashing(TrappedModel):
        def infer(self, prepared):
            raise ModelCrashed("SIGSEGV")

    new, loads = Crashing(), []

    def load():
        loads.append(TrappedModel())
        return loads[-1]

    runner, box, sink = pipeline(load)
    runner.start()
    offer = runner.offer(new)
    assert offer.wait(LONG_S)
    for index in range(3):
        box.put(job(index), 0)
    sink.wait_for(2)
    assert new.closed.wait(LONG_S)
    box.close()
    assert runner.join(LONG_S)
    assert sink.sent == [(0, 0, 1), (1, 1, 2)]
    assert runner.drops() == {"model_crashed": 1}
