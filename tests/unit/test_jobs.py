"""What runs from time to time goes on running."""

from __future__ import annotations

import threading

from agent.jobs import Jobs

DEADLINE_S = 10.0
OFTEN_S = 0.02


def test_a_job_runs_again_and_again():
    """At its interval, until it is closed."""
    jobs, ran = Jobs(), threading.Semaphore(0)
    jobs.every(OFTEN_S, "count", ran.release)
    jobs.start()
    try:
        assert all(ran.acquire(timeout=DEADLINE_S) for _ in range(5))
    finally:
        jobs.close()


def test_a_job_that_fails_is_run_again(caplog):
    """And its fault is logged."""
    jobs, ran = Jobs(), threading.Semaphore(0)

    def fail() -> None:
        ran.release()
        raise RuntimeError("this time not")

    jobs.every(OFTEN_S, "fail", fail)
    jobs.start()
    try:
        assert all(ran.acquire(timeout=DEADLINE_S) for _ in range(3))
    finally:
        jobs.close()
    assert "this time not" in caplog.text


def test_a_job_never_runs_beside_itself_and_holds_up_no_other():
    """One that hangs leaves a thread for the rest."""
    jobs, begun, go, others = Jobs(), threading.Semaphore(0), threading.Event(), threading.Semaphore(0)

    def hang() -> None:
        begun.release()
        go.wait(DEADLINE_S)

    jobs.every(OFTEN_S, "hang", hang)
    jobs.every(OFTEN_S, "other", others.release)
    jobs.start()
    try:
        assert begun.acquire(timeout=DEADLINE_S)
        assert all(others.acquire(timeout=DEADLINE_S) for _ in range(5))
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
        assert once.acquire(timeout=DEADLINE_S)
        assert all(often.acquire(timeout=DEADLINE_S) for _ in range(5))
        assert not once.acquire(blocking=False)
    finally:
        jobs.close()
