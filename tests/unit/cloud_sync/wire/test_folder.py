"""A stick that somebody else filled."""

from __future__ import annotations

import os

import pytest

from cloud_sync.errors import Unreachable, Untrusted
from cloud_sync.wire import FolderWire


@pytest.mark.parametrize("link", ["metadata", "metadata/secret.json"])
def test_a_link_is_not_followed(tmp_path, link):
    """Neither a file nor a folder on the way."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.json").write_bytes(b"secret")
    stick = tmp_path / "stick"
    (stick / "metadata").mkdir(parents=True)
    if link == "metadata":
        (stick / "metadata").rmdir()
        (stick / link).symlink_to(tmp_path / "outside")
    else:
        (stick / link).symlink_to(tmp_path / "outside" / "secret.json")
    with pytest.raises(Untrusted, match="is a link"):
        FolderWire(stick).read("metadata/secret.json", 100)


def test_a_pipe_is_not_waited_for(tmp_path):
    """Opening one would hang until somebody writes."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Untrusted, match="is no file"):
        FolderWire(tmp_path).read("pipe", 100)


def test_a_folder_where_a_file_should_be_cannot_be_read(tmp_path):
    """Nor a file where a folder should be."""
    (tmp_path / "metadata").mkdir()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Untrusted, match="is no file"):
        FolderWire(tmp_path).read("metadata", 100)
    with pytest.raises(Unreachable):
        FolderWire(tmp_path).read("file/below", 100)


def test_a_stick_that_takes_no_colon_has_it_in_hexadecimal(tmp_path):
    """FAT and exFAT have no colon in names, and subjects of assignments have one; the plain name goes first."""
    (tmp_path / "assignments").mkdir()
    (tmp_path / "assignments" / "device%3Apress-07.json").write_bytes(b"from a stick")
    wire = FolderWire(tmp_path)
    assert wire.read("assignments/device:press-07.json", 100) == b"from a stick"
    (tmp_path / "assignments" / "device:press-07.json").write_bytes(b"plain")
    assert wire.read("assignments/device:press-07.json", 100) == b"plain"
