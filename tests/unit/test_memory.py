"""Pages are given back, and nothing that lay in them is lost."""

from __future__ import annotations

import mmap
import re
import subprocess
import sys
from pathlib import Path

from command import environment

from agent.memory import forget_file


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


def test_forgotten_code_runs_as_before():
    """It comes back when it is called; what is not called stays away."""
    script = """
import re
import cv2
import numpy as np
from agent.memory import forget_code

def code_kb():
    maps = re.findall(r"^\\S+ r-xp .*/.*\\n(?:\\S+:.*\\n)*?Rss: +(\\d+) kB", open("/proc/self/smaps").read(), re.MULTILINE)
    return sum(map(int, maps))

picture = np.arange(48 * 64 * 3, dtype=np.uint8).reshape(48, 64, 3)
expected = cv2.resize(picture, (8, 8)).tolist()
before = code_kb()
forget_code()
assert code_kb() < before, (code_kb(), before)
assert cv2.resize(picture, (8, 8)).tolist() == expected
import sqlite3, decimal
assert sqlite3.connect(":memory:").execute("select 1").fetchone() == (1,)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, env=environment(), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
