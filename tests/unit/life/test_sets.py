"""Versions that decide about the same parts: all of them come to work, or none does; and they go as they came."""

from __future__ import annotations

import json

import pytest
from adopting import Begun, Together
from stocking import activated, stage

from agent.core.errors import ModelRefused
from agent.core.feedback import Feedback
from agent.core.sequential import needed
from agent.life.journal import Journal, Record
from agent.life.starting import begin

ONE_SOURCE = {"a": {"model": "m"}, "b": {"model": "n"}}
TWO_SOURCES = {"a": {"model": "m"}, "b": {"model": "n", "source": "t"}}
OLD, NEW = {"m": "1.0.0", "n": "1.0.0"}, {"m": "1.1.0", "n": "1.1.0"}


@pytest.fixture
def together(make_line):
    """Two models that look at one source."""
    return Together(make_line(**ONE_SOURCE))


def records_of(line, monkeypatch) -> list[list[str]]:
    """What the store writes down from here on: models, by record."""
    written = []
    for verb in ("activate", "give_back"):
        write = getattr(line.store, verb)
        monkeypatch.setattr(line.store, verb, lambda what, write=write: (written.append(sorted(what)), write(what)))
    return written


def test_a_set_takes_each_step_together_and_becomes_active_by_one_record(together, monkeypatch):
    """The faster one waits, and says for whom: a canary of one alone would be half a set."""
    line, written = together.line, records_of(together.line, monkeypatch)
    together.compare("m")
    line.turn(after_s=60)
    assert together.states == {"m": "shadow", "n": "shadow"}
    assert line.life.status()["m"]["reason"] == "ready; waits for n, which came with it"
    together.compare("n")
    line.turn()
    assert together.states == {"m": "canary", "n": "canary"}
    together.decide("n")
    line.turn(after_s=30)
    assert (together.active, written) == (OLD, [])
    together.decide("m")
    line.turn()
    assert (together.active, written) == (NEW, [["m", "n"]])
    assert [line.see("a"), line.see("b")] == ["1.1.0", "1.1.0"]


def test_none_of_a_set_is_confirmed_before_all_are(together):
    """Else there would be nothing to return to."""
    line = together.line
    together.to_bake()
    together.decide("m", 100)
    line.turn(after_s=600)
    assert together.states == {"m": "active", "n": "active"}
    together.decide("n", 100)
    line.turn()
    assert line.life.on_trial() == {}
    assert line.moves[-2:] == [("confirmed", "1.1.0")] * 2


def test_models_of_independent_lines_neither_wait_for_each_other_nor_fall_with_each_other(make_line):
    """Though they were delivered together."""
    together = Together(make_line(**TWO_SOURCES))
    line = together.line
    together.compare("m")
    line.turn(after_s=60)
    assert together.states == {"m": "canary", "n": "shadow"}
    line.shadows["b"].fault = "it crashed"
    together.decide("m")
    line.turn(after_s=30)
    assert together.active == NEW | {"n": "1.0.0"}
    assert set(line.store.rejected()) == {"n"}


@pytest.mark.parametrize("state", ["shadow", "canary"])
def test_one_that_is_rejected_ends_its_whole_set(together, state):
    """The reason names it and its fault; the other one may come again with something else."""
    line = together.line
    if state == "canary":
        together.compare("m"), together.compare("n")
        line.turn(after_s=60)
    stages = line.shadows if state == "shadow" else line.canaries
    stages["b"].fault = "it crashed"
    line.turn()
    assert (together.states, together.active) == ({}, OLD)
    assert stages["a"].is_over
    rejected = line.store.rejected()
    assert rejected["n"].fault_of == ()
    assert rejected["m"].fault_of == (together.new["n"],)
    assert rejected["m"].reason == "it came with n 1.1.0, which is rejected: in pipeline b: it crashed"
    assert sorted(line.moves[-2:]) == [("rejected", "1.1.0")] * 2
    assert {("m", "1.1.0", "rejected"), ("n", "1.1.0", "rejected")} <= set(line.candidates)
    assert line.adoption.adopt() == []


def test_one_that_is_not_even_verified_ends_its_set_too(make_line):
    """No shadow begins; both are told of, the one with its fault and the other with whose it was."""
    together = Together(make_line(**ONE_SOURCE), n="[budget]\np99_ms = 0.0001\n")
    assert [(event.what, event.model) for event in together.events] == [("rejected", "n"), ("rejected", "m")]
    assert "n 1.1.0, which is rejected" in together.events[1].reason
    assert together.line.shadows == {}
    assert together.line.store.staged() == {}
    together.line.turn()
    assert together.active == OLD


def test_a_later_one_that_is_not_verified_ends_what_is_on_trial_with_it(together):
    """It was assigned to work with it."""
    line = together.line
    later = stage(line.store, line.version("1.2.0", name="n", toml="[budget]\np99_ms = 0.0001\n"), want=False)
    line.store.want({"m": together.new["m"], "n": later})
    events = line.adoption.adopt()
    what = {(event.what, event.model, event.version) for event in events}
    assert what == {("rejected", "n", "1.2.0"), ("rejected", "m", "1.1.0"), ("superseded", "n", "1.1.0")}
    assert (line.life.on_trial(), line.store.staged()) == ({}, {})
    assert line.store.rejected()["m"].fault_of == (later,)


def test_one_that_waits_for_its_trial_falls_with_its_set(make_line):
    """The version before it bakes still; what came with it has failed."""
    line = make_line(**ONE_SOURCE)
    old = {name: activated(line.store, line.version("1.0.0", name=name)) for name in "mn"}
    line.start()
    before = stage(line.store, line.version("1.1.0", name="n"))
    line.adoption.adopt()
    line.life.words.say("n", "confirm")
    line.turn()
    later = {name: stage(line.store, line.version("1.2.0", name=name), want=False) for name in "mn"}
    line.store.want(later)
    line.adoption.adopt()
    assert line.life.status()["m"]["state"] == "shadow"
    line.shadows["a"].fault = "it crashed"
    line.turn()
    assert {name: one.fault_of for name, one in line.store.rejected().items()} == {"m": (), "n": (later["m"],)}
    assert line.life.on_trial() == {"n": before.digest}, "which came alone, and bakes on"
    assert set(line.journal.records) == {"n"}
    assert (line.store.active("m"), line.store.active("n")) == (old["m"], before)


BAKE_FAULTS = {
    "decides otherwise": lambda together: together.decide("n", 60, "reject"),
    "called wrong": lambda together: [
        together.line.life.words.feedback(Feedback(name, "wrong")) for name in together.decide("n")
    ],
    "an operator": lambda together: together.line.life.words.say("n", "return"),
}


@pytest.mark.parametrize("fault", BAKE_FAULTS)
def test_one_that_fails_in_its_bake_time_takes_its_whole_set_back(together, fault, monkeypatch):
    """In the same step, by one record; the other one has no fault of its own."""
    line = together.line
    together.to_bake(reference=200)
    line.turn(after_s=61)
    written = records_of(line, monkeypatch)
    BAKE_FAULTS[fault](together)
    line.turn()
    assert (together.active, written) == (OLD, [["m", "n"]])
    assert [line.see("a"), line.see("b")] == ["1.0.0", "1.0.0"]
    assert line.moves[-2:] == [("returned", "1.1.0")] * 2
    assert line.store.rejected()["n"].fault_of == ()
    assert line.store.rejected()["m"].fault_of == (together.new["n"],)
    assert json.loads((line.folder / "life.json").read_bytes())["models"] == {}


def test_a_first_version_stays_when_its_set_returns_as_nothing_was_before_it(make_line):
    """A line without a model is no better off; it is watched on."""
    line = make_line(**ONE_SOURCE)
    old = activated(line.store, line.version("1.0.0"))
    line.start()
    line.store.want({name: stage(line.store, line.version("1.1.0", name=name), want=False) for name in "mn"})
    line.adoption.adopt()
    for _ in range(10):
        line.shadows["a"].pair("accept", "accept")
    line.turn(after_s=60)
    assert line.store.active("n") is None, "it waits for the canary of what came with it"
    line.predicted("a", line.store.staged()["m"], count=5)
    line.turn(after_s=30)
    assert [line.store.active(name).version for name in "mn"] == ["1.1.0", "1.1.0"]
    line.life.words.say("m", "return")
    line.turn()
    assert (line.store.active("m"), line.store.active("n").version) == (old, "1.1.0")
    assert set(line.life.on_trial()) == {"n"}


def test_one_that_waits_for_its_set_may_be_returned(make_line):
    """A first version has nothing to show, and waits for what came with it."""
    line = make_line(**ONE_SOURCE)
    activated(line.store, line.version("1.0.0"))
    line.start()
    line.store.want({name: stage(line.store, line.version("1.1.0", name=name), want=False) for name in "mn"})
    line.adoption.adopt()
    assert line.life.status()["n"]["state"] == "verified"
    line.life.words.say("n", "return")
    line.turn()
    assert (line.life.on_trial(), line.store.active("n")) == ({}, None)
    assert set(line.store.rejected()) == {"m", "n"}


def test_what_an_operator_says_for_one_counts_for_it_and_what_is_said_against_it_for_its_set(together):
    """`confirm` skips nothing of a model that nobody named; `hold` holds all that waits for it; each answer says so."""
    line, words = together.line, together.line.life.words
    assert words.say("m", "confirm").will.endswith("as soon as n is as far, which came with it")
    line.turn()
    assert (together.active, together.states) == (OLD, {"m": "shadow", "n": "shadow"})
    words.say("n", "hold")
    together.compare("n")
    line.turn(after_s=60)
    assert together.active == OLD
    words.say("n", "confirm")
    line.turn()
    assert together.active == NEW
    assert words.say("n", "return").will.endswith("so it is with m, which came with it")
    line.turn()
    assert together.active == OLD


def test_a_set_returns_as_a_set_long_after_it_was_confirmed(together):
    """The store knows what came with what."""
    line, words = together.line, together.line.life.words
    together.to_bake()
    words.say("m", "confirm"), words.say("n", "confirm")
    line.turn()
    assert line.life.on_trial() == {}
    assert words.say("m", "return").will.endswith("so it is with n, which came with it")
    line.turn()
    assert (together.active, line.life.on_trial()) == (OLD, {})
    assert [line.see("a"), line.see("b")] == ["1.0.0", "1.0.0"]


def test_a_later_candidate_starts_anew_when_what_it_is_compared_with_is_returned_from(together):
    """That is no fault of its own: the next look at what is staged tries it again."""
    line, words = together.line, together.line.life.words
    together.to_bake()
    words.say("m", "confirm"), words.say("n", "confirm")
    line.turn()
    later = stage(line.store, line.version("1.2.0", name="n"))
    line.adoption.adopt()
    words.say("m", "return")
    line.turn()
    assert (together.active, line.moves[-3]) == (OLD, ("superseded", "1.2.0"))
    assert line.store.staged() == {"n": later}
    assert [event.what for event in line.adoption.adopt()] == ["shadow"]


@pytest.mark.parametrize("begun", ["shadow", "canary", "active"])
def test_a_restart_keeps_the_set(make_line, begun):
    """The next start waits and returns with all of it, as this one would have."""
    together = Together(make_line(**ONE_SOURCE))
    if begun == "canary":
        together.compare("m"), together.compare("n")
        together.line.turn(after_s=60)
    if begun == "active":
        together.to_bake()
    assert together.states == {"m": begun, "n": begun}
    together.line.end()
    line = make_line(**ONE_SOURCE)
    line.start()
    line.adoption.adopt()
    line.turn()
    assert {name: shown["state"] for name, shown in line.life.status().items()} == {"m": begun, "n": begun}
    assert set(line.canaries) == ({"a", "b"} if begun == "canary" else set()), "it decides again"
    line.life.words.say("n", "return")
    line.turn()
    assert [line.see("a"), line.see("b")] == ["1.0.0", "1.0.0"]
    assert line.life.on_trial() == {}
    assert line.store.rejected()["m"].fault_of == (together.new["n"],)


@pytest.mark.parametrize("state", ["shadow", "active"])
def test_a_set_that_took_three_runs_down_goes_together_and_nobody_says_which_it_was(make_line, state):
    """Each of them may come again with something else."""
    line = make_line(**ONE_SOURCE)
    old = {name: activated(line.store, line.version("1.0.0", name=name)) for name in "mn"}
    new = {name: stage(line.store, line.version("1.1.0", name=name), want=False) for name in "mn"}
    line.store.want(new)
    if state == "active":
        line.store.activate(new)
    for name, mate in ("mn", "nm"):
        record = Record("1.1.0", new[name].digest, state, "", runs=2, mates=frozenset(mate))
        line.journal.records[name] = record
    line.journal.records["m"].runs = 3
    line.journal.write()
    later = make_line(**ONE_SOURCE)
    assert sorted(event.model for event in later.began) == ["m", "n"]
    assert {event.what for event in later.began} == {"returned" if state == "active" else "rejected"}
    assert {name: later.store.active(name) for name in "mn"} == old
    rejected = later.store.rejected()
    assert rejected["m"].fault_of == (new["n"],)
    assert rejected["n"].fault_of == (new["m"],)
    assert "nobody can say which" in rejected["m"].reason
    assert (later.journal.records, later.store.staged()) == ({}, {})


def test_a_kill_between_the_records_of_a_sets_return_is_made_up_for(together):
    """It was rejected as a set, so all that was before it works."""
    line = together.line
    together.to_bake()
    line.store.reject(together.new["n"], "it drifts", [together.new["m"]])
    journal = Journal(line.folder)
    assert sorted(event.model for event in begin(line.store, journal)) == ["m", "n"]
    assert (together.active, journal.records) == (OLD, {})
    assert line.store.rejected()["m"].fault_of == (together.new["n"],)


def test_a_model_that_cannot_be_loaded_at_the_last_moment_ends_its_set(together, monkeypatch):
    """Nothing has been recorded by then."""
    line = together.line
    written = records_of(line, monkeypatch)
    line.shadows["b"].comes_back = False  # it hangs, so another one is to be loaded for the canary

    def refuse(*_):
        raise ModelRefused("no memory")

    together.compare("m"), together.compare("n")
    monkeypatch.setattr(line.shelf, "load_beside", refuse)
    line.turn(after_s=60)
    assert (together.states, together.active, written) == ({}, OLD, [])
    assert set(line.store.rejected()) == {"m", "n"}


def test_feedback_that_finds_one_worse_ends_the_set(together):
    """The better one of the two has to wait for a better company."""
    words = together.line.life.words
    for name in together.compare("m", candidate="reject")[: needed(0.05)]:
        words.feedback(Feedback(name, "right"))
    together.line.turn()
    assert together.active == OLD
    assert set(together.line.store.rejected()) == {"m", "n"}


def test_a_journal_of_before_sets_is_read(make_line):
    """What is in its bake time then is a set of its own."""
    first = make_line()
    begun = Begun(first)
    begun.to_bake()
    first.end()
    path = first.folder / "life.json"
    data = json.loads(path.read_bytes())
    for record in data["models"].values():
        del record["mates"]
    path.write_text(json.dumps(data))
    second = make_line()
    assert second.journal.records["m"].mates == frozenset()
    assert second.journal.records["m"].state == "active"
