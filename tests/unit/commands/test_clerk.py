"""Each command is judged, written down, done or not, and answered."""

from __future__ import annotations

import json

import hypothesis.strategies as st
import jsonschema
import pytest
from commanding import Answers, Verbs, asked, audited, clerk
from hypothesis import given

from agent.commands.audit import Audit
from agent.commands.request import Refused
from agent.core.messages import CommandAck, HoldResult
from agent.mqtt.encoding import encode
from agent.mqtt.schemas import schema_of

SCHEMA = jsonschema.Draft202012Validator(schema_of(CommandAck))


@pytest.fixture
def verbs():
    return Verbs()


@pytest.fixture
def answers():
    return Answers()


@pytest.fixture
def desk(tmp_path, verbs, answers):
    return clerk(tmp_path, verbs.by_name(), answers)


def outcomes(folder):
    return [(line["verb"], line["id"], line["outcome"]) for line in audited(folder)]


def test_what_is_allowed_is_done_written_down_twice_and_answered(tmp_path, desk, verbs, answers):
    """Before it is done and after."""
    desk.obey(asked("pause", {"id": "a", "pipeline": "p"}, correlation=b"\x00\x01"))
    assert verbs.asked == [{"pipeline": "p"}]
    [(ack, correlation)] = answers.all
    assert (ack.verb, ack.id, ack.ok, ack.reason, correlation) == ("pause", "a", True, None, b"\x00\x01")
    assert outcomes(tmp_path) == [("pause", "a", "begun"), ("pause", "a", "done")]
    assert audited(tmp_path)[0]["payload"] == '{"id": "a", "pipeline": "p"}'
    assert desk.counts == {"accepted": 1}


def test_it_stands_in_the_file_before_it_is_done(tmp_path, answers):
    """So that a command that takes the agent with it is known."""
    seen = []

    def look(_arguments):
        seen.extend(outcomes(tmp_path))
        return HoldResult(pipelines={})

    desk = clerk(tmp_path, {"pause": look}, answers)
    desk.obey(asked("pause", {"id": "a"}))
    assert seen == [("pause", "a", "begun")]


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (asked("reboot"), "not_allowed"),
        (asked("pause", b"junk\x1b"), "malformed"),
        (asked("pause", b"x" * 500), "too_large"),
        (asked("pause", retained=True), "retained"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_allowed_is_answered_written_down_and_counted(tmp_path, desk, verbs, answers, command, reason):
    """And not done."""
    desk.obey(command)
    assert verbs.asked == []
    assert (answers.last.ok, answers.last.reason, answers.last.result) == (False, reason, None)
    [line] = audited(tmp_path)
    assert (line["outcome"], line["message"]) == (reason, answers.last.message)
    assert desk.counts == {reason: 1}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [(Refused("out_of_bounds", "too much"), "out_of_bounds"), (ZeroDivisionError(), "failed"), (OSError(5), "failed")],
)
def test_a_verb_that_refuses_or_breaks_is_answered(tmp_path, desk, verbs, answers, fault, reason):
    """Whatever it raises, the next command is obeyed."""
    verbs.fault = fault
    desk.obey(asked("set", {"id": "a"}))
    desk.obey(asked("pause"))
    assert [(ack.ok, ack.reason) for ack, _ in answers.all] == [(False, reason), (True, None)]
    assert [outcome for *_, outcome in outcomes(tmp_path)] == ["begun", reason, "begun", "done"]


def test_an_id_that_was_done_is_not_done_again(desk, verbs, answers):
    """A broker may give a message twice; another verb, and a command without an id, are others."""
    for command in (asked("pause", {"id": "a"}), asked("pause", {"id": "a"}), asked("pause"), asked("pause")):
        desk.obey(command)
    assert [(ack.ok, ack.reason) for ack, _ in answers.all] == [
        (True, None),
        (False, "repeated"),
        (True, None),
        (True, None),
    ]
    assert "it was done at 2" in answers.all[1][0].message
    assert len(verbs.asked) == 3


def test_an_id_that_was_refused_may_come_again(desk, verbs, answers):
    """Nothing was changed, so whoever mended the fault may ask once more."""
    verbs.fault = Refused("out_of_bounds", "too much")
    desk.obey(asked("set", {"id": "a"}))
    desk.obey(asked("set", {"id": "a"}))
    assert [ack.reason for ack, _ in answers.all] == ["out_of_bounds", "out_of_bounds"]


def test_the_oldest_ids_are_forgotten(desk, verbs, monkeypatch):
    """The memory of them is bounded."""
    monkeypatch.setattr("agent.commands.clerk.REMEMBERED", 3)
    for name in ("a", "b", "c", "d", "d", "a"):
        desk.obey(asked("pause", {"id": name}))
    assert len(verbs.asked) == 5
    assert desk.counts == {"accepted": 5, "repeated": 1}


def test_what_cannot_be_written_down_is_not_done(tmp_path, verbs, answers, caplog):
    """Refused and logged once, until the file can be written again."""
    audit = Audit(tmp_path / "gone", 10_000)
    desk = clerk(tmp_path, verbs.by_name(), answers, audit=audit)
    desk.obey(asked("pause"))
    desk.obey(asked("pause"))
    assert verbs.asked == []
    assert answers.last.reason == "failed"
    assert "the audit file cannot be written" in answers.last.message
    assert sum("audit file" in record.message for record in caplog.records) == 1
    (tmp_path / "gone").mkdir()
    desk.obey(asked("pause"))
    assert answers.last.ok


def test_what_was_passed_over_is_counted_in_the_next_line(tmp_path, desk):
    """A flood does not fill the disk, and yet it is known."""
    for _ in range(5):
        desk.pass_over("busy")
    desk.obey(asked("pause"))
    assert [line.get("unrecorded") for line in audited(tmp_path)] == [5, None]
    assert desk.counts == {"busy": 5, "accepted": 1}


@given(st.binary(max_size=500), st.sampled_from(["pause", "set", "reboot", "x" * 64]), st.booleans())
def test_any_command_is_answered_as_the_schema_says(tmp_path_factory, payload, verb, retained):
    """Whatever it holds."""
    folder, answers, verbs = tmp_path_factory.mktemp("state"), Answers(), Verbs()
    verbs.fault = RuntimeError("broken")
    clerk(folder, verbs.by_name(), answers).obey(asked(verb, payload, retained=retained))
    [(ack, _)] = answers.all
    body = json.loads(encode(ack))
    SCHEMA.validate(body)
    assert ack.ok == (ack.reason is None)
    assert audited(folder)
