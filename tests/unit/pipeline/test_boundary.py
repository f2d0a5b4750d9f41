"""Pipelines of one source whose models change together: each frame is decided by one generation of models, whoever decides it."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from deadlines import LONG_S
from endless import Keeping
from inspecting import Candidate, Trap, job, pipeline

from agent.core.boundary import Boundary, Handover
from agent.core.frames import Frame
from agent.life.offering import offer_all, settled
from agent.pipeline.inspector import Identity
from agent.pipeline.intake import Intake
from agent.pipeline.runner import Feed, PipelineRunner
from agent.pipeline.settings import PipelineSettings
from agent.sources.contract import EndOfStream
from agent.sources.policy import RunnerPolicy
from agent.sources.runner import SourceRunner

SWAPS = 60


class Endless:
    """A source that gives the same picture as fast as it is asked, or a thousand times a second, until it is over."""

    captured_at_from = "arrival"
    period_s = None

    def __init__(self, over, *, live) -> None:
        self._over, self._live = over, live
        self._pixels = np.zeros((2, 2, 3), np.uint8)

    def open(self) -> None:
        """It is there."""

    def read(self, index) -> Frame:
        if self._over.wait(0.001 if self._live else 0):
            raise EndOfStream
        return Frame(self._pixels, index, time.time_ns(), time.perf_counter_ns())

    def close(self) -> None:
        """Nothing to let go."""


class Slower(Candidate):
    """A model that takes its time, so that the pipelines are never at the same frame."""

    def infer(self, prepared):
        self._turn.wait(0.002)
        return super().infer(prepared)

    _turn = threading.Event()


@pytest.mark.parametrize("live", [False, True], ids=["file", "live"])
def test_every_frame_is_decided_by_one_generation_in_all_pipelines_of_a_source(live):
    """While models are replaced again and again, in a fast and in a slow pipeline."""
    over, sinks, kinds = threading.Event(), [Keeping(), Keeping()], [Candidate, Slower]
    source = SourceRunner("s", make=lambda: Endless(over, live=live), policy=RunnerPolicy(live, 60.0, 60.0))
    runners = []
    for number, (sink, kind) in enumerate(zip(sinks, kinds, strict=True)):
        intake = Intake(waits=not live)
        feed = Feed(
            source.subscribe(f"p{number}", intake.admit),
            intake,
            finite=not live,
            shared=True,
            handover=source.handover,
        )
        runner = PipelineRunner(
            f"p{number}",
            PipelineSettings(source="s", model="m"),
            feed,
            load=lambda kind=kind: kind(version="0"),
            sink=sink,
            identity=Identity("dev", "session-1", lambda: "synced"),
        )
        runner.start()
        runners.append(runner)
    try:
        source.start()
        for generation in range(1, SWAPS + 1):
            for sink in sinks:
                sink.wait_beyond(len(sink.made))
            models = [kind(version=str(generation)) for kind in kinds]
            offers = offer_all(zip(runners, models, strict=True))
            came, late = settled(offers, LONG_S)
            assert (len(came), late) == (2, [])
    finally:
        over.set()
        assert all(runner.join(LONG_S) for runner in runners)
    by_frame = [{index: version for _, index, version, _ in sink.made} for sink in sinks]
    both = set(by_frame[0]) & set(by_frame[1])
    assert {by_frame[0][index] for index in both} >= {"0", str(SWAPS)}
    assert [index for index in both if by_frame[0][index] != by_frame[1][index]] == []
    for sink in sinks:
        seqs, indexes, versions, _ = zip(*sink.made, strict=True)
        assert seqs == tuple(range(len(seqs)))
        assert live or indexes == seqs
        assert [int(version) for version in versions] == sorted(int(version) for version in versions)


def test_the_frames_before_a_boundary_are_the_old_models_also_those_that_wait_in_the_mailbox():
    """The first one after it is the new one's."""
    infer, handover = Trap(), Handover()
    old, new = Candidate(version="1", infer=infer), Candidate(version="2")
    runner, box, sink = pipeline(lambda: old, handover=handover, sink=Keeping())
    for index in range(3):
        handover.begins(index)
        box.put(job(index), 0)
        handover.ended()
    runner.start()
    assert infer.reached.wait(LONG_S)
    boundary = Boundary(handover)
    offer = runner.offer(new, boundary)
    boundary.mark()
    handover.begins(3)
    box.put(job(3), 0)
    handover.ended()
    infer.release()
    assert offer.wait(LONG_S)
    sink.wait_beyond(3)
    box.close()
    assert runner.join(LONG_S)
    assert [version for _, _, version, _ in sink.made] == ["1", "1", "1", "2"]


def test_a_source_that_gives_nothing_holds_up_no_swap():
    """The camera is unplugged; the next frame will be the new models'."""
    handover, runners, boxes = Handover(), [], []
    for name in ("p", "q"):
        runner, box, _ = pipeline(lambda: Candidate(version="1"), name=name, handover=handover)
        runner.start()
        runners.append(runner)
        boxes.append(box)
    until_s = time.monotonic() + LONG_S
    while any(runner.state != "ok" for runner in runners) and time.monotonic() < until_s:
        time.sleep(0.001)
    offers = offer_all((runner, Candidate(version="2")) for runner in runners)
    came, late = settled(offers, LONG_S)
    assert (sorted(came), late) == (["p", "q"], [])
    for runner, box in zip(runners, boxes, strict=True):
        box.close()
        assert runner.join(LONG_S)
