"""A file is written whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_sync.atomic import write_atomically


@settings(deadline=None)
@given(old=st.none() | st.binary(), new=st.binary())
def test_the_file_holds_what_was_written(tmp_path_factory, old, new):
    """New or replaced, and nothing lies beside it."""
    path = tmp_path_factory.mktemp("atomic") / "file"
    if old is not None:
        path.write_bytes(old)
    write_atomically(path, new)
    assert path.read_bytes() == new
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("old", [None, b"old"], ids=["new", "replaced"])
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_write_that_fails_midway_leaves_the_old_content_and_no_rest(tmp_path, monkeypatch, step, old):
    """A full disk, or one that breaks at the rename."""
    path = tmp_path / "file"
    if old is not None:
        path.write_bytes(old)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(*((os, "fsync", full) if step == "fsync" else (Path, "replace", full)))
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new")
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == ({} if old is None else {"file": old})


def test_an_interruption_leaves_no_rest_either(tmp_path, monkeypatch):
    """Ctrl-C between writing and renaming."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "file", b"new")
    assert list(tmp_path.iterdir()) == []


def test_the_content_is_on_the_disk_before_the_name_is_and_the_name_before_the_end(tmp_path, monkeypatch):
    """fsync of the file, rename, fsync of the folder: the order that survives a loss of power."""
    steps = []
    fsync, replace = os.fsync, Path.replace

    def recording_fsync(fd: int) -> None:
        steps.append("fsync folder" if Path(f"/proc/self/fd/{fd}").resolve() == tmp_path.resolve() else "fsync file")
        fsync(fd)

    def recording_replace(path: Path, target: Path) -> Path:
        steps.append("rename")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", recording_fsync)
    monkeypatch.setattr(Path, "replace", recording_replace)
    write_atomically(tmp_path / "file", b"new")
    assert steps == ["fsync file", "rename", "fsync folder"]


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    """Nobody's folder is made by accident."""
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "none" / "file", b"new")
