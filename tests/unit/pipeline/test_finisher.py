"""The second half of a pipeline: in order, at most one waiting, and no fault is lost."""

from __future__ import annotations

import threading

import pytest
from deadlines import LONG_S

from agent.pipeline.finisher import Finisher


def test_things_are_finished_in_order_wherever_that_happens():
    """What is finished at once waits for what was left to the thread."""
    done, threads = [], set()

    def finish(thing):
        done.append(thing)
        threads.add(threading.current_thread().name)

    finisher = Finisher("finish", finish)
    for thing in range(200):
        (finisher.later if thing % 3 else finisher.now)(thing)
    finisher.close()
    assert done == list(range(200))
    assert "finish" in threads


def test_nothing_is_handed_over_where_nothing_waits():
    """A slow line pays for no second thread."""
    threads = []
    finisher = Finisher("finish", lambda _: threads.append(threading.current_thread()))
    finisher.now(1)
    finisher.close()
    assert threads == [threading.current_thread()]


def test_a_full_finisher_makes_the_interpreter_wait():
    """One is being finished and one waits; the next is not taken before that."""
    free, taken = threading.Event(), []
    finisher = Finisher("finish", lambda _: free.wait(LONG_S))

    def hand_over():
        for thing in range(4):
            finisher.later(thing)
            taken.append(thing)

    thread = threading.Thread(target=hand_over)
    thread.start()
    thread.join(0.3)
    assert len(taken) <= 2
    free.set()
    thread.join(LONG_S)
    finisher.close()
    assert taken == [0, 1, 2, 3]


@pytest.mark.parametrize("end", ["now", "later", "close"])
def test_a_fault_in_the_thread_reaches_whoever_goes_on(end):
    """It is raised at the next call, whichever that is, and nothing is finished after it."""
    done, met = [], threading.Event()

    def finish(thing):
        if thing == "bad":
            met.set()
            raise ValueError("bad")
        done.append(thing)

    finisher = Finisher("finish", finish)
    finisher.later("good")
    finisher.later("bad")
    assert met.wait(LONG_S)
    with pytest.raises(ValueError, match="bad"):
        finisher.close() if end == "close" else getattr(finisher, end)("next")
    assert done == ["good"]
