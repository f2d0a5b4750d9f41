"""The verbs that speak of versions: what they take, what they pass on, and how a refusal is answered."""

from __future__ import annotations

import pytest
from commanding import Answers, asked, audited, clerk

from agent.commands.versions import Judge, Say
from agent.core.feedback import Feedback
from agent.life.words import Heard, NotNow, SamplesOnly, Unknown


class Ear:
    """Takes in what it is told, or raises what the test says."""

    def __init__(self) -> None:
        self.heard, self.fault = [], None

    def say(self, table, word):
        if self.fault:
            raise self.fault
        self.heard.append((table, word))
        return Heard(table, "1.1.0", "shadow", "it stays")

    def feedback(self, said):
        if self.fault:
            raise self.fault
        self.heard.append(said)
        return "the active version was right"


@pytest.fixture
def ear():
    return Ear()


@pytest.fixture
def desk(tmp_path, ear):
    """A clerk with all four verbs, and what it answers."""
    answers = Answers()
    verbs = {word: Say(word, ear) for word in ("return", "hold", "confirm")} | {"feedback": Judge(ear)}
    made = clerk(tmp_path, verbs, answers)
    made.answers, made.folder = answers, tmp_path
    return made


@pytest.mark.parametrize("word", ["return", "hold", "confirm"])
def test_a_word_is_passed_on_answered_and_written_down(desk, ear, word):
    """With the version that it is about, its state and what follows."""
    desk.obey(asked(word, {"id": "op-1", "model": "m"}))
    assert ear.heard == [("m", word)]
    result = desk.answers.last.result
    assert (desk.answers.last.ok, result.version, result.state, result.will) == (True, "1.1.0", "shadow", "it stays")
    assert [line["outcome"] for line in audited(desk.folder)] == ["begun", "done"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"verdict": "right"}, Feedback("0193", "right")),
        ({"verdict": "wrong"}, Feedback("0193", "wrong")),
        ({"verdict": "wrong", "label": "crack"}, Feedback("0193", "wrong", "crack")),
        ({"verdict": "wrong", "decision": "reject"}, Feedback("0193", "wrong", None, "reject")),
    ],
)
def test_feedback_is_passed_on(desk, ear, body, said):
    """With what it should have been, where somebody says so."""
    desk.obey(asked("feedback", {"prediction": "0193"} | body))
    assert ear.heard == [said]
    assert desk.answers.last.result.counts == "the active version was right"


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("return", {}),
        ("return", {"model": 1}),
        ("hold", {"model": "m", "pipeline": "p"}),
        ("feedback", {"verdict": "wrong"}),
        ("feedback", {"prediction": "0193"}),
        ("feedback", {"prediction": "0193", "verdict": "maybe"}),
        ("feedback", {"prediction": "0193", "verdict": "wrong", "decision": "perhaps"}),
        ("feedback", {"prediction": "0193", "verdict": "right", "label": "crack"}),
        ("feedback", {"prediction": "x" * 65, "verdict": "right"}),
    ],
)
def test_what_makes_no_sense_is_refused_and_passed_on_to_nobody(desk, ear, verb, body):
    """A misspelt key must not become another word."""
    desk.obey(asked(verb, body))
    assert (desk.answers.last.ok, desk.answers.last.reason) == (False, "malformed")
    assert ear.heard == []


@pytest.mark.parametrize(
    ("fault", "reason"), [(NotNow("nothing"), "not_applicable"), (Unknown("who?"), "unknown_name")]
)
@pytest.mark.parametrize(
    ("verb", "body"), [("confirm", {"model": "m"}), ("feedback", {"prediction": "1", "verdict": "right"})]
)
def test_a_refusal_of_who_moves_versions_is_the_answer(desk, ear, verb, body, fault, reason):
    """With its words."""
    ear.fault = fault
    desk.obey(asked(verb, body))
    assert (desk.answers.last.reason, desk.answers.last.message) == (reason, str(fault))


def test_without_a_registry_there_are_no_versions_to_speak_of(tmp_path):
    """All models come from folders."""
    answers = Answers()
    clerk(tmp_path, {"return": Say("return", SamplesOnly(lambda _: False))}, answers).obey(
        asked("return", {"model": "m"})
    )
    assert answers.last.reason == "not_applicable"


@pytest.mark.parametrize(("is_kept", "reason"), [(True, None), (False, "unknown_name")])
def test_without_a_registry_feedback_is_for_the_samples(tmp_path, is_kept, reason):
    """It labels the picture that is kept; where none is, whoever speaks hears so."""
    answers, heard = Answers(), []
    ear = SamplesOnly(lambda said: heard.append(said) or is_kept)
    clerk(tmp_path, {"feedback": Judge(ear)}, answers).obey(
        asked("feedback", {"prediction": "0193", "verdict": "wrong", "label": "crack"})
    )
    assert heard == [Feedback("0193", "wrong", "crack")]
    assert (answers.last.ok, answers.last.reason) == (is_kept, reason)
