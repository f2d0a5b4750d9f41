"""What runs from time to time goes on running."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest
from deadlines import LONG_S
from hypothesis import given
from hypothesis import strategies as st

from agent import jobs as module
from agent.jobs import Jobs, next_due_s

OFTEN_S = 0.02


def test_a_job_runs_again_and_again():
    """At its interval, until it is closed."""
    jobs, ran = Jobs(), threading.Semaphore(0)
    jobs.every(OFTEN_S, "count", ran.release)
    jobs.start()
    try:
        assert all(ran.acquire(timeout=LONG_S) for _ in range(5))
    finally:
        jobs.close()


def test_a_job_that_fails_is_run_again(caplog):
    """And its fault is logged, once as long as it is the same."""
    jobs, ran = Jobs(), threading.Semaphore(0)

    def fail() -> None:
        ran.release()
        raise RuntimeError("this time not")

    jobs.every(OFTEN_S, "fail", fail)
    jobs.start()
    try:
        assert all(ran.acquire(timeout=LONG_S) for _ in range(3))
    finally:
        jobs.close()
    assert [record.getMessage() for record in caplog.records] == ["job fail failed; it is run again at its time"]
    assert "this time not" in caplog.text


def test_a_job_never_runs_beside_itself_and_holds_up_no_other():
    """One that hangs leaves a thread for the rest."""
    jobs, begun, go, others = Jobs(), threading.Semaphore(0), threading.Event(), threading.Semaphore(0)

    def hang() -> None:
        begun.release()
        go.wait(LONG_S)

    jobs.every(OFTEN_S, "hang", hang)
    jobs.every(OFTEN_S, "other", others.release)
    jobs.start()
    try:
        assert begun.acquire(timeout=LONG_S)
        assert all(others.acquire(timeout=LONG_S) for _ in range(5))
        assert not begun.acquire(blocking=False)
    finally:
        go.set()
        jobs.close()


def test_nothing_runs_before_the_start():
    """The first run comes after the first interval."""
    jobs, ran = Jobs(), threading.Event()
    jobs.every(3600, "late", ran.set)
    jobs.start()
    jobs.close()
    assert not ran.is_set()


def test_jobs_may_be_closed_twice_and_without_a_start():
    """Whoever composes need not know how far it came."""
    unstarted = Jobs()
    unstarted.close()
    jobs = Jobs()
    jobs.start()
    jobs.close()
    jobs.close()


def test_what_comes_once_comes_once():
    """After its delay, while others go on."""
    jobs, once, often = Jobs(), threading.Semaphore(0), threading.Semaphore(0)
    jobs.after(OFTEN_S, "once", once.release)
    jobs.every(OFTEN_S, "often", often.release)
    jobs.start()
    try:
        assert once.acquire(timeout=LONG_S)
        assert all(often.acquire(timeout=LONG_S) for _ in range(5))
        assert not once.acquire(blocking=False)
    finally:
        jobs.close()


@pytest.mark.parametrize("jump_s", [-3600.0, 3600.0, -1_800_000_000.0])
def test_a_jump_of_the_wall_clock_touches_no_job(monkeypatch, jump_s):
    """Neither a silence of an hour after the clock went back, nor a burst after it went ahead: only monotonic time is asked for."""
    wall = SimpleNamespace(now_s=1_800_000_000.0)
    monkeypatch.setattr(
        module,
        "time",
        SimpleNamespace(monotonic=time.monotonic, time=lambda: wall.now_s, time_ns=lambda: int(wall.now_s)),
    )
    jobs, often, late = Jobs(), threading.Semaphore(0), threading.Event()
    jobs.every(OFTEN_S, "often", often.release)
    jobs.every(1800, "late", late.set)
    jobs.start()
    try:
        assert often.acquire(timeout=LONG_S)
        wall.now_s += jump_s
        assert all(often.acquire(timeout=LONG_S) for _ in range(5))
        assert not late.is_set()
    finally:
        jobs.close()


def test_runs_that_came_due_during_a_long_one_are_made_up_for_by_one():
    """At once, and the next one an interval after it."""
    assert next_due_s(100.0, 10.0, 103.0) == 110.0
    assert next_due_s(100.0, 10.0, 145.0) == 145.0
    assert next_due_s(145.0, 10.0, 146.0) == 155.0


@given(st.lists(st.integers(0, 100), min_size=1, max_size=50), st.integers(1, 60))
def test_a_job_never_comes_before_its_interval_and_never_stays_away(lengths_s, every_s):
    """Whatever time its runs take: two of them begin an interval apart, or as soon as the first one is over."""
    due_s = now_s = 0
    for length_s in lengths_s:
        following_s = next_due_s(due_s, every_s, now_s)
        assert following_s - due_s >= every_s
        assert 0 <= following_s - now_s <= every_s
        due_s, now_s = following_s, following_s + length_s


def test_two_jobs_that_hang_hold_up_no_third_and_no_end():
    """Each has a thread of its own, and none is waited for."""
    jobs, hanging, go, others = Jobs(), threading.Semaphore(0), threading.Event(), threading.Semaphore(0)

    def hang() -> None:
        hanging.release()
        go.wait(LONG_S)

    jobs.every(OFTEN_S, "one", hang)
    jobs.every(OFTEN_S, "two", hang)
    jobs.every(OFTEN_S, "three", others.release)
    jobs.start()
    try:
        assert all(hanging.acquire(timeout=LONG_S) for _ in range(2))
        assert all(others.acquire(timeout=LONG_S) for _ in range(3))
        before_s = time.monotonic()
        jobs.close()
        assert time.monotonic() - before_s < LONG_S / 2
    finally:
        go.set()
        jobs.close()
