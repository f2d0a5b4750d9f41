"""Streams that die, hang and come back, with real servers and real capture threads."""

from __future__ import annotations

import logging
from dataclasses import replace

import clips
import pytest
import rtsp
from deadlines import LONG_S
from mjpeg import MjpegServer
from watched import Reader, Told, Watchman

from agent.sources.camera.settings import CameraSettings
from agent.sources.catalog import make_source
from agent.sources.runner import RunnerPolicy, SourceRunner

NO_RTSP = rtsp.missing()
needs_rtsp = pytest.mark.skipif(NO_RTSP is not None, reason=str(NO_RTSP))


PATIENT = {"open_timeout_s": 30, "read_timeout_s": 30, "stale_after_s": 30}
"""For cameras whose silence is not what is looked at: a slow machine may be silent for seconds."""


def as_it_is(frame):
    return frame


def run(name, url, *, hang_after_s=None, **keys):
    """A started runner that tries again within half a second, who is told, and a reader of its frames."""
    settings = CameraSettings(url=str(url), **keys)
    policy = replace(RunnerPolicy.of(settings), backoff_first_s=0.2, backoff_max_s=0.5)
    if hang_after_s is not None:
        policy = replace(policy, hang_after_s=hang_after_s)
    told = Told()
    runner = SourceRunner(name, make=lambda: make_source(settings), policy=policy, on_status=told)
    reader = Reader(runner.subscribe("p", as_it_is))
    runner.start()
    return runner, told, reader


def first(told, state):
    return next(status for status in told.statuses if status.state == state)


@needs_rtsp
def test_a_server_that_dies_and_comes_back_is_found_again_and_its_neighbour_misses_nothing(tmp_path):
    """ok, no_signal, failed, ok; numbers go on; a file beside it is read without a gap all the while."""
    clip = clips.write_video(tmp_path / "a.mp4", 25)
    with rtsp.RtspServer() as server:
        camera, told, frames = run("cam", server.url, **PATIENT)
        file, file_told, file_frames = run("file", clip, loop=True)
        with Watchman(camera, file):
            frames.wait_for(5)
            server.stop()
            told.wait_for("ok", "no_signal", "failed")
            before = len(file_frames.indexes)
            file_frames.wait_for(50)
            server.start()
            told.wait_for("no_signal", "failed", "ok")
            frames.wait_for(5)
    assert told.states == ["connecting", "ok", "no_signal", "failed", "ok"]
    assert "closed the connection" in told.statuses[2].reason
    assert "refuses connections" in told.statuses[3].reason
    assert frames.indexes == sorted(set(frames.indexes))
    assert len(file_frames.indexes) > before
    assert file_frames.indexes == list(range(len(file_frames.indexes)))
    assert file_told.states == ["connecting", "ok"]
    assert camera.abandoned == 0


@needs_rtsp
def test_a_camera_that_is_off_at_boot_is_failed_and_found_later():
    """The first try finds a closed port."""
    with rtsp.RtspServer() as server:
        server.stop()
        camera, told, frames = run("cam", server.url, **PATIENT)
        with Watchman(camera):
            told.wait_for("connecting", "failed")
            assert camera.fault is not None
            server.start()
            frames.wait_for(3)
    assert told.states == ["connecting", "failed", "ok"]
    assert camera.fault is None


@needs_rtsp
def test_a_camera_that_freezes_is_stale_first_then_lost_then_found_again():
    """It keeps its connections and says nothing: seen from outside at once, by the reader after its timeout."""
    with rtsp.RtspServer() as server:
        camera, told, frames = run("cam", server.url, stale_after_s=2, read_timeout_s=6, open_timeout_s=30)
        with Watchman(camera):
            frames.wait_for(5)
            server.freeze()
            told.wait_for("ok", "stale", "no_signal")
            server.thaw()
            told.wait_for("no_signal", "ok")
            frames.wait_for(3)
    assert first(told, "stale").reason == "no new frame for 2 s"
    assert "stalled" in first(told, "no_signal").reason
    assert told.states[:4] == ["connecting", "ok", "stale", "no_signal"], (
        "what the decoder still held is no new picture"
    )
    assert camera.abandoned == 0


@needs_rtsp
def test_a_thread_inside_a_read_that_hangs_is_replaced_and_ends_later():
    """A read of OpenCV that takes longer than the runner's patience; its neighbour goes on."""
    with rtsp.RtspServer() as server, MjpegServer() as other:
        camera, told, frames = run("cam", server.url, hang_after_s=3.0, read_timeout_s=10, open_timeout_s=2)
        neighbour, neighbour_told, neighbour_frames = run("other", other.url, **PATIENT)
        with Watchman(camera, neighbour):
            frames.wait_for(5)
            stuck, before = camera._worker, camera.abandoned
            server.freeze()
            told.wait_for("ok", "no_signal")
            assert camera.abandoned > before
            neighbour_frames.wait_for(5)
            server.thaw()
            frames.wait_for(5)
            assert stuck.join(LONG_S)
    reasons = [status.reason for status in told.statuses if status.reason]
    assert any("read() did not return for 3 s" in reason for reason in reasons), reasons
    assert frames.indexes == sorted(set(frames.indexes))
    assert neighbour_told.states == ["connecting", "ok"]


def test_an_http_camera_that_hangs_up_stalls_and_comes_back():
    """Motion JPEG over HTTP by the same rules."""
    with MjpegServer() as server:
        camera, told, frames = run("cam", server.url, read_timeout_s=2, open_timeout_s=30, stale_after_s=30)
        with Watchman(camera):
            frames.wait_for(5)
            server.stall()
            told.wait_for("ok", "no_signal")
            assert "stalled: no frame within 2 s" in first(told, "no_signal").reason
            server.go_on()
            told.wait_for("no_signal", "ok")
            server.stop()
            told.wait_for("no_signal", "ok", "no_signal")
            server.start()
            told.wait_for("no_signal", "ok", "no_signal", "ok")
            frames.wait_for(3)
    assert frames.indexes == sorted(set(frames.indexes))


@needs_rtsp
def test_a_password_opens_the_stream_and_is_written_nowhere(caplog, capfd):
    """Not into a status, a log line, or what FFmpeg says on stderr; the wrong one neither."""
    caplog.set_level(logging.DEBUG)
    with rtsp.RtspServer(user="viewer", password="geheim") as server:
        right, right_told, frames = run("right", server.url.replace("//", "//viewer:geheim@"), **PATIENT)
        wrong, wrong_told, _ = run("wrong", server.url.replace("//", "//viewer:falsch@"), **PATIENT)
        with Watchman(right, wrong):
            frames.wait_for(1)
            wrong_told.wait_for("failed")
    statuses = str([*right_told.statuses, *wrong_told.statuses])
    assert "viewer:***@127.0.0.1" in statuses
    written = statuses + caplog.text + "".join(capfd.readouterr())
    assert "geheim" not in written
    assert "falsch" not in written
