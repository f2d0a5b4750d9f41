"""The pure rules of the plug-ins: driver times, frame rates, pictures that are cut off, options of FFmpeg."""

from __future__ import annotations

import os
import threading
import time

import cv2
import numpy as np
import pytest
from deadlines import LONG_S
from hypothesis import given
from hypothesis import strategies as st

from agent.sources.camera.device import driver_age_ns
from agent.sources.camera.file import frame_rate, is_text
from agent.sources.camera.rtsp_options import VARIABLE, RtspOptions
from agent.sources.images.pictures import is_cut_off, is_picture
from agent.sources.opencv import arrived


@given(st.integers(2_000_000, 10**9), st.integers(0, 999_000))
def test_the_age_of_a_drivers_buffer_is_known_to_the_microsecond(monotonic_us, age_us):
    """By the monotonic clock alone, which the driver stamped it with."""
    age_ns = driver_age_ns((monotonic_us - age_us) / 1000, monotonic_us * 1000)
    assert age_ns == pytest.approx(age_us * 1000, abs=1000)


def test_a_picture_was_captured_its_age_before_now():
    """The wall clock names the moment and decides nothing: the age is the driver's."""
    before_ns = time.time_ns()
    frame = arrived(np.zeros((2, 2, 3), np.uint8), 0, age_ns=20_000_000)
    assert before_ns <= frame.captured_ns + 20_000_000 <= time.time_ns()
    assert frame.age_ns == 20_000_000


@pytest.mark.parametrize("buffer_ms", [0.0, -1.0, 8_999.0, 10_000.1, 1.7e12])
def test_a_time_that_cannot_be_is_not_believed(buffer_ms):
    """Zero, a second ago or more, the future, and the wall clock itself; the machine is up for 10 s here."""
    assert driver_age_ns(buffer_ms, 10_000_000_000) is None


@given(st.floats())
def test_a_file_always_has_a_frame_rate(told):
    """Zero, negative, infinite or no number at all: 25. What can be is believed."""
    rate = frame_rate(told)
    assert rate == (told if 0 < told <= 1000 else 25.0)


def test_only_the_decoders_of_letters_are_text():
    """OpenCV tells -1 or 0 where it knows no code."""
    code = cv2.VideoWriter.fourcc
    assert is_text(float(code(*"ansi")))
    assert not any(map(is_text, [float(code(*"h264")), float(code(*"gif ")), -1.0, 0.0]))


@pytest.mark.parametrize("name", ["a.png", "A.JPG", "a.b.jpeg", "x.tiff", "y.webp", "z.pgm"])
def test_pictures_are_taken_by_their_names(name):
    """In whatever case."""
    assert is_picture(name)


@pytest.mark.parametrize("name", ["png", ".png", ".hidden.png", "a.txt", "a.png.part", "a.", "", "Thumbs.db"])
def test_what_is_no_picture_is_left_alone(name):
    """Hidden files, and files that are still being copied under another name."""
    assert not is_picture(name)


@given(st.integers(0, 2**32 - 1), st.floats(0.02, 0.999), st.booleans())
def test_a_jpeg_that_was_copied_halfway_is_known_by_its_missing_end(seed, share, progressive):
    """Whatever the picture, wherever the copy stopped; OpenCV 4 would fill the rest with gray."""
    noise = np.random.default_rng(seed).integers(0, 256, (24, 32, 3), np.uint8)
    data = cv2.imencode(".jpg", noise, [cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)])[1].tobytes()
    assert not is_cut_off(data)
    assert not is_cut_off(data + b"the camera's own notes")
    assert is_cut_off(data[: max(2, int(share * len(data)))])


@given(st.binary())
def test_only_a_jpeg_can_lack_a_jpegs_end(data):
    """Other formats are left to their decoders."""
    assert data.startswith(b"\xff\xd8") or not is_cut_off(data)


def test_two_cameras_open_side_by_side_over_the_same_transport():
    """The second does not wait for the first."""
    options = RtspOptions()
    with options.set_for("tcp"), options.set_for("tcp"):
        assert os.environ[VARIABLE].startswith("rtsp_transport;tcp|")
    assert VARIABLE not in os.environ


def test_another_transport_waits_until_the_first_has_opened():
    """Each reads what was set for it."""
    options, inside, seen = RtspOptions(longest_turn_s=LONG_S), threading.Event(), []

    def over_udp():
        inside.set()
        with options.set_for("udp"):
            seen.append(os.environ[VARIABLE])

    with options.set_for("tcp"):
        thread = threading.Thread(target=over_udp)
        thread.start()
        assert inside.wait(LONG_S)
        assert os.environ[VARIABLE].startswith("rtsp_transport;tcp|")
    thread.join(LONG_S)
    assert [option.split("|")[0] for option in seen] == ["rtsp_transport;udp"]


def test_an_open_that_hangs_for_good_holds_nobody_up():
    """After a bounded turn the other transport is set in any case."""
    options = RtspOptions(longest_turn_s=0.01)
    with options.set_for("tcp"), options.set_for("udp"):
        assert os.environ[VARIABLE].startswith("rtsp_transport;udp|")


def test_what_the_operator_set_stays_and_wins(monkeypatch):
    """FFmpeg takes the last of two equal options."""
    monkeypatch.setenv(VARIABLE, "rtsp_transport;http")
    options = RtspOptions()
    with options.set_for("tcp"):
        assert os.environ[VARIABLE].split("|")[-1] == "rtsp_transport;http"
    assert os.environ[VARIABLE] == "rtsp_transport;http"
