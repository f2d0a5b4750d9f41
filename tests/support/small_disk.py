"""A small disk that can be full, or become read-only: mounted for one test, which needs root."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a disk of its own for the test")

_CHUNK = bytes(64 << 10)


def _run(*command: str | Path) -> None:
    done = subprocess.run(list(map(str, command)), check=False, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise OSError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")


class SmallDisk:
    """`with SmallDisk(folder, 1 << 20):` mounts a tmpfs there; with `fails=True` an ext4 in a file, which can fail under open files."""

    def __init__(self, folder: Path, size_bytes: int, *, fails: bool = False) -> None:
        self.folder = folder
        self._size_bytes = size_bytes
        self._image = folder.with_name(f"{folder.name}.img") if fails else None

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self._mount()
        except (OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"no disk of its own for this test: {error}")
        return self

    def _mount(self) -> None:
        if self._image is None:
            _run("mount", "-t", "tmpfs", "-o", f"size={self._size_bytes}", "none", self.folder)
            return
        with self._image.open("wb") as file:
            file.truncate(self._size_bytes)
        _run("mkfs.ext4", "-q", "-F", "-m", "0", self._image)
        _run("mount", "-o", "loop,errors=remount-ro", self._image, self.folder)

    def __exit__(self, *_: object) -> None:
        _run("umount", "--lazy", self.folder)

    @property
    def _filler(self) -> Path:
        return self.folder / "filler"

    def fill(self, *, leave_bytes: int = 0) -> None:
        """Take what is free, but for a little."""
        with self._filler.open("ab", buffering=0) as file:
            for chunk in (_CHUNK, _CHUNK[:4096], _CHUNK[:1]):
                with contextlib.suppress(OSError):  # full
                    while self.free_bytes - len(chunk) >= leave_bytes:
                        file.write(chunk)

    @property
    def free_bytes(self) -> int:
        return shutil.disk_usage(self.folder).free

    def empty(self) -> None:
        """Give back what was taken."""
        self._filler.unlink()

    def read_only(self) -> None:
        """Nobody has a file open for writing there."""
        _run("mount", "-o", "remount,ro", self.folder)

    def writable(self) -> None:
        """Again."""
        _run("mount", "-o", "remount,rw", self.folder)

    def fail(self) -> None:
        """The file system finds an error of its own and becomes read-only under whoever writes, as that of a dying card does."""
        assert self._image is not None
        device = next(
            line.split()[0] for line in Path("/proc/mounts").read_text().splitlines() if str(self.folder) in line
        )
        Path(f"/sys/fs/ext4/{Path(device).name}/trigger_fs_error").write_text("1")

    def mend(self) -> None:
        """What a restart of the device does: check it and mount it anew. Nobody has a file open there."""
        assert self._image is not None
        _run("umount", self.folder)
        subprocess.run(["e2fsck", "-p", str(self._image)], check=False, capture_output=True, timeout=60)
        _run("mount", "-o", "loop,errors=remount-ro", self._image, self.folder)
