"""Who looks at each prediction beside the line: what is seen, in which order, and what a bad one costs."""

from __future__ import annotations

import logging
import threading
import time

from inspecting import LONG_S, RememberingSink, Trap, TrappedModel, job, pipeline

from agent.core.boundary import Handover
from agent.core.mailbox import Mailbox
from agent.pipeline.inspector import Identity
from agent.pipeline.settings import PipelineSettings
from agent.supervisor import Supervisor
from agent.wiring import wire_pipelines


class Watching:
    """Keeps what it sees; raises or hangs where the test says."""

    def __init__(self, sink=None, *, raises=False, trap=None) -> None:
        self.seqs, self.sent_before = [], []
        self._sink, self._raises, self._trap = sink, raises, trap
        self._came = threading.Condition()

    def seen(self, frame, prediction, inferred) -> None:
        if self._trap is not None:
            self._trap.pass_by()
        with self._came:
            assert frame.index == prediction.frame.index
            assert inferred.outputs
            self.seqs.append(prediction.seq)
            if self._sink is not None:
                self.sent_before.append(len(self._sink.sent))
            self._came.notify_all()
        if self._raises:
            raise ZeroDivisionError

    def wait_for(self, count) -> None:
        with self._came:
            assert self._came.wait_for(lambda: len(self.seqs) >= count, LONG_S), self.seqs


def run_through(runner, box, count) -> None:
    for index in range(count):
        box.put(job(index), 0)
    box.close()
    runner.start()
    assert runner.join(LONG_S)


def test_every_prediction_is_seen_once_in_order_and_after_it_was_sent():
    """Whoever looks on is never before the line."""
    runner, box, sink = pipeline(TrappedModel)
    watching = Watching(sink)
    runner.observers.add(watching)
    run_through(runner, box, 50)
    assert watching.seqs == list(range(50))
    assert all(sent > seq for seq, sent in zip(watching.seqs, watching.sent_before, strict=True))


def test_what_is_not_published_is_seen_all_the_same():
    """`publish = "change"` with no events: the observers see more than the broker."""
    watching = Watching()
    runner, box, sink = pipeline(TrappedModel, observers=[watching], publish="change", events="change")
    run_through(runner, box, 5)
    assert (len(sink.sent), len(watching.seqs)) == (1, 5)


def test_one_that_raises_is_logged_once_counted_and_harms_neither_the_line_nor_the_others(caplog):
    """A bug in a statistic is no reason to stop the line."""
    bad, good = Watching(raises=True), Watching()
    runner, box, sink = pipeline(TrappedModel, observers=[bad, good])
    with caplog.at_level(logging.ERROR, "lineside.pipeline"):
        run_through(runner, box, 5)
    assert len(sink.sent) == 5
    assert good.seqs == bad.seqs == list(range(5))
    assert runner.observers.failures == {"Watching": 5}
    assert [record.message for record in caplog.records] == ["pipeline p: Watching failed"]


def test_one_that_hangs_is_told_no_more_and_the_line_goes_on():
    """It costs a restart of the threads and no prediction; the others are told by one thread at a time still."""
    trap = Trap()
    bad, good = Watching(trap=trap), Watching()
    runner, box, sink = pipeline(TrappedModel, observers=[bad, good])
    box.put(job(0), 0)
    runner.start()
    assert trap.reached.wait(LONG_S)
    Supervisor([runner]).check(time.monotonic() + 31)
    for index in range(1, 4):
        box.put(job(index), 0)
    good.wait_for(3)
    trap.release()
    box.close()
    assert runner.join(LONG_S)
    assert sink.sent == [(k, k, k) for k in range(4)]
    assert good.seqs == [1, 2, 3]
    assert runner.observers.failures == {"Watching": 1}


def test_one_that_was_removed_sees_nothing_more():
    """And the line does not look for it any more."""
    watching = Watching()
    runner, box, _ = pipeline(TrappedModel, observers=[watching])
    runner.observers.remove(watching)
    run_through(runner, box, 3)
    assert watching.seqs == []
    assert not runner.observers.present


class OneFile:
    """A source as `wire_pipelines` knows it."""

    live = False

    def __init__(self) -> None:
        self.boxes, self.handover = {}, Handover()

    def subscribe(self, name, admit):
        self.boxes[name] = Mailbox(10, "wait")
        return self.boxes[name]


def test_each_pipeline_is_given_its_own_observers():
    """The others have none, and pay nothing."""
    watching, source = Watching(), OneFile()
    settings = PipelineSettings(source="cam", model="m")
    runners = wire_pipelines(
        {"watched": settings, "other": settings},
        {"cam": source},
        {},
        load=lambda _: TrappedModel(),
        sink=RememberingSink(),
        identity=Identity("dev", "session-1", lambda: "unsynced"),
        observers={"watched": [watching]},
    )
    for name, runner in runners.items():
        run_through(runner, source.boxes[name], 3)
    assert watching.seqs == [0, 1, 2]
    assert [runners[name].observers.present for name in ("watched", "other")] == [True, False]
