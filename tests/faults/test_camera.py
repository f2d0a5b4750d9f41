"""Cameras that freeze, die, come back, change their resolution and send garbage: other streams go on, and what was accepted arrives."""

from __future__ import annotations

import time
from contextlib import contextmanager

import pytest
import rtsp
from broker import needs_mosquitto
from harness.plant import Plant, pipeline
from mjpeg import MjpegServer

pytestmark = [needs_mosquitto, pytest.mark.timeout(1200)]

WAIT = "read_timeout_s = 1\nopen_timeout_s = 2\nstale_after_s = 2\n"
HANGS_S = 25.0
"""Longer than a read that hangs is waited for (three read timeouts and 10 s), and then some."""
KINDS = ("freezes", "freezes for long", "dies", "changes its size", "sends garbage")


def camera(url: str) -> str:
    """A pipeline at a camera; the folder's is there beside it."""
    return f'[sources.cam]\ntype = "camera"\nurl = "{url}"\n{WAIT}' + pipeline("camera", "cam")


@contextmanager
def _neighbour_goes_on(plant: Plant):
    """The other pipeline gives events while the camera is ill."""
    begun_s = time.monotonic()
    yield
    ill_s = time.monotonic() - begun_s
    beside = [s.at_s for s in plant.way.recording.sent() if s.event.pipeline == "p0" and s.at_s >= begun_s]
    assert len(beside) >= ill_s * 5, f"{len(beside)} events of 20 a second beside it in {ill_s:.1f} s"


def _hurt(server: MjpegServer, kind: str, chance) -> None:
    """Do it, and undo it."""
    match kind:
        case "freezes":
            server.stall()
            time.sleep(chance.wait_s(0.2, 3.0))
            server.go_on()
        case "freezes for long":
            server.stall()
            time.sleep(HANGS_S)
            server.go_on()
        case "dies":
            server.stop()
            time.sleep(chance.wait_s(0.2, 3.0))
            server.start()
        case "changes its size":
            server.resize(chance.random.randrange(16, 640), chance.random.randrange(16, 480))
        case _:
            server.garbage = chance.random.randbytes(chance.random.randrange(1, 5000))
            time.sleep(chance.wait_s(0.2, 3.0))
            server.garbage = b""


@pytest.mark.parametrize("kind", KINDS)
def test_a_camera_that_is_ill_harms_nobody_else_and_comes_back(tmp_path, chance, row, kind):
    """Its events stop and go on without a gap in their numbers."""
    if kind == "freezes for long" and not chance.runs_all:
        pytest.skip("25 s each; --faults=all runs it")
    times = chance.pick(1, 20 if kind != "freezes for long" else 3)
    with MjpegServer() as server, Plant(tmp_path, pipelines=1, rate_hz=20, tables=camera(server.url)) as plant:
        plant.wait_confirmed_after(plant.start(), pipeline="camera")
        for _ in range(times):
            with _neighbour_goes_on(plant):
                _hurt(server, kind, chance)
                plant.heal(time.monotonic(), 90, "camera")
                plant.wait_confirmed_after(time.monotonic() + 0.5, 90, "camera")  # and goes on
        assert plant.stop() == 0, plant.agent.log
        verdict = plant.verdict()
    row(f"camera {kind}", times, plant, verdict)
    assert not verdict.forgotten


@pytest.mark.skipif(rtsp.missing() is not None, reason=rtsp.missing() or "")
def test_an_rtsp_server_that_is_stopped_harms_nobody_else_and_comes_back(tmp_path, chance, row):
    """SIGSTOP: its connections stay, and nothing comes."""
    times = chance.pick(1, 10)
    with rtsp.RtspServer() as server, Plant(tmp_path, pipelines=1, rate_hz=20, tables=camera(server.url)) as plant:
        plant.wait_confirmed_after(plant.start(), pipeline="camera")
        for _ in range(times):
            with _neighbour_goes_on(plant):
                server.freeze()
                time.sleep(chance.wait_s(2.0, chance.pick(3.0, 20.0)))
                server.thaw()
                plant.heal(time.monotonic(), 90, "camera")
        assert plant.stop() == 0, plant.agent.log
        verdict = plant.verdict()
    row("RTSP server stopped (SIGSTOP)", times, plant, verdict)
    assert not verdict.forgotten
