"""Bringing files to a registry over a line that breaks."""

from __future__ import annotations

import hashlib

import pytest

from cloud_sync import manifest
from cloud_sync.errors import BlobDiffers, MetadataInvalid, Refused, ServerBusy, Unreachable
from cloud_sync.publishing.uploading import Uploads

CONTENT = bytes(range(256)) * 20_000


class FakeDesk:
    """A registry that has some files, and fails as it is told."""

    def __init__(self, *, fails=()):
        self.arrived = {}
        self.complete = set()
        self.fails = list(fails)

    def ask(self, method, path, body=None, query=None):
        return {
            "missing": {hex_: len(self.arrived.get(hex_, b"")) for hex_ in body["sha256"] if hex_ not in self.complete}
        }

    def upload(self, sha256, offset, length, piece):
        fault = self.fails.pop(0) if self.fails else None
        if fault is not None:
            raise fault
        there = self.arrived.get(sha256, b"")
        assert offset == len(there)
        self.arrived[sha256] = there + piece
        if len(self.arrived[sha256]) == length:
            self.complete.add(sha256)
        return {"offset": len(self.arrived[sha256]), "complete": sha256 in self.complete}


@pytest.fixture
def files(tmp_path):
    (tmp_path / "model.tflite").write_bytes(CONTENT)
    (tmp_path / "copy.tflite").write_bytes(CONTENT)
    (tmp_path / "empty.txt").write_bytes(b"")
    return manifest.describe(tmp_path, "parts", "1").files


def uploads(desk, folder, waits=None, told=None):
    progress = (lambda *_: None) if told is None else (lambda *pair: told.append(pair))
    return Uploads(desk, folder, progress, wait=(waits if waits is not None else []).append)


def test_each_content_is_sent_once_and_an_empty_file_too(files, tmp_path):
    """Progress ends at all there is."""
    desk, told = FakeDesk(), []
    done = uploads(desk, tmp_path, told=told).run(files)
    assert (done.files, done.sent_bytes) == (2, len(CONTENT))
    assert desk.arrived[hashlib.sha256(CONTENT).hexdigest()] == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert told == sorted(told)


def test_a_registry_that_is_busy_is_left_in_peace_for_as_long_as_it_asks(files, tmp_path):
    """But never for ever."""
    waits = []
    uploads(FakeDesk(fails=[_busy(9), _busy(99_999)]), tmp_path, waits).run(files)
    assert waits == [9, 60]


def test_a_line_that_brings_nothing_is_given_up(files, tmp_path):
    """After five attempts that each wait longer."""
    waits = []
    with pytest.raises(Unreachable):
        uploads(FakeDesk(fails=[Unreachable("cut")] * 99), tmp_path, waits).run(files)
    assert len(waits) == 4
    assert waits[0] < waits[-1] < 10


def test_what_is_refused_is_not_tried_again(files, tmp_path):
    """It would be refused again."""
    waits = []
    with pytest.raises(Refused):
        uploads(FakeDesk(fails=[Refused("too large")]), tmp_path, waits).run(files)
    assert waits == []


def test_a_file_that_changed_since_it_was_packed_is_not_sent(files, tmp_path):
    """Whoever edits a bundle packs it again."""
    (tmp_path / "model.tflite").write_bytes(CONTENT[::-1])
    (tmp_path / "copy.tflite").write_bytes(CONTENT[::-1])
    with pytest.raises(BlobDiffers):
        uploads(FakeDesk(), tmp_path).run(files)


def test_a_registry_that_never_has_enough_is_no_endless_loop(files, tmp_path):
    """It has all bytes and says that it has not."""
    desk = FakeDesk()
    desk.upload = lambda sha256, offset, length, piece: {"offset": length, "complete": False}
    with pytest.raises(MetadataInvalid):
        uploads(desk, tmp_path).run(files)


def _busy(seconds):
    error = ServerBusy("busy")
    error.retry_after_s = seconds
    return error
