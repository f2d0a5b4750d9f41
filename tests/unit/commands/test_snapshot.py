"""The next frame as a picture, and a folder of pictures that does not grow."""

from __future__ import annotations

import hashlib
import os
import threading

import cv2
import numpy as np
import pytest
from commanding import frame, pipeline

from agent.commands.request import Refused
from agent.commands.settings import CommandsSettings
from agent.commands.snapshot import Album, Snapshot
from agent.pipeline.picture import jpeg


def snapshot(tmp_path, pipelines, encode=jpeg, timeout_s=60.0):
    return Snapshot(pipelines, CommandsSettings(snapshot_timeout_s=timeout_s), tmp_path, encode)


def filming(runner, index=7, value=99):
    """A source that gives frames until somebody has taken one."""
    done = threading.Event()

    def film():
        while not done.wait(0.001):
            runner.intake.admit(frame(index, value))

    thread = threading.Thread(target=film, daemon=True)
    thread.start()
    return done


@pytest.mark.parametrize("asked", [{"pipeline": "p"}, {"source": "cam"}], ids=ascii)
def test_the_next_frame_becomes_a_file_that_the_answer_names(tmp_path, asked):
    """Also of a pipeline that is paused."""
    runner = pipeline("p")
    runner.intake.hold("paused")
    done = filming(runner)
    result = snapshot(tmp_path, {"q": pipeline("q", source="other"), "p": runner})(asked)
    done.set()
    assert result.file == "snapshots/p-19700101T000000.000000Z-7.jpg"
    written = (tmp_path / result.file).read_bytes()
    assert (result.size_bytes, result.sha256) == (len(written), hashlib.sha256(written).hexdigest())
    assert (result.pipeline, result.source, result.frame_index) == ("p", "cam", 7)
    assert (result.width, result.height, result.captured_at) == (16, 8, "1970-01-01T00:00:00.000000Z")
    assert abs(float(cv2.imread(str(tmp_path / result.file)).mean()) - 99) < 2


def test_without_a_frame_it_fails_in_time(tmp_path):
    """A camera that is gone does not hold the desk for good, and nothing goes on waiting."""
    runner = pipeline("p")
    with pytest.raises(Refused, match="cam gave no frame within"):
        snapshot(tmp_path, {"p": runner}, timeout_s=0.05)({"pipeline": "p"})
    assert runner.intake.admit(frame()) is not None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({}, "malformed"),
        ({"pipeline": "p", "source": "cam"}, "malformed"),
        ({"pipeline": "../p"}, "unknown_name"),
        ({"source": "../cam"}, "unknown_name"),
        ({"source": 1}, "malformed"),
        ({"pipeline": "p", "file": "/etc/passwd"}, "malformed"),
    ],
    ids=ascii,
)
def test_who_and_where_are_not_for_a_stranger_to_choose(tmp_path, arguments, reason):
    """Only what the configuration names, and only in the one folder."""
    with pytest.raises(Refused) as caught:
        snapshot(tmp_path, {"p": pipeline("p")})(arguments)
    assert caught.value.reason == reason


def test_a_full_disk_is_an_answer(tmp_path):
    """And no exception."""
    (tmp_path / "snapshots").write_text("in the way")
    runner = pipeline("p")
    done = filming(runner)
    with pytest.raises(Refused, match="could not be written"):
        snapshot(tmp_path, {"p": runner})({"pipeline": "p"})
    done.set()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def keep(album, folder, number, size=100):
    """A picture that is `number` seconds old in reverse: the higher, the younger."""
    name = f"{number}.jpg"
    album.keep(name, bytes(size))
    os.utime(folder / name, (number, number))


def test_the_oldest_pictures_go_by_number(tmp_path):
    """The newest is always there."""
    folder = tmp_path / "snapshots"
    album = Album(folder, 3, 10_000)
    for number in range(1, 6):
        keep(album, folder, number)
    assert names(folder) == ["3.jpg", "4.jpg", "5.jpg"]


def test_the_oldest_pictures_go_by_bytes(tmp_path):
    """As many as there must."""
    folder = tmp_path / "snapshots"
    album = Album(folder, 100, 1000)
    for number in range(1, 9):
        keep(album, folder, number)
    keep(album, folder, 9, size=750)
    assert names(folder) == ["7.jpg", "8.jpg", "9.jpg"]


def test_what_is_not_a_picture_of_ours_stays_and_what_was_torn_goes(tmp_path):
    """A person may have put a note there."""
    folder = tmp_path / "snapshots"
    folder.mkdir()
    (folder / "note.txt").write_text("x")
    (folder / ".1.jpg.0a1b.partial").write_text("x")
    keep(Album(folder, 1, 10_000), folder, 1)
    keep(Album(folder, 1, 10_000), folder, 2)
    assert names(folder) == ["2.jpg", "note.txt"]


def test_a_picture_that_alone_is_too_large_costs_no_other(tmp_path):
    """It is refused before anything goes."""
    folder = tmp_path / "snapshots"
    album = Album(folder, 3, 1000)
    keep(album, folder, 1)
    with pytest.raises(Refused, match="snapshot_bytes"):
        album.keep("2.jpg", bytes(1001))
    assert names(folder) == ["1.jpg"]


def test_a_gray_frame_is_a_picture_too():
    """Sources of samples and thermal cameras give such."""
    assert cv2.imdecode(np.frombuffer(jpeg(np.zeros((4, 4), np.uint8)), np.uint8), cv2.IMREAD_GRAYSCALE).shape == (4, 4)
