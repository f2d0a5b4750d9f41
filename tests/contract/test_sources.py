"""What every kind of source promises, on real files, a real folder, a real RTSP server and a real HTTP camera."""

from __future__ import annotations

import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from os import environ
from pathlib import Path
from shutil import which

import clips
import cv2
import pytest
import rtsp
from mjpeg import MjpegServer
from wishes import Wish

from agent.core.errors import SourceInvalid, SourceUnavailable
from agent.sources.camera.settings import CameraSettings
from agent.sources.catalog import make_source
from agent.sources.contract import EndOfStream, FrameUnreadable
from agent.sources.images.settings import ImagesSettings

COUNT = 24
NO_FFMPEG = None if which("ffmpeg") else "no ffmpeg (tests/install-tools installs it)"


@dataclass
class Kind:
    """A kind of source that the contract is held against."""

    settings: CameraSettings | ImagesSettings
    size: tuple[int, int]
    wish: Wish | None = None

    def source(self):
        return make_source(self.settings, self.wish)


def camera(url, **keys) -> CameraSettings:
    return CameraSettings(url=str(url), **keys)


HALF = Wish(32, 32)
PATIENT = {"open_timeout_s": 30, "read_timeout_s": 30}
"""A slow machine may take seconds to open a stream."""
WAYS = pytest.mark.parametrize(
    "decode",
    [
        "full",
        pytest.param("scaled", marks=pytest.mark.skipif(NO_FFMPEG is not None, reason=str(NO_FFMPEG))),
        "auto",
    ],
)
FINITE = ["mp4", "realtime-mp4", "gif", "avi", "folder"]
FINITE += ["scaled-mp4", "scaled-realtime-mp4", "scaled-gif", "scaled-avi", "scaled-folder", "auto-mp4", "auto-folder"]
ENDLESS = ["looped-picture", "rtsp-tcp", "rtsp-udp", "http"]
ENDLESS += ["scaled-rtsp-tcp", "scaled-rtsp-udp", "scaled-http", "auto-rtsp-tcp"]


@pytest.fixture(params=[*FINITE, *ENDLESS])
def kind(request, tmp_path):
    """One of every kind that can be had without hardware; of what is scaled, half the width and height is needed."""
    decode, what = "full", request.param
    for way in ("scaled", "auto"):
        if what.startswith(f"{way}-"):
            decode, what = way, what.removeprefix(f"{way}-")
    if decode == "scaled" and NO_FFMPEG:
        pytest.skip(NO_FFMPEG)
    share = 2 if decode == "scaled" else 1
    size = (clips.HEIGHT // share, clips.WIDTH // share)
    wish = None if decode == "full" else Wish(32, 32)
    match what:
        case "mp4":
            yield Kind(camera(clips.write_video(tmp_path / "a.mp4", COUNT), decode=decode), size, wish)
        case "realtime-mp4":
            path = clips.write_video(tmp_path / "a.mp4", COUNT)
            yield Kind(camera(path, realtime=True, decode=decode), size, wish)
        case "gif" | "avi":
            if NO_FFMPEG:
                pytest.skip(NO_FFMPEG)
            yield Kind(camera(clips.write_with_ffmpeg(tmp_path / f"a.{what}", COUNT), decode=decode), size, wish)
        case "folder":
            folder = clips.write_pictures(tmp_path / "parts", COUNT, "png" if decode == "full" else "jpg")
            yield Kind(ImagesSettings(url=str(folder), decode=decode), size, wish)
        case "looped-picture":
            folder = clips.write_pictures(tmp_path, 1)
            yield Kind(ImagesSettings(url=str(folder / "part-000.png"), loop=True), size)
        case "rtsp-tcp" | "rtsp-udp":
            if reason := rtsp.missing():
                pytest.skip(reason)
            transport = what.removeprefix("rtsp-")
            with rtsp.RtspServer(width=160, height=120, transport=transport) as server:
                yield Kind(
                    camera(server.url, transport=transport, decode=decode, **PATIENT),
                    (120 // share, 160 // share),
                    wish and Wish(60, 60),
                )
        case "http":
            with MjpegServer(width=160, height=120) as server:
                yield Kind(
                    camera(server.url, decode=decode, **PATIENT), (120 // share, 160 // share), wish and Wish(60, 60)
                )


@pytest.fixture
def source(kind):
    """Not open yet; closed in the end."""
    source = kind.source()
    yield source
    source.close()


def rest_of(source, first=0):
    """All frames up to the end."""
    frames = []
    with suppress(EndOfStream):
        while True:
            frames.append(source.read(first + len(frames)))
    return frames


def test_a_frame_is_a_bgr_picture_with_its_number_and_times(source, kind):
    """uint8, the number that was asked for, and a capture time that lies between the call and the return."""
    source.open()
    for index in (7, 8, 9):
        before_ns, before_perf_ns = time.time_ns(), time.perf_counter_ns()
        frame = source.read(index)
        assert (frame.pixels.dtype, frame.pixels.shape) == ("uint8", (*kind.size, 3))
        assert frame.index == index
        assert before_ns <= frame.captured_ns <= time.time_ns()
        assert before_perf_ns <= frame.handed_over_ns <= time.perf_counter_ns()
    assert source.captured_at_from == "arrival"


def test_pixels_that_were_handed_over_do_not_change(source):
    """A pipeline may still look at a frame while the next ones are read."""
    source.open()
    frames = [source.read(index) for index in range(5)]
    before = [frame.pixels.tobytes() for frame in frames]
    for index in range(5, 10):
        source.read(index)
    assert [frame.pixels.tobytes() for frame in frames] == before


def test_a_source_may_be_closed_twice_and_without_having_been_opened(source, kind):
    """Whoever cleans up need not know how far it came."""
    source.close()
    other = kind.source()
    other.open()
    other.close()
    other.close()


def test_only_what_plays_in_real_time_is_paced_by_the_runner(source, kind):
    """The period is the file's own; live sources have a pace of their own."""
    source.open()
    expected = pytest.approx(1 / 25) if getattr(kind.settings, "realtime", False) else None
    assert source.period_s == expected


@pytest.mark.parametrize("kind", FINITE, indirect=True)
def test_a_finite_source_gives_every_frame_once_and_in_order_then_the_end(source):
    """The first frame and the last one too; and the end stays the end."""
    source.open()
    frames = rest_of(source)
    assert [clips.number_of(frame.pixels) for frame in frames] == list(range(COUNT))
    with pytest.raises(EndOfStream):
        source.read(COUNT)


@WAYS
@pytest.mark.parametrize("folder", [True, False])
def test_a_loop_goes_round_and_the_numbers_go_on(tmp_path, folder, decode):
    """Three rounds of the same frames."""
    if folder:
        settings = ImagesSettings(url=str(clips.write_pictures(tmp_path / "parts", 4, "jpg")), loop=True, decode=decode)
    else:
        settings = camera(clips.write_video(tmp_path / "a.mp4", 4), loop=True, decode=decode)
    source = make_source(settings, HALF)
    source.open()
    frames = [source.read(index) for index in range(12)]
    assert [clips.number_of(frame.pixels) for frame in frames] == [0, 1, 2, 3] * 3
    assert [frame.index for frame in frames] == list(range(12))
    source.close()


def test_pictures_come_in_the_order_of_their_names_and_say_them(tmp_path):
    """Whatever the order they were written in; what is no picture, and folders, are left alone; links are followed."""
    folder = tmp_path / "parts"
    folder.mkdir()
    for name, number in (("b.png", 2), ("a.jpg", 1), ("c.bmp", 3), ("B.png", 0)):
        cv2.imwrite(str(folder / name), clips.picture(number))
    cv2.imwrite(str(tmp_path / "elsewhere.png"), clips.picture(4))
    (folder / "d.png").symlink_to(tmp_path / "elsewhere.png")
    (folder / "notes.txt").write_text("not a picture")
    (folder / ".hidden.png").write_text("not taken")
    clips.write_pictures(folder / "more.png", 1)
    source = make_source(ImagesSettings(url=str(folder)))
    source.open()
    frames = rest_of(source)
    assert [frame.file for frame in frames] == ["B.png", "a.jpg", "b.png", "c.bmp", "d.png"]
    assert [clips.number_of(frame.pixels) for frame in frames] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("extension", ["png", "jpg", "jpeg", "bmp", "tif", "tiff", "webp", "pgm", "ppm"])
def test_every_format_is_read_as_bgr(tmp_path, extension):
    """A gray one (pgm) too."""
    path = tmp_path / f"part.{extension}"
    picture = clips.picture(9)
    assert cv2.imwrite(str(path), picture[:, :, 0] if extension == "pgm" else picture)
    source = make_source(ImagesSettings(url=str(path)))
    source.open()
    (frame,) = rest_of(source)
    assert (frame.pixels.shape, clips.number_of(frame.pixels)) == (picture.shape, 9)


@pytest.mark.parametrize("extension", ["png", "jpg", "bmp", "webp", "tif"])
def test_a_picture_that_was_copied_halfway_is_unreadable_and_the_next_is_read(tmp_path, extension):
    """In no format is a half of a part judged as a part."""
    folder = clips.write_pictures(tmp_path / "parts", 3, extension)
    middle = folder / f"part-001.{extension}"
    middle.write_bytes(middle.read_bytes()[: middle.stat().st_size * 3 // 4])
    source = make_source(ImagesSettings(url=str(folder)))
    source.open()
    assert clips.number_of(source.read(0).pixels) == 0
    with pytest.raises(FrameUnreadable, match=middle.name):
        source.read(1)
    assert clips.number_of(source.read(1).pixels) == 2


@pytest.mark.parametrize("what", ["empty", "text", "dangling"])
def test_a_file_that_only_looks_like_a_picture_is_unreadable(tmp_path, what):
    """By its name it is a part, so it must not be passed over in silence."""
    folder = clips.write_pictures(tmp_path / "parts", 1)
    bad = folder / "a.png"
    match what:
        case "empty":
            bad.touch()
        case "text":
            bad.write_text("not a picture")
        case "dangling":
            bad.symlink_to(tmp_path / "nowhere.png")
    source = make_source(ImagesSettings(url=str(folder)))
    source.open()
    with pytest.raises(FrameUnreadable, match=r"a\.png"):
        source.read(0)
    assert source.read(0).file == "part-000.png"


@pytest.mark.parametrize("loop", [True, False])
def test_a_folder_of_which_nothing_can_be_read_is_invalid(tmp_path, loop):
    """After one round, so that a loop does not spin."""
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_text("not a picture")
    source = make_source(ImagesSettings(url=str(tmp_path), loop=loop))
    source.open()
    for _ in range(2):
        with pytest.raises(FrameUnreadable):
            source.read(0)
    with pytest.raises(SourceInvalid, match="not a single picture"):
        source.read(0)


def test_a_looped_folder_sees_what_was_added(tmp_path):
    """At the beginning of each round."""
    folder = clips.write_pictures(tmp_path / "parts", 2)
    source = make_source(ImagesSettings(url=str(folder), loop=True))
    source.open()
    first = [source.read(index).file for index in range(2)]
    cv2.imwrite(str(folder / "part-new.png"), clips.picture(2))
    assert [source.read(index).file for index in range(2, 5)] == [*first, "part-new.png"]


def missing_things(tmp_path):
    """Addresses of what is not there."""
    return {
        "video": camera(tmp_path / "no.mp4"),
        "folder": ImagesSettings(url=str(tmp_path / "no")),
        "device": camera("/dev/video250"),
        "index": camera("251"),
        "rtsp": camera("rtsp://user:geheim@127.0.0.1:1/cam"),
        "http": camera("http://user:geheim@127.0.0.1:1/cam"),
        "name": camera("rtsp://user:geheim@camera.invalid/cam"),
        "scaled-video": camera(tmp_path / "no.mp4", decode="scaled"),
        "scaled-folder": ImagesSettings(url=str(tmp_path / "no"), decode="scaled"),
        "scaled-rtsp": camera("rtsp://127.0.0.1:1/cam", decode="scaled"),
        "scaled-http": camera("http://127.0.0.1:1/cam", decode="scaled"),
        "scaled-name": camera("rtsp://camera.invalid/cam", decode="scaled"),
        "auto-rtsp": camera("rtsp://user:geheim@127.0.0.1:1/cam", decode="auto"),
    }


@pytest.mark.parametrize(
    "what",
    [
        *("video", "folder", "device", "index", "rtsp", "http", "name"),
        *("scaled-video", "scaled-folder", "scaled-rtsp", "scaled-http", "scaled-name", "auto-rtsp"),
    ],
)
def test_what_is_not_there_is_unavailable_and_says_what_to_do(tmp_path, what):
    """It may come later, so the runner tries again; no password is told."""
    source = make_source(missing_things(tmp_path)[what], HALF)
    with pytest.raises(SourceUnavailable) as caught:
        source.open()
    assert caught.value.hint
    assert "geheim" not in str(caught.value) + caught.value.hint
    source.close()


def test_a_device_that_is_no_camera_is_unavailable():
    """The hint says how to look."""
    source = make_source(camera("/dev/null"))
    with pytest.raises(SourceUnavailable, match="is no camera") as caught:
        source.open()
    assert "/dev/null" in caught.value.hint


@WAYS
@pytest.mark.parametrize("name", ["text.mp4", "text.txt", "text.nfo", "empty.mp4"])
def test_a_file_that_is_no_video_is_invalid(tmp_path, name, decode):
    """FFmpeg would draw the letters of a .txt and give pictures of them."""
    path = tmp_path / name
    path.write_text("" if name.startswith("empty") else "this is not a video\n" * 100)
    source = make_source(camera(path, decode=decode), HALF)
    with pytest.raises(SourceInvalid, match=name):
        source.open()
    source.close()


@WAYS
def test_a_folder_where_a_video_was_expected_is_invalid_and_the_hint_names_the_other_type(tmp_path, decode):
    """A common slip."""
    with pytest.raises(SourceInvalid) as caught:
        make_source(camera(tmp_path, decode=decode), HALF).open()
    assert '"images"' in caught.value.hint


def test_a_folder_without_a_picture_is_invalid(tmp_path):
    """The hint names the formats."""
    (tmp_path / "notes.txt").write_text("not a picture")
    with pytest.raises(SourceInvalid) as caught:
        make_source(ImagesSettings(url=str(tmp_path))).open()
    assert "png" in caught.value.hint


@pytest.mark.skipif(NO_FFMPEG is not None, reason=str(NO_FFMPEG))
@WAYS
@pytest.mark.parametrize("loop", [False, True])
def test_what_can_be_decoded_of_a_cut_off_video_is_given_and_that_it_is_cut_off_is_told(tmp_path, loop, decode):
    """A recorder that lost its power leaves such files: the source ends by a fault; a looped one goes on and says so."""
    path = clips.write_with_ffmpeg(tmp_path / "a.avi", COUNT, "-c:v", "mjpeg")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    source = make_source(camera(path, loop=loop, decode=decode), HALF)
    source.open()
    numbers = []
    with pytest.raises(FrameUnreadable if loop else SourceInvalid, match=rf"\d of {COUNT} frames"):
        numbers.extend(clips.number_of(source.read(index).pixels) for index in range(COUNT))
    assert 0 < len(numbers) < COUNT
    assert numbers == list(range(len(numbers)))
    if loop:
        assert clips.number_of(source.read(0).pixels) == 0
    source.close()


@WAYS
@pytest.mark.parametrize("loop", [True, False])
def test_a_video_without_a_single_frame_is_invalid(tmp_path, loop, decode):
    """A header and nothing behind it; a loop does not spin."""
    path = clips.write_video(tmp_path / "a.mp4", 1)
    data = path.read_bytes()
    start = data.index(b"mdat") + 4
    end = data.index(b"moov") - 4
    path.write_bytes(data[:start] + bytes(end - start) + data[end:])
    source = make_source(camera(path, loop=loop, decode=decode), HALF)
    with pytest.raises(SourceInvalid, match=r"a\.mp4"):  # noqa: PT012 - some versions of FFmpeg notice at open, some at read
        source.open()
        source.read(0)
    source.close()


def test_a_file_address_with_percent_signs_is_read(tmp_path):
    """file:// as a browser writes it."""
    path = clips.write_video(tmp_path / "part a.mp4", 3)
    source = make_source(CameraSettings(url=path.as_uri()))
    source.open()
    assert len(rest_of(source)) == 3


@pytest.mark.parametrize("decode", ["full", "scaled"])
@pytest.mark.parametrize("name", ["bolt-multi-size-detection.gif", "worker-zone-detection.gif", "bottle-detection.mp4"])
def test_real_clips_give_as_many_frames_as_ffprobe_counts(name, decode):
    """No frame of a GIF or an MP4 is lost at its ends."""
    if "LINESIDE_TEST_ASSETS" not in environ:
        pytest.skip("LINESIDE_TEST_ASSETS is not set")
    if NO_FFMPEG:
        pytest.skip(NO_FFMPEG)
    path = Path(environ["LINESIDE_TEST_ASSETS"]) / "videos" / name
    command = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-count_packets", "-show_entries"]
    counted = subprocess.run(
        [*command, "stream=nb_read_packets", "-of", "csv=p=0", path],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    source = make_source(camera(path, decode=decode), Wish(224, 224))
    source.open()
    assert len(rest_of(source)) == int(counted.stdout.strip().rstrip(","))
