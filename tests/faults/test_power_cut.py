"""A power cut at any moment: what was accepted is there. First the method itself is shown to find who does not care."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import spool_driver
from power_cut import Disk
from spool_judge import Said, disorder, lost, open_and_drain
from strace_log import needs_strace, recorded

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [needs_strace, pytest.mark.timeout(600)]

DRIVER = [sys.executable, spool_driver.__file__]
_BEGIN = "import os, sys; from pathlib import Path; here = Path(sys.argv[1]); data = b'new' * 1000\n"
CARELESS = {
    "no fsync": "(here / 'file').write_bytes(data); os.write(1, b'done')",
    "fsync of the file, not of its folder": """
with open(here / 'file', 'wb') as file: file.write(data); file.flush(); os.fsync(file.fileno())
os.write(1, b'done')""",
    "renamed without an fsync of the folder": """
with open(here / 'file.new', 'wb') as file: file.write(data); file.flush(); os.fsync(file.fileno())
os.rename(here / 'file.new', here / 'file'); os.write(1, b'done')""",
    "renamed without an fsync of the file": """
(here / 'file.new').write_bytes(data); os.rename(here / 'file.new', here / 'file')
fd = os.open(here, os.O_RDONLY); os.fsync(fd); os.write(1, b'done')""",
    "fsync before the last write": """
with open(here / 'file', 'wb', buffering=0) as file: file.write(data[:-1]); os.fsync(file.fileno()); file.write(data[-1:])
fd = os.open(here, os.O_RDONLY); os.fsync(fd); os.write(1, b'done')""",
}
CAREFUL = """
with open(here / 'file.new', 'wb') as file: file.write(data); file.flush(); os.fsync(file.fileno())
os.rename(here / 'file.new', here / 'file')
fd = os.open(here, os.O_RDONLY); os.fsync(fd); os.write(1, b'done')"""


def record(folder: Path, command: list[str], *options: str) -> Disk:
    """Run a command on `folder/state` to its end, and have its disk to cut the power of."""
    (folder / "state").mkdir()
    log = folder / "log"
    done = subprocess.run(
        recorded(log, [*command, str(folder / "state")], *options),
        check=False,
        capture_output=True,
        timeout=120,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    with log.open() as lines:
        return Disk(folder / "state", lines, ignored=("-shm",))


def cuts(disk: Disk, folder: Path, dice: random.Random, moments: list[int]):
    """Cut the power at each moment; what is left is found in the folder that is given."""
    for number, moment in enumerate(sorted(moments)):
        disk.go_to(moment)
        left = folder / f"cut-{number}"
        left.mkdir()
        disk.cut(left, dice)
        yield moment, left


def states_when_done(folder: Path, program: str) -> set[bytes | None]:
    """All contents of `file` that were found after the program had said that it is done; None for no file."""
    disk = record(folder, [sys.executable, "-c", _BEGIN + program])
    found = [left / "file" for _, left in cuts(disk, folder, random.Random(1), [disk.moments] * 50)]
    assert disk.said == b"done"
    return {path.read_bytes() if path.exists() else None for path in found}


@pytest.mark.parametrize("how", CARELESS)
def test_the_method_finds_who_does_not_care(tmp_path, how):
    """Each of these programs says that it is done, and may lose what it did."""
    found = states_when_done(tmp_path, CARELESS[how])
    assert b"new" * 1000 in found, "what is lucky is found too"
    assert len(found) > 1


def test_the_method_accuses_nobody_who_cares(tmp_path):
    """File, rename, folder: always there, and whole."""
    assert states_when_done(tmp_path, CAREFUL) == {b"new" * 1000}


def test_a_rename_is_atomic_and_a_torn_write_is_found(tmp_path):
    """At no moment is there half of a file that was renamed; without a rename there is."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for folder, program, wanted in (("a", CAREFUL, False), ("b", CARELESS["no fsync"], True)):
        disk = record(tmp_path / folder, [sys.executable, "-c", _BEGIN + program])
        moments = [moment for moment in range(disk.moments + 1) for _ in range(30)]
        found = [left / "file" for _, left in cuts(disk, tmp_path / folder, random.Random(1), moments)]
        contents = {path.read_bytes() for path in found if path.exists()}
        assert bool(contents - {b"", b"new" * 1000}) is wanted


def test_a_failed_fsync_is_not_made_good_by_a_later_one(tmp_path):
    """The kernel may have thrown away what it could not write."""
    program = """
with open(here / 'file', 'wb', buffering=0) as file:
    file.write(data)
    try: os.fsync(file.fileno())
    except OSError: os.fsync(file.fileno())
fd = os.open(here, os.O_RDONLY); os.fsync(fd); os.write(1, b'done')"""
    disk = record(tmp_path, [sys.executable, "-c", _BEGIN + program], "-e", "inject=fsync:error=EIO:when=1")
    left = {(left / "file").read_bytes() for _, left in cuts(disk, tmp_path, random.Random(1), [disk.moments] * 20)}
    assert len(left) > 1


def judge_cuts(folder: Path, disk: Disk, chance, count: int) -> tuple[int, int, int]:
    """Cut the power at random moments and open what is left; events that were owed, lost, and out of order."""
    owed = missing = disordered = 0
    moments = [chance.random.randint(0, disk.moments) for _ in range(count)]
    for moment, left in cuts(disk, folder, chance.random, moments):
        said = Said.of(disk.said)
        found = open_and_drain(left)
        assert (found.damaged, found.told) == (0, []), f"after call {moment}"
        owed += len(said.accepted - said.confirmed)
        missing += len(lost(said, found))
        disordered += len(disorder(found.records))
    return owed, missing, disordered


def test_no_accepted_event_is_lost_by_a_power_cut(tmp_path, chance, storage_row):
    """While events are accepted, confirmed, loaded and forced out, over several sessions."""
    disk = record(tmp_path, DRIVER)
    count = chance.pick(10, 100)
    owed, missing, disordered = judge_cuts(tmp_path, disk, chance, count)
    syncs = disk.calls["fsync"] + disk.calls["fdatasync"]
    note = f"in a run of {disk.moments} calls, {syncs} of them fsync"
    storage_row("power cut", count, owed, lost=missing, reordered=disordered, note=note)
