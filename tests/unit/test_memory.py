"""Pages are given back, and nothing that lay in them is lost."""

from __future__ import annotations

import ctypes
import mmap
import re
from pathlib import Path

import pytest

from agent.memory import forget_file, forget_free


def resident_kb(path: Path) -> int:
    """Of the mappings of one file in this process."""
    mapping = re.compile(rf"^[0-9a-f]+-.*{re.escape(str(path))}\n(?:\S+:.*\n)*?Rss: +(\d+) kB", re.MULTILINE)
    return sum(int(found[1]) for found in mapping.finditer(Path("/proc/self/smaps").read_text()))


def test_a_file_that_is_mapped_is_forgotten_and_can_still_be_read(tmp_path):
    """Also one that is called by a link."""
    path = tmp_path / "model.tflite"
    content = bytes(range(256)) * 4096
    path.write_bytes(content)
    (tmp_path / "link.tflite").symlink_to(path)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert mapped[:] == content
        before = resident_kb(path)
        forget_file(tmp_path / "link.tflite")
        assert resident_kb(path) < before == len(content) // 1024
        assert mapped[:] == content


def test_what_can_be_written_is_never_forgotten(tmp_path):
    """Private changes live nowhere else."""
    path = tmp_path / "model.tflite"
    path.write_bytes(b"file" * 4096)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as mapped:
        mapped[:4] = b"ours"
        forget_file(path)
        assert mapped[:8] == b"oursfile"


def test_a_file_that_is_not_mapped_is_no_fault(tmp_path):
    """Nor one that is not there."""
    forget_file(tmp_path / "nothing.tflite")


def resident_pages() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1])


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="this C library has no malloc_trim")
def test_the_free_parts_of_the_heap_are_given_back():
    """Also those between parts that are still in use, which the C library keeps by itself."""
    held = [bytes(2000) for _ in range(20_000)]
    held = held[::100]
    before = resident_pages()
    forget_free()
    assert resident_pages() < before
