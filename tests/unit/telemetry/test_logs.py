"""Logs in three forms: for a person, for a collector, for the journal."""

from __future__ import annotations

import io
import json
import logging
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.telemetry.logs import JournalHandler, JsonFormatter, TerminalFormatter, fields_of

PRINT_ONE = """
import logging, sys
from agent.telemetry.logs import set_up
set_up(sys.argv[1], sys.argv[2])
logging.getLogger("lineside.x").warning("camera lost", extra={"source": "cam"})
logging.getLogger("lineside.x").debug("a detail")
"""


def record(message: str = "camera lost", level: int = logging.WARNING, *, args: tuple = (), exc=None, **extra):
    made = logging.getLogger("lineside.test").makeRecord(
        "lineside.test", level, __file__, 1, message, args, exc, extra=extra
    )
    made.created = 1_800_000_000.25
    return made


def raised() -> tuple:
    """The exception of a failed division, as logging takes it."""
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        return sys.exc_info()
    raise AssertionError


@pytest.fixture
def journal(tmp_path):
    """A datagram socket that stands in for the journal's, and its path."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "journal"))
        listener.settimeout(10)
        yield listener, str(tmp_path / "journal")


def entries(datagram: bytes) -> dict[str, str]:
    """Read the journal's native protocol (systemd, "Native Journal Protocol")."""
    stream, found = io.BytesIO(datagram), {}
    while line := stream.readline():
        key, equals, value = line.rstrip(b"\n").partition(b"=")
        if not equals:
            value = stream.read(int.from_bytes(stream.read(8), "little"))
            assert stream.read(1) == b"\n"
        found[key.decode()] = value.decode()
    return found


def test_a_person_reads_one_line_with_the_fields_and_the_next_step():
    """Time, level, message, fields in brackets; the code is for machines, the hint has a line of its own."""
    text = TerminalFormatter(colour=False).format(
        record(source="cam", retry_in_s="2.1", code="x", hint="look", empty="")
    )
    first, second = text.splitlines()
    assert first[8:] == " warning  camera lost  (source=cam retry_in_s=2.1)"
    assert second.strip() == "next: look"


def test_a_traceback_follows_on_lines_of_its_own():
    """After the line, so that the line can be found."""
    lines = TerminalFormatter(colour=False).format(record(exc=raised())).splitlines()
    assert lines[0].endswith("camera lost")
    assert lines[-1] == "ZeroDivisionError: division by zero"


def test_colour_marks_what_is_wrong_and_nothing_else():
    """Warnings and errors on a terminal."""
    coloured = TerminalFormatter(colour=True)
    assert "\033[" in coloured.format(record(level=logging.ERROR))
    assert "\033[" not in coloured.format(record(level=logging.INFO))
    assert "\033[" not in TerminalFormatter(colour=False).format(record(level=logging.ERROR))


def test_json_has_one_object_a_line_with_the_fields():
    """UTC with microseconds; values that JSON does not know become text."""
    text = JsonFormatter().format(record("übersehen %d", args=(3,), source="cam", path=Path("/x")))
    assert "\n" not in text
    assert json.loads(text) == {
        "time": "2027-01-15T08:00:00.250000Z",
        "level": "warning",
        "logger": "lineside.test",
        "message": "übersehen 3",
        "source": "cam",
        "path": "/x",
    }


def test_json_carries_the_traceback_in_the_same_line():
    """A collector counts lines."""
    text = JsonFormatter().format(record(exc=raised()))
    assert "\n" not in text
    assert "ZeroDivisionError" in json.loads(text)["traceback"]


def test_only_what_the_caller_gave_is_a_field():
    """And nothing empty."""
    assert fields_of(record(source="cam", count=0, hint="", fault=None)) == {"source": "cam", "count": 0}


def test_the_journal_gets_an_entry_with_fields_of_its_own(journal):
    """So that `journalctl LINESIDE_SOURCE=cam` finds it."""
    listener, address = journal
    handler = JournalHandler(address)
    handler.handle(record(source="cam", retry_in_s=2.5))
    handler.handle(record("dead", logging.CRITICAL))
    assert entries(listener.recv(65536)) == {
        "MESSAGE": "camera lost",
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "lineside",
        "LOGGER": "lineside.test",
        "LINESIDE_SOURCE": "cam",
        "LINESIDE_RETRY_IN_S": "2.5",
    }
    assert entries(listener.recv(65536))["PRIORITY"] == "2"
    handler.close()
    handler.close()


@settings(deadline=None)
@given(message=st.text(), value=st.text(min_size=1))
def test_any_text_arrives_in_the_journal_as_it_was(tmp_path_factory, message, value):
    """Line ends, equals signs and all; names of files that are no UTF-8 cost no entry."""
    folder = tmp_path_factory.mktemp("journal")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(folder / "s"))
        listener.settimeout(10)
        handler = JournalHandler(str(folder / "s"))
        handler.handle(record(message, file=value))
        handler.close()
        found = entries(listener.recv(65536))
    assert found["LINESIDE_FILE"] == value
    assert found["MESSAGE"] == message


def test_a_traceback_is_part_of_the_journals_message(journal):
    """One entry, several lines."""
    listener, address = journal
    handler = JournalHandler(address)
    handler.handle(record(exc=raised()))
    message = entries(listener.recv(65536))["MESSAGE"]
    assert message.splitlines()[0] == "camera lost"
    assert message.splitlines()[-1] == "ZeroDivisionError: division by zero"
    handler.close()


@pytest.mark.parametrize(
    "odd",
    [
        {"file": "caf\udce9.png"},
        {"message": "%d frames", "args": ("three",)},
        {"message": "x" * 10_000_000},
    ],
    ids=["not UTF-8", "wrong arguments", "too long"],
)
def test_what_cannot_be_written_never_ends_who_wrote_it(journal, monkeypatch, odd):
    """The next entry arrives."""
    listener, address = journal
    monkeypatch.setattr(logging, "raiseExceptions", False)
    handler = JournalHandler(address)
    handler.handle(record(**odd))
    handler.handle(record("and on"))
    last = b""
    while b"MESSAGE=and on" not in last:
        last = listener.recv(65536)
    handler.close()


def test_a_name_that_is_no_utf8_is_told_in_escapes(journal):
    """So that the entry is not lost."""
    listener, address = journal
    handler = JournalHandler(address)
    handler.handle(record(file="caf\udce9.png"))
    assert entries(listener.recv(65536))["LINESIDE_FILE"] == r"caf\udce9.png"
    handler.close()


def child(level: str, form: str, **env: str) -> str:
    """What a process writes to stderr that sets its logs up like this."""
    ran = subprocess.run(
        [sys.executable, "-c", PRINT_ONE, level, form],
        check=True,
        capture_output=True,
        text=True,
        env={k: v for k, v in os.environ.items() if k != "JOURNAL_STREAM"} | env,
    )
    assert ran.stdout == ""
    return ran.stderr


def test_without_a_terminal_and_a_journal_lines_for_people_are_written():
    """`auto` outside of systemd; no colour goes into a pipe."""
    text = child("info", "auto")
    assert text.endswith(" warning  camera lost  (source=cam)\n")
    assert "\033[" not in text
    assert text.count("\n") == 1


def test_the_least_severity_holds():
    """At `debug` the agent's own details show, at `error` not even a warning."""
    assert "a detail" in child("debug", "terminal")
    assert child("error", "terminal") == ""


def test_json_is_written_where_it_is_asked_for():
    """One object a line on stderr."""
    assert json.loads(child("info", "json"))["source"] == "cam"


def test_under_systemd_the_journal_is_chosen(tmp_path):
    """JOURNAL_STREAM names the stream that stderr is; where the journal's socket is not there, JSON is written."""
    if Path("/run/systemd/journal/socket").exists():
        pytest.skip("this machine has a journal, and the test would write into it")
    with (tmp_path / "stderr").open("w+") as stderr:
        stat = os.fstat(stderr.fileno())
        for stream, is_json in ((f"{stat.st_dev}:{stat.st_ino}", True), ("1:1", False)):
            stderr.truncate(0)
            stderr.seek(0)
            subprocess.run(
                [sys.executable, "-c", PRINT_ONE, "info", "auto"],
                check=True,
                stderr=stderr,
                env={**os.environ, "JOURNAL_STREAM": stream},
            )
            stderr.seek(0)
            assert stderr.read().startswith("{") is is_json


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_a_terminal_gets_colour_unless_no_color_is_set(no_color, coloured):
    """https://no-color.org: any value that is not empty."""
    master, slave = os.openpty()
    try:
        subprocess.run(
            [sys.executable, "-c", PRINT_ONE, "info", "terminal"],
            check=True,
            stderr=slave,
            env={**os.environ, "NO_COLOR": no_color},
        )
        assert ("\033[" in os.read(master, 4096).decode()) is coloured
    finally:
        os.close(slave)
        os.close(master)
