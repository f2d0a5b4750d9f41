"""Frames scaled by ffmpeg: what differs from full ones, and that no child outlives its use."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from shutil import which

import clips
import cv2
import numpy as np
import pytest
import rtsp
from deadlines import LONG_S
from decoding import tensor
from mjpeg import MjpegServer
from watched import Reader, Told, Watchman
from wishes import Wish

from agent.core.errors import SourceUnavailable
from agent.models.pixels import ImageInput
from agent.models.spec import InputSpec
from agent.sources.camera.child import Overdue, PictureChild
from agent.sources.camera.settings import CameraSettings
from agent.sources.catalog import make_source
from agent.sources.contract import EndOfStream
from agent.sources.images.settings import ImagesSettings
from agent.sources.runner import RunnerPolicy, SourceRunner

FFMPEG = which("ffmpeg")
pytestmark = pytest.mark.skipif(FFMPEG is None, reason="no ffmpeg (tests/install-tools installs it)")
NO_RTSP = rtsp.missing()
needs_rtsp = pytest.mark.skipif(NO_RTSP is not None, reason=str(NO_RTSP))
MODEL = (224, 224)


def frames_of(settings, wish=None):
    source = make_source(settings, wish)
    source.open()
    frames = []
    try:
        while True:
            frames.append(source.read(len(frames)).pixels)
    except EndOfStream:
        return frames
    finally:
        source.close()


def camera(path, decode, **keys):
    return CameraSettings(url=str(path), decode=decode, **keys)


def write_scene(path, *options, size="1280x720", seconds=0.4):
    """A clip with edges, letters and noise, in H.264; ten pictures."""
    source = ["-f", "lavfi", "-i", f"testsrc2=s={size}:r=25:d={seconds}"]
    encode = ["-vf", "noise=alls=8:allf=t", "-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", *options]
    subprocess.run([FFMPEG, "-v", "error", "-y", *source, *encode, str(path)], check=True, timeout=LONG_S)
    return path


def tensors(frames, interpolation="linear"):
    """What a model with uint8 pixels gets of them."""
    info = tensor((1, *MODEL, 3), "uint8", 1 / 255, 0)
    picture = ImageInput(InputSpec(interpolation=interpolation, std=[255.0]), info)
    filled = np.zeros((len(frames), *info.shape), np.uint8)
    for frame, destination in zip(frames, filled, strict=True):
        picture.fill(frame, destination)
    return filled.astype(int)


def test_the_tensor_is_near_that_of_the_full_frame_and_is_not_the_same(tmp_path):
    """Why it is off by default: an average over pixels is not two of them. Where a model averages anyway, it hardly differs."""
    path = write_scene(tmp_path / "a.mp4")
    full, scaled = frames_of(camera(path, "full")), frames_of(camera(path, "scaled"), Wish(*MODEL))
    assert (len(scaled), scaled[0].shape) == (len(full), (224, 400, 3))
    apart = np.abs(tensors(full) - tensors(scaled))
    print(
        f"linear: {apart.mean():.2f} codes on average, {(apart > 1).mean():.0%} by more than one, at most {apart.max()}"
    )
    assert apart.mean() < 12
    assert (apart > 1).any()
    averaged = np.abs(tensors(full, "area") - tensors(scaled, "area"))
    print(f"area: {averaged.mean():.2f} codes on average, at most {averaged.max()}")
    assert averaged.mean() < apart.mean()


def test_full_frames_are_as_they_were(tmp_path):
    """The default is `full`, and then nobody is asked what is needed: every pixel is OpenCV's own."""
    path = write_scene(tmp_path / "a.mp4", seconds=0.2)
    capture, expected = cv2.VideoCapture(str(path)), []
    while (read := capture.read())[0]:
        expected.append(read[1])
    for frames in (frames_of(CameraSettings(url=str(path)), Wish(8, 8)), frames_of(camera(path, "full"), Wish(8, 8))):
        assert len(frames) == len(expected)
        assert all(map(np.array_equal, frames, expected))


@pytest.mark.parametrize("matrix", ["bt709", "smpte170m", None])
@pytest.mark.parametrize("pixels", ["yuv420p", "yuvj420p", "yuv444p", "gray"])
def test_colours_are_those_of_the_full_frame(tmp_path, matrix, pixels):
    """Whatever matrix and range the video names, and whatever this version of OpenCV makes of it."""
    tags = [] if matrix is None else ["-colorspace", matrix, "-color_primaries", matrix, "-color_trc", matrix]
    tags += ["-pix_fmt", pixels]
    path = write_scene(tmp_path / "a.mp4", *tags, seconds=0.08)
    full, scaled = frames_of(camera(path, "full")), frames_of(camera(path, "scaled"), Wish(*MODEL))
    for a, b in zip(full, scaled, strict=True):
        assert np.abs(a.mean(axis=(0, 1)) - b.mean(axis=(0, 1))).max() < 1.5, "another matrix is off by nine"


def test_a_reduced_jpeg_is_near_the_full_one_and_turned_alike(tmp_path):
    """A quarter of the width and height of 1280 x 960; Exif says that it stands on its side."""
    scene = frames_of(camera(write_scene(tmp_path / "a.mp4", size="1280x960", seconds=0.04), "full"))[0]
    data = cv2.imencode(".jpg", scene)[1].tobytes()
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    turned = data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:]
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "a.jpg").write_bytes(turned)
    folder = str(tmp_path / "parts")
    wish = Wish(*MODEL)
    (full,) = frames_of(ImagesSettings(url=folder))
    (auto,) = frames_of(ImagesSettings(url=folder, decode="auto"), wish)
    assert full.shape == (1280, 960, 3)
    assert auto.shape == (320, 240, 3)
    assert wish.told == ['decode = "auto": JPEG at a quarter of its width and height']
    apart = np.abs(tensors([full]) - tensors([auto]))
    assert apart.mean() < 12
    assert (apart > 1).any()


def test_without_a_model_frames_are_full_and_that_is_told(tmp_path):
    """Nobody knows what is needed, or somebody needs all of it."""
    path = clips.write_video(tmp_path / "a.mp4", 2)
    for decode in ("scaled", "auto"):
        wish = Wish()
        assert frames_of(camera(path, decode), wish)[0].shape == (clips.HEIGHT, clips.WIDTH, 3)
        assert wish.told == [
            f'decode = "{decode}": full frames, not every pipeline has its model, or one needs full frames'
        ]


def test_auto_scales_a_large_clip_and_says_so_and_leaves_a_small_one_alone(tmp_path):
    """1440 lines are large."""
    large, small = (
        write_scene(tmp_path / "a.mp4", size="2560x1440", seconds=0.08),
        clips.write_video(tmp_path / "b.mp4", 2),
    )
    wish = Wish(*MODEL)
    assert frames_of(camera(large, "auto"), wish)[0].shape == (224, 400, 3)
    assert frames_of(camera(small, "auto"), wish)[0].shape == (clips.HEIGHT, clips.WIDTH, 3)
    assert wish.told == [
        'decode = "auto": frames scaled from 2560 x 1440 to 400 x 224',
        'decode = "auto": full frames, 96 x 64 is less than 1440 lines',
    ]


def test_without_ffmpeg_scaled_is_unavailable_and_auto_is_full(tmp_path, monkeypatch):
    """It may be installed while the agent runs, so it is tried again."""
    path = write_scene(tmp_path / "a.mp4", size="2560x1440", seconds=0.08)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceUnavailable, match="ffmpeg program, which is not on the PATH") as caught:
        frames_of(camera(path, "scaled"), Wish(*MODEL))
    assert 'decode = "full"' in caught.value.hint
    assert frames_of(camera(path, "auto"), Wish(*MODEL))[0].shape == (1440, 2560, 3)


def test_a_model_that_needs_more_gets_it_and_no_frame_is_lost(tmp_path):
    """A new model with a larger input, in the middle of a file; fewer pixels are never a reason to begin again."""
    source = make_source(camera(clips.write_video(tmp_path / "a.mp4", 12), "scaled"), wish := Wish(32, 32))
    source.open()
    frames = [source.read(index) for index in range(4)]
    wish.now = Wish(48, 48).now
    frames += [source.read(index) for index in range(4, 8)]
    wish.now = Wish(16, 16).now
    frames += [source.read(index) for index in range(8, 12)]
    source.close()
    assert [clips.number_of(frame.pixels) for frame in frames] == list(range(12))
    assert [frame.pixels.shape[:2] for frame in frames] == [(32, 48)] * 4 + [(48, 72)] * 8


@needs_rtsp
def test_a_stream_is_connected_anew_when_more_is_needed():
    """And goes on with larger frames."""
    with rtsp.RtspServer(width=160, height=120) as server:
        source = make_source(
            CameraSettings(url=server.url, decode="scaled", open_timeout_s=30, read_timeout_s=30), wish := Wish(60, 60)
        )
        source.open()
        assert source.read(0).pixels.shape == (60, 80, 3)
        wish.now = None
        assert source.read(1).pixels.shape == (120, 160, 3)
        source.close()


def stream_runner(name, url, **keys):
    settings = CameraSettings(url=url, decode="scaled", **keys)
    told, policy = Told(), RunnerPolicy.of(settings)
    runner = SourceRunner(name, make=lambda: make_source(settings, Wish(80, 60)), policy=policy, on_status=told)
    reader = Reader(runner.subscribe("p", lambda frame: frame))
    runner.start()
    return runner, told, reader


@needs_rtsp
def test_a_camera_that_freezes_is_lost_with_the_same_words_and_its_child_is_gone():
    """What the child held is no new picture, and nothing is left behind."""
    with rtsp.RtspServer() as server:
        before = children()
        camera, told, frames = stream_runner("cam", server.url, stale_after_s=1, read_timeout_s=3, open_timeout_s=30)
        with Watchman(camera):
            frames.wait_for(5)
            server.freeze()
            told.wait_for("ok", "stale", "no_signal")
            wait_until(lambda: children() == before)
            server.thaw()
            told.wait_for("no_signal", "ok")
            frames.wait_for(3)
        assert camera.join(LONG_S)
        assert children() == before
    reasons = [status.reason for status in told.statuses if status.state == "no_signal"]
    assert reasons[0].endswith("stalled: no frame within 3 s")


@needs_rtsp
def test_a_server_that_dies_is_said_to_have_closed_the_connection():
    """As with full frames; then it refuses connections."""
    with rtsp.RtspServer() as server:
        camera, told, frames = stream_runner("cam", server.url, open_timeout_s=30, read_timeout_s=30, stale_after_s=30)
        with Watchman(camera):
            frames.wait_for(3)
            server.stop()
            told.wait_for("ok", "no_signal", "failed")
    reasons = [status.reason for status in told.statuses if status.reason]
    assert "closed the connection" in reasons[0]
    assert "refuses connections" in reasons[1]


@needs_rtsp
def test_what_ffmpeg_says_of_a_wrong_address_stands_in_the_hint():
    """The server answers and has no such stream."""
    with rtsp.RtspServer() as server:
        source = make_source(CameraSettings(url=server.url + "2", decode="scaled", open_timeout_s=30), Wish(80, 60))
        with pytest.raises(SourceUnavailable, match=r"answers at port .* but gives no video") as caught:
            source.open()
        assert "ffmpeg says:" in caught.value.hint
        assert "404" in caught.value.hint
        source.close()


def test_an_http_camera_that_stalls_is_lost_within_its_timeout():
    """The read timeout holds without a thread that waits."""
    with MjpegServer() as server:
        source = make_source(
            CameraSettings(url=server.url, decode="scaled", open_timeout_s=30, read_timeout_s=3), Wish(80, 60)
        )
        source.open()
        source.read(0)
        server.stall()
        began_s = time.monotonic()
        with pytest.raises(SourceUnavailable, match="stalled: no frame within 3 s"):  # noqa: PT012 - some are on their way
            while True:
                source.read(1)
        assert time.monotonic() - began_s < LONG_S / 2
        server.go_on()
        source.close()


def children():
    """Processes that this one has started and that still run or have not been waited for."""
    found = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            identity, rest = status.read_text().split(" ", 1)
        except OSError:
            continue
        if int(rest.rsplit(")", 1)[1].split()[1]) == os.getpid() and "ffmpeg" in rest:
            found.add(int(identity))
    return found


def wait_until(holds):
    until_s = time.monotonic() + LONG_S
    while not holds():
        assert time.monotonic() < until_s
        time.sleep(0.01)


def is_alive(identity):
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{identity}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_closed_source_leaves_no_child_and_no_zombie(tmp_path):
    """In the middle of a file, while the child waits for somebody who takes the next picture."""
    before = children()
    source = make_source(camera(write_scene(tmp_path / "a.mp4", seconds=4), "scaled"), Wish(640, 640))
    source.open()
    source.read(0)
    assert len(children()) == len(before) + 1
    source.close()
    assert children() == before


def test_a_child_that_does_not_want_to_end_is_killed():
    """It ignores the request, and is waited for all the same."""
    deaf = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('P6', flush=True); time.sleep(60)"
    child = PictureChild([sys.executable, "-c", deaf])
    child.start()
    with pytest.raises(Overdue):
        child.picture(2)
    identity = child._process.pid
    child.close()
    child.close()
    assert not Path(f"/proc/{identity}").exists()


def test_a_child_may_talk_without_end_and_only_its_last_words_are_kept():
    """It never waits for a reader of its stderr, and passwords are hidden."""
    talk = (
        "import sys; sys.stderr.write('x' * 500_000 + ' no route to rtsp://me:geheim@cam/1'); sys.stderr.flush();"
        "sys.stdout.buffer.write(b'P6\\n2 1\\n255\\nabcdef')"
    )
    child = PictureChild([sys.executable, "-c", talk])
    child.start()
    assert child.picture(LONG_S).tolist() == [[[99, 98, 97], [102, 101, 100]]]
    assert child.picture(LONG_S) is None
    assert child.last_words.endswith("no route to rtsp://me:***@cam/1")
    assert len(child.last_words) <= 200
    child.close()


def test_what_is_no_picture_is_an_error_of_ours():
    """A program that is called ffmpeg and is none."""
    child = PictureChild([sys.executable, "-c", "print('hello there, this is no picture')"])
    child.start()
    with pytest.raises(SourceUnavailable, match="gave no picture"):
        child.picture(LONG_S)
    child.close()
    with pytest.raises(SourceUnavailable, match="cannot be run"):
        PictureChild(["/no/such/ffmpeg"]).start()


OWNER = """
import sys, time
sys.path.insert(0, sys.argv[1])
from agent.sources.camera.settings import CameraSettings
from agent.sources.catalog import make_source
from wishes import Wish
source = make_source(CameraSettings(url=sys.argv[2], decode="scaled"), Wish(64, 48))
source.open()
source.read(0)
pictures = source._pictures if hasattr(source, "_pictures") else source
print(pictures._child._process.pid, flush=True)
while True:
    source.read(1) if len(sys.argv) > 3 else time.sleep(1)
"""


@pytest.mark.parametrize("what", ["waiting-file", "http"])
def test_when_the_agent_is_killed_ffmpeg_ends_by_itself(tmp_path, what):
    """Its pipe is broken at the next picture; it needs no signal and no watchdog."""
    with MjpegServer() as server:
        url = server.url if what == "http" else str(write_scene(tmp_path / "a.mp4", size="640x480", seconds=20))
        command = [sys.executable, "-c", OWNER, str(Path(__file__).parent.parent / "support"), url]
        owner = subprocess.Popen([*command, "read"] if what == "http" else command, stdout=subprocess.PIPE, text=True)
        child = int(owner.stdout.readline())
        assert is_alive(child)
        owner.send_signal(signal.SIGKILL)
        owner.communicate()
        wait_until(lambda: not is_alive(child))
