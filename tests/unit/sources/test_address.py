"""Which kind of thing an address names, and what the settings refuse."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from agent.sources.camera.address import device_path, file_path, host_and_port, kind_of
from agent.sources.camera.settings import CameraSettings
from agent.sources.catalog import is_live
from agent.sources.images.settings import ImagesSettings
from agent.sources.policy import RunnerPolicy
from agent.sources.settings import SourceSettings


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("0", "device"),
        ("12", "device"),
        ("/dev/video0", "device"),
        ("/dev/v4l/by-id/usb-cam-index0", "device"),
        ("rtsp://cam/1", "stream"),
        ("RTSPS://cam/1", "stream"),
        ("http://cam/video.mjpg", "stream"),
        ("https://cam/video.mjpg", "stream"),
        ("clip.mp4", "file"),
        ("/data/clip.gif", "file"),
        ("file:///data/clip.mp4", "file"),
        ("0.mp4", "file"),
        ("²", "file"),
        ("folder:/clip.mp4", "file"),
    ],
)
def test_an_address_is_a_device_a_stream_or_a_file(url, kind):
    """Everything that a person may write in `url`."""
    assert kind_of(url) == kind


@given(st.text())
def test_every_text_has_a_kind(url):
    """No address makes the sorting fail; what is no index, no device and no scheme is a path."""
    assert kind_of(url) in ("device", "stream", "file")


@given(st.integers(0, 255))
def test_an_index_is_the_device_of_that_number(number):
    """V4L2 numbers its devices."""
    assert device_path(str(number)) == f"/dev/video{number}"


def test_a_file_address_is_undone_and_a_path_is_left_alone():
    """Percent signs mean something in file:// only."""
    assert file_path("file:///data/part%20a.mp4") == "/data/part a.mp4"
    assert file_path("/data/part%20a.mp4") == "/data/part%20a.mp4"


@pytest.mark.parametrize(
    ("settings", "live"),
    [
        (CameraSettings(url="0"), True),
        (CameraSettings(url="rtsp://cam/1"), True),
        (CameraSettings(url="clip.mp4"), False),
        (CameraSettings(url="clip.mp4", realtime=True), True),
        (ImagesSettings(url="parts"), False),
        (ImagesSettings(url="parts", realtime=True), True),
    ],
)
def test_devices_streams_and_what_plays_in_real_time_are_live(settings, live):
    """Files and folders are taken whole unless `realtime` is set."""
    assert is_live(settings) is live
    assert RunnerPolicy.of(settings).live is live


def test_the_type_decides_on_the_settings():
    """One table per kind of source."""
    adapter = TypeAdapter(SourceSettings)
    assert isinstance(adapter.validate_python({"type": "camera", "url": "0"}), CameraSettings)
    assert isinstance(adapter.validate_python({"type": "images", "url": "parts"}), ImagesSettings)


@pytest.mark.parametrize("hint", [{"width": 640}, {"height": 480}, {"fps": 30}, {"fourcc": "MJPG"}])
def test_hints_are_for_devices_only(hint):
    """A stream that is asked for a width would go on as it is, and nobody would know."""
    assert CameraSettings(url="0", **hint)
    with pytest.raises(ValidationError, match="only a device"):
        CameraSettings(url="rtsp://cam/1", **hint)


def test_an_unknown_scheme_is_refused_without_showing_the_password():
    """The message names the schemes that are known."""
    with pytest.raises(ValidationError) as caught:
        CameraSettings(url="rtmp://u:geheim@cam/1")
    (error,) = caught.value.errors()
    assert "rtmp://u:***@cam/1" in error["msg"]
    assert "rtsp://" in error["msg"]
    assert "geheim" not in error["msg"]


@pytest.mark.parametrize("password", ["ge/heim", "ge?heim", "ge#heim", "ge/heim:x", "[ge/heim"])
def test_a_password_that_breaks_the_address_is_refused_without_showing_it(password):
    """No reader would find the host; the message tells how to write it."""
    with pytest.raises(ValidationError) as caught:
        CameraSettings(url=f"rtsp://u:{password}@cam/1")
    (error,) = caught.value.errors()
    assert "rtsp://u:***@cam/1: no host, or no such port" in error["msg"]
    assert "heim" not in error["msg"]


@given(st.text())
def test_looking_for_the_host_never_fails(url):
    """Whatever stands behind the scheme; an error of the parser would show a part of it."""
    assert host_and_port(f"rtsp://{url}") is None or host_and_port(f"rtsp://{url}")[0]


def test_a_stream_listens_at_the_port_of_its_scheme_unless_it_says_another():
    """The registered ports: RFC 7826 for rtsp and rtsps."""
    assert host_and_port("rtsp://u:p:w@cam/1") == ("cam", 554)
    assert host_and_port("rtsps://[fd00::1]/1") == ("fd00::1", 322)
    assert host_and_port("http://cam:8080/1") == ("cam", 8080)


def test_settings_that_are_printed_do_not_show_the_address():
    """It may hold a password."""
    assert "geheim" not in repr(CameraSettings(url="rtsp://u:geheim@cam/1"))


@given(st.floats(0.1, 300), st.floats(0.1, 300))
def test_a_stream_hangs_only_after_its_own_timeouts(open_s, read_s):
    """A read timeout of 2 s was seen to hold read() for 6 s: three times the timeout is no hang."""
    policy = RunnerPolicy.of(CameraSettings(url="rtsp://cam/1", open_timeout_s=open_s, read_timeout_s=read_s))
    assert policy.hang_after_s > 3 * max(open_s, read_s)


@given(st.floats(0.001, 1000))
def test_a_slow_folder_is_not_stale_between_two_pictures(rate_hz):
    """One picture every ten minutes is what was asked for."""
    policy = RunnerPolicy.of(ImagesSettings(url="parts", realtime=True, rate_hz=rate_hz))
    assert policy.stale_after_s > 1 / rate_hz
