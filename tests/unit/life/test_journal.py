"""The journal of what is on trial: it comes back as it was, and a damaged one costs no start."""

from __future__ import annotations

import errno
import json
import pathlib

import pytest

from agent.life.journal import MOST_LINES, NAME, SCHEMA, Journal, Record, in_state

RECORD = Record("1.1.0", "ab" * 32, "canary", "10 of 100", {"bake_s": 5.0}, 12.5, 2, "hold", {"own": 3}, {"accept": 9})


def test_what_is_written_is_read_again(tmp_path):
    """All of it, by the next start."""
    journal = Journal(tmp_path)
    journal.records["m"] = RECORD
    journal.note("m", "1.1.0", "canary", "compared")
    assert journal.write()
    after = Journal(tmp_path)
    after.read()
    assert after.records == {"m": RECORD}
    assert [line["reason"] for line in after.lines] == ["compared"]


def test_a_state_begins_its_counts_anew_and_keeps_what_people_have_said():
    """Feedback speaks of the version, not of the state."""
    record = Record(
        "1", "ab", "shadow", "", {}, 99.0, 2, "hold", {"frames": 7, "better": 3, "others": 5}, {"accept": 9}
    )
    after = in_state(record, "canary", "500 compared")
    assert (after.state, after.spent_s, after.word, after.runs) == ("canary", 0.0, "", 1)
    assert after.counts == {"better": 3, "others": 5}
    assert after.reference == {"accept": 9}


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"schema": "lineside.life/9", "models": {}, "lines": []}']
    + [
        json.dumps({"schema": SCHEMA, "models": {"m": RECORD.as_dict() | change}, "lines": []}).encode()
        for change in ({"state": "flying"}, {"word": "x"}, {"counts": []}, {"runs": "many"})
    ],
)
def test_one_that_cannot_be_read_counts_as_none(tmp_path, content):
    """The store says what is active; what was on its way begins anew."""
    (tmp_path / NAME).write_bytes(content)
    journal = Journal(tmp_path)
    journal.read()
    assert journal.records == {}


def test_a_full_disk_is_told_once_and_stops_nothing(tmp_path, monkeypatch, caplog):
    """The line goes on; the next write that works makes up for it."""
    journal = Journal(tmp_path)
    with monkeypatch.context() as patch:

        def full(*_args, **_more):
            raise OSError(errno.ENOSPC, "no space left")

        patch.setattr(pathlib.Path, "open", full)
        assert [journal.write(), journal.write()] == [False, False]
    assert journal.write()
    assert len([record for record in caplog.records if "cannot be written" in record.message]) == 1


def test_it_does_not_grow(tmp_path):
    """Only the newest lines stay."""
    journal = Journal(tmp_path)
    for number in range(MOST_LINES + 5):
        journal.note("m", str(number), "active", "")
    assert [journal.lines[0]["version"], len(journal.lines)] == ["5", MOST_LINES]
