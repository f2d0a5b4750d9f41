"""A restart: alarms stay until the line says otherwise, and no longer."""

from __future__ import annotations

import pytest
from desk_watching import Watching, scored_by
from drifting import part

from agent.drift.memory import NAME, Alarm, Memory, Remembered


def darker(k):
    return part(k, gain=0.5)


@pytest.fixture
def restarted(tmp_path):
    """Makes desks one after the other over one state directory, as starts of an agent."""

    def start(*args, **options):
        desk = Watching(*args, memory=Memory(tmp_path), **options)
        desk.desk.resume()
        return desk

    return start


@pytest.fixture
def alarm(restarted):
    """What was told last before the restart, of a line in less light."""
    with restarted() as line:
        line.show(300, make=darker)
        assert line.told.drifts[-1].state == "drifting"
        return line.told.drifts[-1]


def test_an_alarm_is_told_again_before_the_first_frame(restarted, alarm):
    """Since when it was; its figures begin anew, so that a reader sees that nothing was compared yet."""
    with restarted() as line:
        (again,) = line.told.drifts
        assert (again.state, again.since, again.model) == ("drifting", alarm.since, alarm.model)
        assert again.statistics["brightness"].since == alarm.statistics["brightness"].since
        assert (again.statistics["brightness"].windows, again.statistics["brightness"].psi) == (0, None)
        assert line.desk.drifting("p")


def test_an_alarm_goes_on_while_the_line_is_as_it_was(restarted, alarm):
    """Its first frame changes nothing, and neither does another start."""
    for _ in range(2):
        with restarted() as line:
            line.show(120, make=darker)
            assert {(drift.state, drift.since) for drift in line.told.drifts} == {("drifting", alarm.since)}


def test_an_alarm_ends_by_the_same_rule_as_without_a_restart(restarted, alarm):
    """After two windows that look alike; the start after that knows of none."""
    with restarted() as line:
        line.show(300)
        told = [drift.state for drift in line.told.drifts]
        assert told[0] == "drifting"
        assert told[-1] == "ok"
    with restarted() as line:
        assert line.told.drifts == []


def test_windows_in_succession_count_over_a_restart(restarted):
    """An agent that is started again and again would else never raise an alarm."""
    for _ in range(2):
        with restarted(statistics=["brightness"], raise_after=2) as line:
            line.show(60, make=darker)
            assert line.told.drifts[-1].statistics["brightness"].windows == 1
    assert line.told.drifts[-1].state == "drifting"


def test_another_model_begins_anew(restarted, alarm):
    """The alarm was about the reference of the one before."""
    with restarted(active=lambda _: "sha256:1") as line:
        assert line.told.drifts == []
        line.show(1, digest="sha256:1")
        assert [(drift.state, drift.model) for drift in line.told.drifts] == [("ok", "sha256:1")]


def test_a_bundle_that_lost_its_reference_says_so(restarted, alarm):
    """Nothing can show any more that the alarm is over."""
    with restarted(lambda *_: None) as line:
        assert [drift.state for drift in line.told.drifts] == ["no_reference"]


@pytest.mark.parametrize("names", [(), ("other",)])
def test_what_was_told_of_a_line_that_nobody_watches_any_more_is_taken_back_once(restarted, alarm, names):
    """The message is retained, and would stand for good."""
    with restarted(names=names) as line:
        (drift,) = line.told.drifts
        assert (drift.pipeline, drift.state, drift.model) == ("p", "no_reference", None)
        assert "not watched" in drift.reason
    with restarted(names=names) as line:
        assert line.told.drifts == []


def test_a_model_is_blamed_over_a_restart(restarted):
    """What speaks against it is its score on a line on which that of the model before was quiet."""
    active = ["sha256:0"]
    with restarted(active=lambda _: active[0]) as line:
        line.show(200)
        active[0] = "sha256:1"
        line.show(300, digest="sha256:1", result=scored_by(0.5))
        assert line.told.blames[-1] is not None
    with restarted(active=lambda _: active[0]) as line:
        assert line.told.blames[-1] is not None


def test_a_line_that_is_as_it_was_writes_nothing_more(restarted, tmp_path):
    """A disk of flash wears out."""
    with restarted() as line:
        line.show(60)
        before = (tmp_path / NAME).stat().st_ino
        line.show(300)
        assert line.told.drifts[-1].statistics["score"].windows > 3
        assert (tmp_path / NAME).stat().st_ino == before


def test_what_is_written_is_what_is_read(tmp_path):
    """Also of lines without an alarm: their topics stand as well."""
    lines = {
        "a": Remembered("sha256:0", "2026-11-28T14:03:11.000000Z", True, {"score": Alarm(True, "2026-…", 1)}),
        "b": Remembered("sha256:1"),
    }
    Memory(tmp_path).write(lines)
    assert Memory(tmp_path).read() == lines


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"schema":"lineside.drift-memory/2","pipelines":{}}', b"\xff", b'{"schema":1}']
)
def test_a_file_that_cannot_be_read_is_logged_and_replaced(tmp_path, caplog, content):
    """Alarms begin anew; the agent starts."""
    (tmp_path / NAME).write_bytes(content)
    memory = Memory(tmp_path)
    assert memory.read() == {}
    assert "cannot be read" in caplog.text
    memory.write({"a": Remembered("sha256:0")})
    assert list(Memory(tmp_path).read()) == ["a"]


def test_a_disk_that_takes_nothing_is_logged_once_and_tried_again(tmp_path, caplog):
    """What is told does not depend on it."""
    memory = Memory(tmp_path / "gone")
    memory.write({"a": Remembered("sha256:0")})
    memory.write({"a": Remembered("sha256:1")})
    assert caplog.text.count("cannot be written") == 1
    (tmp_path / "gone").mkdir()
    memory.write({"a": Remembered("sha256:1")})
    assert Memory(tmp_path / "gone").read()["a"].model == "sha256:1"
