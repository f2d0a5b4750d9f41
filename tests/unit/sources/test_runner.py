"""The runner with sources that follow a script: hand-over, states, retries, hangs, and the end."""

from __future__ import annotations

import logging
import threading
import time

import pytest
from deadlines import LONG_S
from hypothesis import given, settings
from hypothesis import strategies as st
from watched import FRAME, Hang, Studio, Told, drain

from agent.core.errors import MissingExtra, SourceInvalid, SourceUnavailable
from agent.core.supervision import Limits
from agent.sources.contract import FrameUnreadable
from agent.sources.runner import RunnerPolicy, SourceRunner
from agent.supervisor import Supervisor

HANG_S, STALE_S = 30.0, 5.0
OPENS = FRAME
"""The first step of a script is `open`, and this one lets it pass."""


def as_it_is(frame):
    return frame


def build(studio, *, live=False, told=None, first_s=0.001, max_s=0.002):
    policy = RunnerPolicy(live, STALE_S, HANG_S, backoff_first_s=first_s, backoff_max_s=max_s)
    return SourceRunner("cam", make=studio.make, policy=policy, on_status=told or Told())


def gone() -> SourceUnavailable:
    return SourceUnavailable("cam-3 did not answer", hint="ping cam-3")


def records(caplog):
    return [r for r in caplog.records if r.name == "lineside.sources" and r.levelno >= logging.INFO]


def test_every_reader_gets_every_frame_of_a_file_in_order():
    """Numbered from 0; then the mailboxes are closed, and the source has ended without a fault."""
    told = Told()
    runner = build(Studio([OPENS] + [FRAME] * 50), told=told)
    boxes = [runner.subscribe("a", as_it_is), runner.subscribe("b", as_it_is)]
    got = {}
    threads = [threading.Thread(target=lambda k=k, box=box: got.update({k: drain(box)})) for k, box in enumerate(boxes)]
    for thread in threads:
        thread.start()
    runner.start()
    for thread in threads:
        thread.join(LONG_S)
    assert [[frame.index for frame in got[k]] for k in (0, 1)] == [list(range(50))] * 2
    assert [box.dropped for box in boxes] == [0, 0]
    assert told.states == ["connecting", "ok", "ended"]
    assert (runner.frames, runner.ended, runner.fault) == (50, True, None)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), max_size=6))
def test_numbers_have_no_gap_over_lost_connections(connections):
    """Whether opening failed, or the connection was lost after some frames, the next frame has the next number."""
    scripts = [[OPENS] + [FRAME] * frames + [gone()] if opens else [gone()] for opens, frames in connections]
    runner = build(Studio(*scripts, [OPENS, FRAME]), first_s=1e-5, max_s=1e-5)
    box = runner.subscribe("p", as_it_is)
    runner.start()
    expected = sum(frames for opens, frames in connections if opens) + 1
    assert [frame.index for frame in drain(box)] == list(range(expected))


def test_a_slow_pipeline_holds_a_file_up_and_that_is_no_hang():
    """Only the time inside the source counts."""
    studio, told = Studio([OPENS] + [FRAME] * 10), Told()
    runner = build(studio, told=told)
    box = runner.subscribe("slow", as_it_is)
    runner.start()
    told.wait_for("ok")
    assert runner.stalled_s(time.monotonic() + 100 * HANG_S) is None
    assert [frame.index for frame in drain(box)] == list(range(10))
    assert (runner.abandoned, len(studio.sources), told.states) == (0, 1, ["connecting", "ok", "ended"])


def test_of_a_live_source_the_newest_frame_wins():
    """Who does not take frames in time finds the last one; the others are counted."""
    hang = Hang()
    runner = build(Studio([OPENS] + [FRAME] * 9 + [hang]), live=True)
    box = runner.subscribe("p", as_it_is)
    runner.start()
    assert hang.reached.wait(LONG_S)
    assert box.get(LONG_S).index == 8
    assert box.dropped == 8
    runner.stop()
    hang.release()
    assert runner.join(LONG_S)


def test_a_camera_that_is_not_there_is_failed_and_tried_again(caplog):
    """Five tries that fail in the same way are one change of state and one line in the log; then it is ok."""
    caplog.set_level(logging.INFO)
    told = Told()
    runner = build(Studio(*[[gone()]] * 5, [OPENS, FRAME]), told=told)
    runner.subscribe("p", as_it_is)
    runner.start()
    told.wait_for("ended")
    assert told.states == ["connecting", "failed", "ok", "ended"]
    failed = told.statuses[1]
    assert (failed.reason, failed.retry_in_s > 0) == ("cam-3 did not answer", True)
    assert [r.getMessage() for r in records(caplog)] == [
        "source cam: connecting",
        "source cam: failed: cam-3 did not answer",
        "source cam: ok",
        "source cam: ended",
    ]
    (error,) = [r for r in records(caplog) if r.levelno == logging.ERROR]
    assert (error.source, error.state, error.hint) == ("cam", "failed", "ping cam-3")


def test_the_fault_of_a_failed_source_is_there_until_it_works():
    """What `run` exits with rests on it."""
    hang, told = Hang(), Told()
    runner = build(Studio([gone()], [hang, FRAME, Hang()]), live=True, told=told)
    runner.subscribe("p", as_it_is)
    runner.start()
    assert hang.reached.wait(LONG_S)
    assert (str(runner.fault), runner.status.state, runner.ended) == ("cam-3 did not answer", "failed", False)
    hang.release()
    told.wait_for("ok")
    assert runner.fault is None
    runner.stop()


def test_a_lost_connection_is_no_signal_until_the_next_frame():
    """An open connection without a picture is not ok yet."""
    told = Told()
    runner = build(Studio([OPENS, FRAME, gone()], [OPENS, gone()], [OPENS, FRAME]), told=told)
    runner.subscribe("p", as_it_is)
    runner.start()
    told.wait_for("ended")
    assert told.states == ["connecting", "ok", "no_signal", "ok", "ended"]
    assert (told.statuses[2].reason, told.statuses[2].retry_in_s > 0) == ("cam-3 did not answer", True)


@pytest.mark.parametrize("script", [[SourceInvalid("no video")], [OPENS, SourceInvalid("no video")]])
def test_what_can_never_give_a_frame_is_never_tried_again(script):
    """It has ended by a fault, and its readers know."""
    studio, told = Studio(script), Told()
    runner = build(studio, told=told)
    box = runner.subscribe("p", as_it_is)
    runner.start()
    assert drain(box) == []
    assert (told.states, told.statuses[-1].reason) == (["connecting", "failed"], "no video")
    assert (runner.ended, str(runner.fault), len(studio.sources)) == (True, "no video", 1)


def test_every_error_that_cannot_be_mended_by_waiting_ends_the_source():
    """Not only SourceInvalid: a source may need what is not installed."""
    runner = build(Studio([MissingExtra("it needs more")]))
    box = runner.subscribe("p", as_it_is)
    runner.start()
    assert drain(box) == []
    assert isinstance(runner.fault, MissingExtra)


def test_a_source_that_crashes_is_tried_again_and_its_traceback_is_logged_once(caplog):
    """The boundary of a plug-in: whatever it raises costs the connection, and nothing else."""
    told = Told()
    runner = build(Studio(*[[OPENS, ZeroDivisionError("oh")]] * 3, [OPENS, FRAME]), told=told)
    box = runner.subscribe("p", as_it_is)
    runner.start()
    assert [frame.index for frame in drain(box)] == [0]
    assert told.states == ["connecting", "no_signal", "ok", "ended"]
    assert told.statuses[1].reason == "ZeroDivisionError: oh"
    assert [r.exc_info[0] for r in caplog.records if r.exc_info] == [ZeroDivisionError]


def test_a_frame_that_cannot_be_decoded_is_counted_and_named_once(caplog):
    """It gets no number, and is not silent."""
    broken = FrameUnreadable("part-1.png: broken")
    runner = build(Studio([OPENS, FRAME, broken, FRAME, broken]))
    box = runner.subscribe("p", as_it_is)
    runner.start()
    assert [frame.index for frame in drain(box)] == [0, 1]
    assert runner.unreadable == 2
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert warnings == ["source cam passed over part-1.png: broken"]


def test_a_live_source_without_frames_is_stale_until_the_next_one():
    """Seen from outside: the capture thread itself waits for a frame."""
    hang, told = Hang(), Told()
    runner = build(Studio([OPENS, FRAME, hang, Hang()]), live=True, told=told)
    runner.subscribe("p", as_it_is)
    before_s = time.monotonic()
    runner.start()
    assert hang.reached.wait(LONG_S)
    runner.check(before_s + STALE_S)
    assert runner.status.state == "ok"
    runner.check(time.monotonic() + STALE_S + 0.1)
    runner.check(time.monotonic() + STALE_S + 0.2)
    assert (runner.status.state, runner.status.reason) == ("stale", "no new frame for 5 s")
    hang.release()
    told.wait_for("stale", "ok")
    assert told.states == ["connecting", "ok", "stale", "ok"]
    runner.stop()


@pytest.mark.parametrize(("during", "state"), [("open", "failed"), ("read", "no_signal")])
def test_a_thread_that_hangs_is_abandoned_and_replaced(during, state):
    """Its late frame reaches nobody; when it wakes, it closes its own source and ends."""
    hang, told = Hang(), Told()
    hangs = [hang] if during == "open" else [OPENS, hang]
    studio = Studio(hangs, [OPENS, FRAME, FRAME])
    runner = build(studio, told=told)
    box = runner.subscribe("p", as_it_is)
    supervisor = Supervisor([runner])
    before_s = time.monotonic()
    runner.start()
    assert hang.reached.wait(LONG_S)
    stuck = runner._worker
    supervisor.check(before_s + HANG_S)
    assert runner.abandoned == 0
    supervisor.check(time.monotonic() + HANG_S + 0.1)
    assert [frame.index for frame in drain(box)] == [0, 1]
    assert runner.abandoned == 1
    assert told.states == ["connecting", state, "ok", "ended"]
    assert f"{during}() did not return" in told.statuses[1].reason
    assert not studio.sources[0].closed.is_set()
    hang.release()
    assert stuck.join(LONG_S)
    assert studio.sources[0].closed.is_set()
    assert (runner.frames, told.states[-1]) == (2, "ended")


@pytest.mark.parametrize("late", [SourceUnavailable("late"), SourceInvalid("late"), ValueError("late")])
def test_what_an_abandoned_thread_finds_out_later_is_told_to_nobody(late):
    """Another thread speaks for the source now."""
    hang, told = Hang(then=late), Told()
    studio = Studio([OPENS, hang], [OPENS, FRAME, Hang()])
    runner = build(studio, live=True, told=told)
    runner.subscribe("p", as_it_is)
    supervisor = Supervisor([runner])
    runner.start()
    assert hang.reached.wait(LONG_S)
    stuck = runner._worker
    supervisor.check(time.monotonic() + HANG_S + 0.1)
    told.wait_for("no_signal", "ok")
    hang.release()
    assert stuck.join(LONG_S)
    assert studio.sources[0].closed.is_set()
    assert told.states == ["connecting", "no_signal", "ok"]
    runner.stop()


def test_a_source_that_hangs_again_and_again_is_failed_and_tried_slowly():
    """A driver that hangs at each open costs a thread for each try, so there are few of them."""
    hangs = [Hang() for _ in range(3)]
    studio, told = Studio(*[[hang] for hang in hangs], [OPENS, FRAME, Hang()]), Told()
    runner = build(studio, live=True, told=told)
    runner.subscribe("p", as_it_is)
    supervisor = Supervisor([runner], Limits(max_restarts=2, within_s=600, retry_s=300))
    runner.start()
    now_s = time.monotonic()
    for restarted_after_s, hang in zip((0, 1, None), hangs, strict=True):
        assert hang.reached.wait(LONG_S)
        now_s += HANG_S + 1
        supervisor.check(now_s)
        if (
            restarted_after_s
        ):  # a look more would find the fresh thread stuck already, as this clock is ahead of its own
            supervisor.check(now_s + restarted_after_s)
    assert (runner.abandoned, runner.abandoned_alive, runner.status.state) == (3, 3, "failed")
    assert runner.status.retry_in_s == 300
    supervisor.check(now_s + 299)
    assert len(studio.sources) == 3
    supervisor.check(now_s + 300)
    told.wait_for("failed", "ok")
    runner.stop()
    for hang in hangs:
        hang.release()


def test_stop_returns_at_once_even_while_the_source_hangs():
    """The mailboxes are closed, the status stays, and the thread ends when the call returns."""
    hang, told = Hang(), Told()
    studio = Studio([OPENS, FRAME, hang])
    runner = build(studio, live=True, told=told)
    box = runner.subscribe("p", as_it_is)
    runner.start()
    assert hang.reached.wait(LONG_S)
    runner.stop()
    assert [frame.index for frame in drain(box)] == [0]
    assert not runner.join(0.01)
    hang.release()
    assert runner.join(LONG_S)
    assert studio.sources[0].closed.is_set()
    assert told.states == ["connecting", "ok"]


def test_what_fails_after_stop_is_not_told():
    """Whoever stops the agent unplugs the camera next."""
    hang, told = Hang(then=gone()), Told()
    runner = build(Studio([OPENS, FRAME, hang]), live=True, told=told)
    runner.subscribe("p", as_it_is)
    runner.start()
    assert hang.reached.wait(LONG_S)
    runner.stop()
    hang.release()
    assert runner.join(LONG_S)
    assert told.states == ["connecting", "ok"]
    assert runner.fault is None


@pytest.mark.parametrize("studio", [Studio([gone()]), Studio([OPENS, FRAME, FRAME], period_s=3600.0)])
def test_stop_ends_every_wait_of_the_runner(studio):
    """A delay before the next try, and the pace of a file that plays in real time."""
    told = Told()
    runner = build(studio, live=True, told=told, first_s=3600.0, max_s=3600.0)
    runner.subscribe("p", as_it_is)
    runner.start()
    told.wait_for("failed" if not studio._source else "ok")
    runner.stop()
    assert runner.join(LONG_S)
    assert runner.frames <= 1


def test_a_file_that_plays_in_real_time_is_paced():
    """The last of twenty frames at 200 a second comes 19 periods after the start, or later; half a period is for the clock."""
    runner = build(Studio([OPENS] + [FRAME] * 20, period_s=0.005))
    box = runner.subscribe("p", as_it_is)
    started_ns = time.perf_counter_ns()
    runner.start()
    frames = drain(box)
    assert len(frames) == 20
    assert (frames[-1].handed_over_ns - started_ns) / 1e9 >= 18.5 * 0.005


@pytest.mark.parametrize("live", [True, False])
def test_a_source_that_nobody_reads_any_more_ends(live):
    """`--once` closes its mailbox after one frame; a camera that goes on for ever must not keep the agent."""
    told = Told()
    studio = Studio([OPENS] + [FRAME] * 100_000, period_s=0.001)
    runner = build(studio, live=live, told=told)
    box = runner.subscribe("p", as_it_is)
    runner.start()
    assert box.get(LONG_S) is not None
    box.close()
    told.wait_for("ended")
    assert (runner.ended, runner.fault) == (True, None)
    assert runner.join(LONG_S)
    assert studio.sources[0].closed.is_set()


def test_one_reader_that_leaves_does_not_end_the_source_of_another():
    """Its place in the queue is given up, and the others get everything."""
    runner = build(Studio([OPENS] + [FRAME] * 30))
    leaves, stays = runner.subscribe("a", as_it_is), runner.subscribe("b", as_it_is)
    leaves.close()
    runner.start()
    assert [frame.index for frame in drain(stays)] == list(range(30))


def test_every_connection_is_closed_before_the_next_is_made():
    """A camera serves one client only."""
    studio = Studio([gone()], [OPENS, gone()], [OPENS, FRAME])
    open_before = []
    make = studio.make

    def count_open():
        open_before.append(sum(not source.closed.is_set() for source in studio.sources))
        return make()

    studio.make = count_open
    runner = build(studio)
    box = runner.subscribe("p", as_it_is)
    runner.start()
    drain(box)
    assert runner.join(LONG_S)
    assert open_before == [0, 0, 0]
    assert all(source.closed.is_set() for source in studio.sources)


def test_the_status_says_where_capture_times_come_from():
    """A driver that gives times is believed from its first frame on."""
    told = Told()
    runner = build(Studio([OPENS, FRAME], captured_at_from="driver"), told=told)
    runner.subscribe("p", as_it_is)
    runner.start()
    told.wait_for("ended")
    assert [s.captured_at_from for s in told.statuses] == ["arrival", "driver", "driver"]


def test_a_runner_that_has_not_started_is_left_alone_by_the_watch():
    """The order of start is the composition's."""
    studio = Studio([OPENS, FRAME])
    runner = build(studio)
    runner.check(time.monotonic() + 1000)
    assert runner.stalled_s(time.monotonic() + 1000) is None
    assert studio.sources == []
    assert runner.join(0.01)
