"""One agent per state directory."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys

import pytest
from deadlines import LONG_S

from agent.core.errors import AlreadyRunning, BadData
from agent.lock import StateLock, holder

HOLDER = """
import sys
from pathlib import Path
from agent.lock import StateLock
lock = StateLock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_start_is_refused_and_names_the_pid(tmp_path):
    """Exit code 1, with the next step."""
    with StateLock(tmp_path), pytest.raises(AlreadyRunning, match=rf"pid {os.getpid()} already runs on") as caught:
        StateLock(tmp_path).acquire()
    assert str(tmp_path) in str(caught.value)
    assert caught.value.exit_code == 1
    assert "device.state_dir" in caught.value.hint


def test_a_refused_start_leaves_the_holder_its_lock_and_its_pid(tmp_path):
    """A third start learns the same."""
    with StateLock(tmp_path):
        for _ in range(2):
            with pytest.raises(AlreadyRunning, match=str(os.getpid())):
                StateLock(tmp_path).acquire()


def test_the_lock_is_free_after_its_release(tmp_path):
    """Releasing twice does no harm."""
    first = StateLock(tmp_path)
    first.acquire()
    first.release()
    first.release()
    with StateLock(tmp_path):
        pass


def test_the_lock_is_free_after_its_holder_was_killed(tmp_path):
    """The kernel lets it go: no file has to be removed by hand."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(AlreadyRunning, match=str(holder.pid)):
            StateLock(tmp_path).acquire()
    finally:
        holder.kill()
        holder.communicate(timeout=LONG_S)
    with StateLock(tmp_path):
        assert (tmp_path / "agent.lock").read_text() == f"{os.getpid()}\n"


def test_the_state_directory_is_made(tmp_path):
    """With its parents; the shorter pid of a later holder leaves nothing of a longer one."""
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    (folder / "agent.lock").write_text("99999999999\n")
    with StateLock(folder):
        assert re.fullmatch(r"\d+\n", (folder / "agent.lock").read_text())
        assert int((folder / "agent.lock").read_text()) == os.getpid()
    with StateLock(tmp_path / "new" / "state"):
        assert (tmp_path / "new" / "state").is_dir()


@pytest.mark.parametrize("where", ["file", "file/below"])
def test_a_state_directory_that_cannot_be_is_an_error_with_a_hint(tmp_path, where):
    """A file stands in its place, or in its parent's."""
    (tmp_path / "file").write_text("")
    with pytest.raises(BadData, match="cannot be used") as caught:
        StateLock(tmp_path / where).acquire()
    assert "device.state_dir" in caught.value.hint


def test_who_holds_the_lock_can_be_asked_without_taking_it(tmp_path):
    """Nobody, this process, and nobody again; nothing is made by asking."""
    assert holder(tmp_path / "state") is None
    assert not (tmp_path / "state").exists()
    with StateLock(tmp_path / "state"):
        assert holder(tmp_path / "state") == os.getpid()
    assert holder(tmp_path / "state") is None


@pytest.mark.parametrize("fault", [errno.EROFS, errno.ENOSPC, errno.EIO])
def test_a_disk_that_takes_no_file_is_no_hindrance(tmp_path, monkeypatch, fault):
    """The folder itself is locked, and the fault can be told."""
    real = os.open

    def sick(path, flags, *mode):
        if flags & os.O_CREAT:
            raise OSError(fault, os.strerror(fault))
        return real(path, flags, *mode)

    monkeypatch.setattr(os, "open", sick)
    with StateLock(tmp_path) as lock:
        assert os.strerror(fault) in lock.fault
        assert holder(tmp_path) == os.getpid()
        monkeypatch.undo()
        with pytest.raises(AlreadyRunning, match=str(os.getpid())):
            StateLock(tmp_path).acquire()
    with StateLock(tmp_path) as lock:
        assert lock.fault is None


def test_a_folder_that_this_user_may_not_write_is_refused(tmp_path, monkeypatch):
    """That is a fault of the set-up, which does not pass."""

    def forbidden(*_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(StateLock, "_name", forbidden)
    with pytest.raises(BadData, match="Permission denied"):
        StateLock(tmp_path).acquire()
    monkeypatch.undo()
    with StateLock(tmp_path):
        pass
