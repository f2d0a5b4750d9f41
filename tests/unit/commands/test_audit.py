"""A line for each thing that was asked, in a file that does not grow for ever."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis.strategies as st
from commanding import audited
from hypothesis import given

from agent.commands.audit import Audit, excerpt


def test_lines_are_appended_over_restarts(tmp_path):
    """Only its user may read them, as commands may name what others should not know."""
    Audit(tmp_path, 10_000).write({"n": 1}, durable=True)
    Audit(tmp_path, 10_000).write({"n": 2}, durable=False)
    assert audited(tmp_path) == [{"n": 1}, {"n": 2}]
    assert (tmp_path / "commands.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_full_file_becomes_the_predecessor_and_the_one_before_goes(tmp_path):
    """So the two never hold more than twice the size, and the newest line is always there."""
    audit = Audit(tmp_path, 1000)
    for n in range(200):
        audit.write({"n": n, "filling": "x" * 50}, durable=False)
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert len(sizes) == 2
    assert max(sizes) <= 1000
    kept = [line["n"] for name in ("commands.1.jsonl", "commands.jsonl") for line in audited(tmp_path, name)]
    assert kept == list(range(kept[0], 200))


def test_a_line_that_a_power_cut_tore_spoils_no_other(tmp_path):
    """The next one begins on a line of its own."""
    (tmp_path / "commands.jsonl").write_bytes(b'{"n": 1}\n{"n": ')
    Audit(tmp_path, 10_000).write({"n": 2}, durable=True)
    assert (tmp_path / "commands.jsonl").read_bytes() == b'{"n": 1}\n{"n": \n{"n": 2}\n'


def test_what_is_durable_is_on_the_disk_before_it_returns(tmp_path, monkeypatch):
    """With its folder, when the file is new; what is refused costs no flash."""
    synced = []
    real = os.fsync
    monkeypatch.setattr("os.fsync", lambda fd: (synced.append(str(Path(f"/proc/self/fd/{fd}").readlink())), real(fd)))
    audit = Audit(tmp_path, 10_000)
    audit.write({}, durable=True)
    audit.write({}, durable=False)
    audit.write({}, durable=True)
    file = str(tmp_path / "commands.jsonl")
    assert synced == [file, str(tmp_path), file]


@given(st.binary(max_size=400))
def test_an_excerpt_is_short_and_printable(payload):
    """No byte of a stranger's reaches a terminal as it is."""
    text = excerpt(payload)
    assert text.isascii()
    assert text.isprintable()
    assert len(text) <= 4 * 200 + 20


def test_an_excerpt_of_text_can_be_read():
    """And says how long the whole was."""
    assert excerpt(b'{"pipeline": "p"}\x1b[2J\xff') == '{"pipeline": "p"}\\x1b[2J\\xff'
    assert excerpt(b"x" * 5000) == "x" * 200 + "... (5000 bytes)"
