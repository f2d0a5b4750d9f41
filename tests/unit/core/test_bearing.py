"""How often a candidate may look on: lines and machines in figures, and the share that they come to bear."""

from __future__ import annotations

import random

import pytest

from agent.core.bearing import BearableShare

PERIOD_S = 1 / 30


class Line:
    """A model that takes 5 ms, and longer or too long where the candidate looked on at the frame before."""

    def __init__(
        self, share, *, harm_ms=0.0, late_above_ms=float("inf"), drops=0, noise_ms=0.0, live=True, frames_s=30.0
    ):
        self.bearable = BearableShare(share, live=live)
        self.seen = self.late = self.dropped = 0
        self._harm_ms, self._late_above_ms, self._drops, self._noise_ms = harm_ms, late_above_ms, drops, noise_ms
        self._live = live
        self._period_s = 1 / frames_s
        self._now_s = 100.0
        self._random = random.Random(7)
        self._beside = False

    def run(self, frames, harm_ms=None):
        """So many predictions; returns how many of them the candidate saw, and how many of those were late."""
        self._harm_ms = self._harm_ms if harm_ms is None else harm_ms
        before, late = self.seen, self.late
        for _ in range(frames):
            took_ms = 5.0 + self._random.random() * self._noise_ms + (self._harm_ms if self._beside else 0.0)
            self._now_s += self._period_s if self._live else took_ms / 1e3
            is_late = took_ms > self._late_above_ms
            self.late += is_late
            self.dropped += self._drops if self._beside else 0
            self.bearable.note(self._now_s, took_ms, late=is_late, dropped=self.dropped, beside=False)
            self._beside = self.bearable.takes()
            self.seen += self._beside
        return self.seen - before, self.late - late


def test_a_candidate_that_nobody_notices_comes_to_see_what_was_asked_for():
    """But for the stretches without it, with which all others are compared."""
    line = Line(1.0)
    line.run(2000)
    assert line.bearable.share == 1.0
    seen, _ = line.run(900)
    assert seen == pytest.approx(800, abs=24)


def test_more_than_was_asked_for_is_never_seen():
    """A tenth is a tenth, however idle the machine is."""
    line = Line(0.1)
    seen, _ = line.run(9000)
    assert line.bearable.share == 0.1
    assert seen == pytest.approx(800, abs=24)


def test_the_first_stretch_is_without_the_candidate():
    """There is nothing to compare with before."""
    line = Line(1.0)
    seen, _ = line.run(24)
    assert seen == 0


def test_the_noise_of_a_machine_is_no_harm():
    """Two stretches are never equal; a share that shrank of that would make a shadow useless on a real machine."""
    line = Line(1.0, noise_ms=1.0)
    line.run(3000)
    seen, _ = line.run(3000)
    assert seen > 2000


def test_a_candidate_that_slows_the_model_at_work_is_held_back():
    """A tenth of the frames may be slower, which is what the 90th percentile does not see; hardly more are."""
    line = Line(1.0, harm_ms=6.0)
    line.run(3000)
    seen, _ = line.run(9000)
    assert seen < 9000 * 0.1


def test_a_candidate_that_makes_frames_late_is_hardly_let_on():
    """The first late frame counts at once, and each try costs one frame: what a deadline is for must not be tried again and again."""
    line = Line(1.0, harm_ms=30.0, late_above_ms=20.0)
    _, first = line.run(3000)
    _, later = line.run(10000)
    assert first <= 20
    assert later <= 20


def test_frames_that_are_late_anyway_are_not_blamed_on_the_candidate():
    """A deadline that is missed now and then without it says nothing of it."""
    line = Line(1.0, noise_ms=1.0, late_above_ms=5.9)
    line.run(3000)
    seen, _ = line.run(3000)
    assert seen > 1000


def test_a_candidate_that_costs_frames_is_hardly_let_on():
    """A frame that the camera had to drop is a part that nobody looked at."""
    line = Line(1.0, drops=1)
    line.run(10000)
    assert line.dropped <= 40


def test_files_may_come_a_tenth_slower():
    """They have no pace, so how fast they are taken is what counts."""
    line = Line(1.0, harm_ms=5.0, live=False)
    line.run(3000)
    seen, _ = line.run(9000)
    assert 9000 * 0.02 < seen < 9000 * 0.2


def test_a_machine_that_gets_idle_again_bears_more_again():
    """And one that gets busy, less."""
    line = Line(1.0, harm_ms=6.0)
    line.run(3000)
    line.run(20000, harm_ms=0.0)
    assert line.bearable.share == 1.0
    line.run(600, harm_ms=6.0)
    assert line.bearable.share < 0.5


def test_a_slow_line_is_judged_by_fewer_frames():
    """At a part every two seconds nobody waits a minute for the first comparison."""
    line = Line(1.0, frames_s=0.5)
    line.run(40)
    assert line.seen > 0


def test_a_stretch_without_the_candidate_begins_when_it_is_back():
    """Otherwise a slow candidate would be compared with itself."""
    bearable = BearableShare(1.0, live=True)
    for k in range(100):
        bearable.note(k * PERIOD_S, 20.0, late=False, dropped=0, beside=True)
        assert not bearable.takes()
    for k in range(100, 126):
        bearable.note(k * PERIOD_S, 5.0, late=False, dropped=0, beside=False)
    assert any(bearable.takes() for _ in range(8))
