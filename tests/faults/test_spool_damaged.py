"""The spool's file is damaged: it is moved aside and told, what can be read is saved, and the agent goes on with a new one.

Not here, because nobody can tell: the end of the log is damaged while no agent runs. To SQLite that is a power cut, and it leaves out what
was not complete; the missing numbers show it to whoever subscribes.
"""

from __future__ import annotations

import os
import random
import shutil
from typing import TYPE_CHECKING

import pytest
from spool_driver import event
from spool_judge import disorder, drain, open_and_drain

from agent.spool.settings import SpoolSettings
from agent.spool.spool import Spool

if TYPE_CHECKING:
    from pathlib import Path

_PAGE_BYTES = 4096
OLD, NEW, LATER = range(3000), range(3000, 3010), range(3010, 3020)


def _overwrite(path: Path, offset: int, size: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(random.Random(1).randbytes(size))


def header(path: Path) -> None:
    _overwrite(path, 0, 100)


def first_page(path: Path) -> None:
    _overwrite(path, 0, _PAGE_BYTES)


def page_in_the_middle(path: Path) -> None:
    _overwrite(path, path.stat().st_size // _PAGE_BYTES // 2 * _PAGE_BYTES, _PAGE_BYTES)


def half_of_it(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 + 100)


def zero_bytes(path: Path) -> None:
    os.truncate(path, 0)


def a_text_file(path: Path) -> None:
    path.write_text("Lorem ipsum\n" * 1000)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "file").write_text("")


def removed(path: Path) -> None:
    path.unlink()


def garbage_in_the_log(path: Path) -> None:
    path.with_name("spool.db-wal").write_bytes(random.Random(1).randbytes(100_000))


DAMAGES = [
    header,
    first_page,
    page_in_the_middle,
    half_of_it,
    zero_bytes,
    a_text_file,
    a_folder,
    removed,
    garbage_in_the_log,
]


class Watched:
    """A spool, and what it said of its disk."""

    def __init__(self, folder: Path) -> None:
        self.told: list[tuple[str, str | None]] = []
        self.spool = Spool(
            SpoolSettings(flush_ms=60_000), folder, capacity=5000, on_fault=lambda *what: self.told.append(what)
        )
        self.spool.open()

    def accept(self, numbers: range) -> None:
        with self.spool.changed:
            for number in numbers:
                self.spool.accept(self.spool.events, event(number))
        for _ in range(3):
            self.spool.flush()


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "state").mkdir()
    return tmp_path / "state"


def judge(watched: Watched, folder: Path, row, fault: str) -> set[int]:
    """Go on with a damaged file, then start anew; which of the old events came out."""
    watched.accept(NEW)
    records = drain(watched.spool)
    watched.accept(LATER)
    fault_in_the_end = watched.spool.fault
    watched.spool.close()
    assert fault_in_the_end is None
    after = open_and_drain(folder)
    out = {record.first for record in records} | after.covered
    told = [sentence for _, sentence in watched.told] + after.told
    missing = set(OLD) - out
    silent = 0 if told else len(missing)
    kept_new = set(NEW) | set(LATER) if not after.damaged else set(NEW)
    assert watched.spool.damaged + after.damaged <= 1
    row(
        fault,
        1,
        len(OLD),
        lost=silent,
        reordered=len(disorder(records)),
        note=f"{len(set(OLD) & out)} saved" + (", the rest told" if missing else ""),
    )
    assert kept_new <= out
    return set(OLD) & out


@pytest.mark.parametrize("damage", [one for one in DAMAGES if one is not removed], ids=lambda damage: damage.__name__)
def test_a_file_that_was_damaged_while_no_agent_ran(folder, storage_row, damage):
    """Found when it is opened, or when the damaged page is read. Who removes the file then wants a new one."""
    before = Watched(folder)
    before.accept(OLD)
    before.spool.close()
    damage(folder / "spool.db")
    after = Watched(folder)
    saved = judge(after, folder, storage_row, f"spool damaged, stopped: {damage.__name__}")
    assert (folder / "spool.db.damaged").exists()
    assert any("spool.db.damaged" in sentence for _, sentence in after.told)
    if damage in (header, first_page, garbage_in_the_log):
        assert saved == set(OLD)
    if damage is page_in_the_middle:
        assert len(saved) > len(OLD) - 20


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_file_that_was_damaged_after_a_kill(tmp_path, folder, storage_row, damage):
    """There is a log with what was committed last."""
    before = Watched(folder)
    before.accept(OLD)
    killed = tmp_path / "killed"
    killed.mkdir()
    for name in ("spool.db", "spool.db-wal"):
        shutil.copy(folder / name, killed)
    before.spool.close()
    damage(killed / "spool.db")
    judge(Watched(killed), killed, storage_row, f"spool damaged, killed: {damage.__name__}")


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_file_that_is_damaged_under_the_running_agent(folder, storage_row, damage):
    """What is lost is told, now or at the next start at the latest."""
    first = Watched(folder)
    first.accept(OLD)
    first.spool.close()
    running = Watched(folder)
    running.accept(range(0))
    damage(folder / "spool.db")
    judge(running, folder, storage_row, f"spool damaged, running: {damage.__name__}")


def test_damage_to_what_was_moved_aside_before_is_no_hindrance(folder):
    """Twice in a row; of the files that were moved aside the last is kept."""
    for damage in (a_folder, a_text_file, a_folder):
        watched = Watched(folder)
        watched.spool.close()
        damage(folder / "spool.db")
        watched = Watched(folder)
        watched.spool.close()
        assert (watched.spool.damaged, watched.spool.fault) == (1, None)
