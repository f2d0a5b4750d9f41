"""The pure rules of scaled decoding: command lines, pictures, and when it pays."""

from __future__ import annotations

import subprocess
from pathlib import Path
from shutil import which

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agent.sources.camera import ppm
from agent.sources.camera.auto import why_full
from agent.sources.camera.ffmpeg import version_of
from agent.sources.camera.ffmpeg_command import file_command, stream_command
from agent.sources.camera.settings import CameraSettings
from agent.sources.demand import Needed
from agent.sources.images.pictures import jpeg_size, reduction

NEEDED = Needed(224, 224)
QHD = (2560, 1440)
FULL_HD = (1920, 1080)


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("ffmpeg version 5.1.9-0+deb12u1 Copyright (c)", (5, 1)),
        ("ffmpeg version 4.4.2-0ubuntu0.22.04.1 Copyright (c)", (4, 4)),
        ("ffmpeg version n7.1 Copyright (c)", (7, 1)),
        ("ffmpeg version N-113007-g8d24a28d06 Copyright (c)", (1000, 0)),
        ("", (1000, 0)),
    ],
)
def test_the_version_of_ffmpeg_is_read_from_what_it_says(said, version):
    """Of distributions, releases, and builds of the day, which count as the newest."""
    assert version_of(said) == version


def stream(version, url="rtsp://cam/1", **keys):
    return stream_command("ffmpeg", version, CameraSettings(url=url, **keys), NEEDED, matrix="auto")


def option(command, name):
    return command[command.index(name) + 1]


@pytest.mark.parametrize(
    ("version", "timeout", "rate"),
    [
        ((4, 4), "-stimeout", "-vsync"),
        ((5, 0), "-timeout", "-vsync"),
        ((5, 1), "-timeout", "-fps_mode"),
        ((8, 0), "-timeout", "-fps_mode"),
    ],
)
def test_each_version_gets_the_options_that_it_knows(version, timeout, rate):
    """Their names have changed: before 5.0 `-timeout` made RTSP listen."""
    command = stream(version, open_timeout_s=2, read_timeout_s=3)
    assert option(command, timeout) == "6000000"
    assert option(command, rate) == "passthrough"
    assert len({"-timeout", "-stimeout", "-vsync", "-fps_mode"} & set(command)) == 2


def test_a_stream_is_opened_as_its_settings_say():
    """Transport and threads stand before the address; HTTP knows no transport."""
    command = stream((5, 1), transport="udp", decode_threads=3)
    before = command[: command.index("-i")]
    assert (option(before, "-rtsp_transport"), option(before, "-threads")) == ("udp", "3")
    assert option(command, "-i") == "rtsp://cam/1"
    assert "-rtsp_transport" not in stream((5, 1), "http://cam/video")
    assert option(stream((5, 1), "http://cam/video"), "-rw_timeout") == "10000000"


def test_a_file_is_never_taken_for_an_option_or_a_protocol():
    """Whatever its name."""
    command = file_command("ffmpeg", (5, 1), Path("-y:a.mp4"), NEEDED, threads=1, skip=0, matrix="auto")
    assert option(command, "-i") == "file:-y:a.mp4"


@pytest.mark.skipif(which("ffmpeg") is None, reason="no ffmpeg (tests/install-tools installs it)")
@pytest.mark.parametrize("frame", [(1920, 1080), (1280, 720), (640, 480), (720, 1280), (321, 241), (100, 40)])
@pytest.mark.parametrize("needed", [Needed(224, 224), Needed(320 / 0.3, 96), Needed(1e9, 1e9), Needed(64, 300)])
def test_ffmpeg_works_out_the_size_that_the_rule_says(frame, needed):
    """The rule stands in two languages."""
    width, height = frame
    command = file_command(which("ffmpeg"), (5, 1), Path("x"), needed, threads=1, skip=0, matrix="auto")
    source = ["-f", "lavfi", "-i", f"testsrc=s={width}x{height}:d=0.04"]
    found = subprocess.run(
        ["ffmpeg", "-v", "error", *source, "-vf", option(command, "-vf"), "-c:v", "ppm", "-f", "image2pipe", "-"],
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert ppm.size(b"".join(found.stdout.splitlines(keepends=True)[:3])) == needed.size(width, height)


@pytest.mark.parametrize(
    "head", [b"", b"P5\n2 2\n255\n", b"P6\n0 2\n255\n", b"P6\n2 2\n65535\n", b"P6\n123456 1\n255\n"]
)
def test_what_is_no_head_of_a_picture_is_refused(head):
    """Other formats, no size, 16 bits, and sizes that cannot be."""
    with pytest.raises(ValueError, match="no head"):
        ppm.size(head)


@given(st.integers(1, 99999), st.integers(1, 99999))
def test_a_head_tells_the_size(width, height):
    """As FFmpeg writes it, and within the limits that the reader knows."""
    head = f"P6\n{width} {height}\n255\n".encode()
    assert ppm.size(head) == (width, height)
    assert ppm.SHORTEST_HEAD <= len(head) <= ppm.LONGEST_HEAD


def test_scaling_pays_for_large_frames_of_which_little_is_needed():
    """Then there is no reason against it."""
    assert why_full(QHD, NEEDED, ffmpeg=True, password=False) is None
    assert why_full(QHD, Needed(1280, 720), ffmpeg=True, password=False) is None


@pytest.mark.parametrize(
    ("frame", "keys", "reason"),
    [
        (QHD, {"needed": None}, "not every pipeline has its model"),
        (QHD, {"password": True}, "would show the password"),
        (QHD, {"ffmpeg": False}, "not on the PATH"),
        ((1920, 1080), {}, "1920 x 1080 is less than 1440 lines"),
        ((0, 0), {}, "less than 1440 lines"),
        (QHD, {"needed": Needed(224, 721)}, "224 x 721 of 2560 x 1440"),
    ],
)
def test_where_it_does_not_pay_the_reason_is_told(frame, keys, reason):
    """One for each."""
    found = why_full(frame, **{"needed": NEEDED, "ffmpeg": True, "password": False, **keys})
    assert reason in found


@given(st.integers(1, 300), st.integers(1, 300), st.booleans(), st.booleans())
def test_the_size_of_a_jpeg_is_read_without_decoding_it(width, height, progressive, gray):
    """Baseline and progressive, with and without colour."""
    picture = np.zeros((height, width) if gray else (height, width, 3), np.uint8)
    data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)])[1].tobytes()
    assert jpeg_size(data) == (width, height)


@given(st.binary() | st.binary().map(lambda tail: b"\xff\xd8\xff" + tail))
def test_whatever_the_bytes_a_size_is_positive_or_none(data):
    """Never a crash, never an endless search."""
    size = jpeg_size(data)
    assert size is None or min(size) > 0


def test_a_picture_is_reduced_only_as_far_as_it_serves_however_it_is_turned():
    """Exif may turn it after it is decoded; other formats and small ones are left alone."""
    data = cv2.imencode(".jpg", np.zeros((1080, 1920, 3), np.uint8))[1].tobytes()
    assert reduction(data, Needed(224, 224)) == 4
    assert reduction(data, Needed(480, 224)) == 2
    assert reduction(data, Needed(224, 135)) == 4
    assert reduction(data, Needed(960, 100)) == 1, "turned it is 1080 wide"
    assert reduction(data, Needed(224, 224), least_lines=1081) == 1
    assert reduction(cv2.imencode(".png", np.zeros((1080, 1920, 3), np.uint8))[1].tobytes(), Needed(9, 9)) == 1


@pytest.mark.parametrize("decode", ["scaled", "auto"])
@pytest.mark.parametrize("url", ["0", "/dev/video0"])
def test_a_device_is_always_decoded_in_full(decode, url):
    """It can be asked for a smaller picture itself."""
    with pytest.raises(ValidationError, match="a device is always decoded in full"):
        CameraSettings(url=url, decode=decode)
    assert CameraSettings(url=url, decode="full").decode == "full"


@pytest.mark.parametrize("url", ["rtsp://user:geheim@cam/1", "http://cam/video?password=geheim"])
def test_a_password_never_gets_onto_a_command_line(url):
    """`scaled` is refused, in words without the password; `auto` is not, and decodes in full."""
    with pytest.raises(ValidationError, match="to every user of this machine") as caught:
        CameraSettings(url=url, decode="scaled")
    assert "geheim" not in str(caught.value.errors()[0]["msg"])
    assert CameraSettings(url=url, decode="auto").decode == "auto"
    assert CameraSettings(url="rtsp://user@cam/1", decode="scaled").decode == "scaled"
