"""A version on its way through its states on a line: what pipelines, store, journal and registry see of each step."""

from __future__ import annotations

import json

import pytest
import tiny_models
from adopting import Begun
from stocking import activated, stage

from agent.core.errors import ModelRefused
from agent.core.feedback import Feedback
from agent.core.reference import NAME, encode, reference_of
from agent.core.sequential import needed
from agent.life.words import NotNow, Unknown
from cloud_sync import manifest

LEAD = needed(0.05)


def kept(line) -> dict:
    return json.loads((line.folder / "life.json").read_bytes())["models"]


def test_a_good_version_goes_through_all_states_and_is_confirmed(begun):
    """Each is told, written down and reported; the old model works until the new one has taken over, and is let go with the confirmation."""
    line = begun.line
    assert [(event.what, event.version) for event in begun.events] == [("shadow", "1.1.0")]
    assert line.see("a") == "1.0.0"
    assert kept(line)["m"]["state"] == "shadow"
    begun.to_canary()
    assert line.shadows["a"].is_over
    assert line.canaries["a"].share == 0.25
    assert line.canaries["a"].model is line.shadows["a"].model, "it is not loaded twice"
    assert (line.see("a"), line.store.active("m")) == ("1.0.0", begun.old)
    line.predicted("a", begun.new, count=5)
    line.turn(after_s=30)
    assert (line.see("a"), line.store.active("m"), line.store.previous("m")) == ("1.1.0", begun.new, begun.old)
    assert kept(line)["m"]["state"] == "active"
    line.predicted("a", begun.new, count=100)
    line.turn(after_s=600)
    assert kept(line) == {}
    assert line.moves == [("canary", "1.1.0"), ("activated", "1.1.0"), ("confirmed", "1.1.0")]
    assert [state for _, version, state in line.candidates] == ["staged", "verified", "shadow", "canary"]
    line.turn()
    assert line.life.on_trial() == {}


@pytest.mark.parametrize("enough", [{"count": 9, "after_s": 600}, {"count": 50, "after_s": 59}])
def test_it_stays_in_its_shadow_until_number_and_time_are_enough(begun, enough):
    """Nothing is decided by few frames, or by many of few parts."""
    begun.compare(enough["count"])
    begun.line.turn(after_s=enough["after_s"])
    assert begun.line.life.status()["m"]["state"] == "shadow"


def test_disagreement_waits_for_feedback_is_told_and_feedback_decides(begun):
    """For the candidate, when people say that it is right."""
    line = begun.line
    ids = begun.compare(20, active="accept", candidate="reject")
    line.turn(after_s=60)
    line.turn(after_s=60)
    assert line.life.status()["m"]["state"] == "shadow"
    assert line.moves == []
    for name in ids[:LEAD]:
        assert "1.1.0" in line.life.words.feedback(Feedback(name, "wrong", decision="reject"))
    line.turn()
    assert line.life.status()["m"]["state"] == "canary"


def test_a_candidate_that_feedback_finds_worse_is_rejected_and_never_decides_a_frame(begun):
    """It is not staged again, and the registry hears why."""
    line = begun.line
    for name in begun.compare(20, active="accept", candidate="reject")[:LEAD]:
        line.life.words.feedback(Feedback(name, "right"))
    line.turn()
    assert line.moves == [("rejected", "1.1.0")]
    assert "worse" in line.store.rejected()["m"].reason
    assert (line.store.staged(), line.store.active("m"), line.see("a")) == ({}, begun.old, "1.0.0")
    assert line.candidates[-1] == ("m", "1.1.0", "rejected")
    assert kept(line) == {}


def test_feedback_counts_once_and_only_for_what_is_known(begun):
    """A broker may give a message twice, and an operator may err in the id."""
    [name] = begun.compare(1, active="accept", candidate="reject")
    words = begun.line.life.words
    words.feedback(Feedback(name, "right"))
    assert "before" in words.feedback(Feedback(name, "right"))
    assert begun.line.life.status()["m"]["counts"]["worse"] == 1
    with pytest.raises(Unknown, match="no recent prediction"):
        words.feedback(Feedback("0193", "wrong"))


def test_nothing_stays_in_a_state_beyond_its_deadline(begun):
    """The line stands still: the old model stays."""
    begun.line.turn(after_s=3601)
    assert begun.line.moves == [("rejected", "1.1.0")]
    assert "shadow was not over after 1 h" in begun.line.store.rejected()["m"].reason


@pytest.mark.parametrize("state", ["shadow", "canary"])
def test_a_candidate_that_fails_ends_there(begun, state):
    """What the pipeline says of it is the reason."""
    if state == "canary":
        begun.to_canary()
    stages = begun.line.shadows if state == "shadow" else begun.line.canaries
    stages["a"].fault = "the interpreter failed"
    begun.line.turn()
    assert begun.line.moves[-1] == ("rejected", "1.1.0")
    assert "pipeline a: the interpreter failed" in begun.line.store.rejected()["m"].reason
    assert begun.line.see("a") == "1.0.0"


def test_a_model_that_hangs_in_its_shadow_is_not_used_or_closed_by_anybody(begun):
    """It may be in a call for ever; another one is loaded for the canary."""
    begun.line.shadows["a"].comes_back = False
    begun.to_canary()
    assert begun.line.canaries["a"].model is not begun.line.shadows["a"].model


def test_drift_that_was_there_before_is_no_fault_of_a_version(begun):
    """The lamp was changed before it came."""
    begun.line.life.drifts("a", "inputs: PSI 0.4")
    begun.to_bake()
    begun.line.turn()
    assert begun.line.life.status()["m"]["state"] == "active"


BAKE_FAULTS = {
    "decides otherwise": lambda begun: begun.line.predicted("a", begun.new, "reject", count=60),
    "makes nothing of frames": lambda begun: begun.line.predicted("a", begun.new, quality="bad", count=10),
    "drifts": lambda begun: begun.line.life.drifts("a", "scores: PSI 0.4"),
    "an operator": lambda begun: begun.line.life.words.say("m", "return"),
    "called wrong": lambda begun: [
        begun.line.life.words.feedback(Feedback(name, "wrong"))
        for name in begun.line.predicted("a", begun.new, count=5)
    ],
}


@pytest.mark.parametrize("fault", BAKE_FAULTS)
def test_one_that_fails_in_its_bake_time_is_returned_from_with_the_next_frame(begun, fault):
    """The model that was kept is at work again, by one record, and the version is not tried again."""
    line = begun.line
    begun.to_bake(reference=200)
    assert line.see("a") == "1.1.0"
    line.turn(after_s=61)
    BAKE_FAULTS[fault](begun)
    line.turn()
    assert line.see("a") == "1.0.0"
    assert (line.store.active("m"), line.store.previous("m")) == (begun.old, None)
    assert line.store.rejected()["m"].digest == begun.new.digest
    assert line.moves[-1] == ("returned", "1.1.0")
    assert line.candidates[-1] == ("m", "1.1.0", "rejected")
    assert line.said[-1] == ("m", "1.0.0", "active")
    assert kept(line) == {}
    assert line.adoption.adopt() == []


def test_a_pipeline_that_fails_with_it_goes_back_at_once(begun, monkeypatch):
    """Not at its next try of the same model."""
    line = begun.line
    begun.to_bake()
    model = begun.line.canaries["a"].model

    def fails(_prepared):
        raise ModelRefused("the interpreter failed")

    monkeypatch.setattr(model, "infer", fails)
    line.put("a")
    line.wait(lambda: line.runners["a"].state == "failed")
    line.turn()
    assert line.moves[-1] == ("returned", "1.1.0")
    assert "pipeline a failed with it" in line.store.rejected()["m"].reason
    line.wait(lambda: line.runners["a"].state == "ok")
    line.put("a")
    line.wait(lambda: line.made["a"] and line.made["a"][-1][1] == "1.0.0")


def test_a_first_version_that_is_worse_goes_on_and_is_told(make_line):
    """A line without a model is no better off."""
    line = make_line()
    line.start()
    first = stage(line.store, line.version("1.0.0"))
    assert [event.what for event in line.adoption.adopt()] == ["activated"]
    with pytest.raises(NotNow, match="first version"):
        line.life.words.say("m", "return")
    line.life.drifts("a", "scores")
    line.turn()
    assert (line.see("a"), line.store.active("m")) == ("1.0.0", first)
    assert line.findings == [("m", "worse-and-alone")]


def test_an_operator_may_hold_confirm_and_return(begun):
    """A held version stays; a confirmed one goes on to be active, and then to be confirmed; neither is watched by number any more."""
    line, words = begun.line, begun.line.life.words
    words.say("m", "hold")
    begun.to_canary()
    assert line.life.status()["m"]["state"] == "shadow"
    assert (words.say("m", "confirm").state, line.turn()) == ("shadow", None)
    assert line.see("a") == "1.1.0"
    words.say("m", "confirm")
    line.turn()
    assert line.life.on_trial() == {}
    for word in ("hold", "confirm"):
        with pytest.raises(NotNow):
            words.say("m", word)
    assert "previous version comes back" in words.say("m", "return").will
    line.turn()
    assert (line.see("a"), line.store.active("m")) == ("1.0.0", begun.old), "long after it was confirmed"
    with pytest.raises(NotNow, match="no previous"):
        words.say("m", "return")
    with pytest.raises(Unknown):
        words.say("x", "return")


def test_no_word_skips_what_is_proved_in_a_child_process(begun):
    """While it is judged there is nothing to confirm."""
    begun.line.life.words.say("m", "return")
    begun.line.turn()
    begun.line.life.words.judging["m"] = "1.2.0"
    with pytest.raises(NotNow, match="is being judged"):
        begun.line.life.words.say("m", "confirm")


def test_a_later_version_takes_the_place_of_one_that_is_not_active_yet(begun):
    """That is no fault of the earlier one."""
    line = begun.line
    stage(line.store, line.version("1.2.0"))
    assert [(event.what, event.version) for event in line.adoption.adopt()] == [
        ("superseded", "1.1.0"),
        ("shadow", "1.2.0"),
    ]
    assert line.store.rejected() == {}


def test_one_that_is_not_assigned_any_more_is_let_go(begun):
    """The registry has thought better of it."""
    begun.line.store.want({})
    assert [event.what for event in begun.line.adoption.adopt()] == ["superseded"]
    assert begun.line.life.on_trial() == {}


def test_a_later_version_waits_until_the_active_one_is_confirmed(begun):
    """Else nobody knew which of them to return to."""
    line = begun.line
    begun.to_bake()
    stage(line.store, line.version("1.2.0"))
    assert line.adoption.adopt() == []
    line.turn()
    assert line.candidates[-1] == ("m", "1.2.0", "verified")
    line.life.words.say("m", "confirm")
    line.turn()
    assert line.moves[-2:] == [("confirmed", "1.1.0"), ("shadow", "1.2.0")]


def test_all_pipelines_of_a_model_take_it_or_none(make_line):
    """A fault in the shadow of one ends it in the other."""
    line = make_line(a={"model": "m"}, b={"model": "m"})
    begun = Begun(line)
    assert set(line.shadows) == {"a", "b"}
    line.shadows["b"].fault = "it crashed"
    line.turn()
    assert line.shadows["a"].is_over
    assert [line.see("a"), line.see("b")] == ["1.0.0", "1.0.0"]
    assert line.store.active("m") == begun.old


def test_a_canary_decides_in_the_pipelines_that_it_was_given_and_in_no_other(make_line):
    """All of their frames, if that was asked for; the others go on with the active version alone until the new one is active."""
    line = make_line(a={"model": "m"}, b={"model": "m"}, spared=["b"], gates={"canary_share": 1.0})
    begun = Begun(line)
    assert set(line.shadows) == {"a", "b"}, "comparing costs no decision"
    begun.to_canary()
    assert {name: stage.share for name, stage in line.canaries.items()} == {"a": 1.0}
    assert line.shadows["b"].is_over
    line.predicted("b", begun.old, "reject", count=500, quality="bad")
    line.turn(after_s=30)
    assert line.life.status()["m"]["state"] == "canary", "what another one decides there proves nothing of it"
    assert "others" not in line.life.status()["m"]["counts"]
    line.predicted("a", begun.new, count=5)
    line.turn()
    assert [line.see("a"), line.see("b")] == ["1.1.0", "1.1.0"]


def test_what_the_active_version_decides_in_spared_pipelines_is_a_reference(make_line):
    """A new one that decides otherwise in its bake time is found out by it."""
    line = make_line(a={"model": "m"}, b={"model": "m"}, spared=["b"])
    begun = Begun(line)
    begun.to_canary()
    line.predicted("b", begun.old, "reject", count=200)
    line.predicted("a", begun.new, count=5)
    line.turn(after_s=30)
    line.predicted("a", begun.new, count=60)
    line.turn(after_s=61)
    assert line.moves[-1] == ("returned", "1.1.0")
    assert "its reference of" in line.store.rejected()["m"].reason


def test_the_tightest_of_bundle_assignment_and_configuration_holds(make_line):
    """The configuration asks for 10 frames, the bundle for 20."""
    line = make_line()
    activated(line.store, line.version("1.0.0"))
    line.start()
    folder = line.version("1.1.0", toml="[gates]\nshadow_frames = 20\nbake_s = 1\n")
    version = stage(line.store, folder, want=False)
    line.store.want({"m": type(version)(version.name, version.version, version.digest, {"canary_frames": 7})})
    line.adoption.adopt()
    gates = line.life.status()["m"]["gates"]
    assert [gates[name] for name in ("shadow_frames", "canary_frames", "bake_s")] == [20, 7, 600]


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("[budget]\np99_ms = 0.0001\n", "its budget is 0.0001 ms"),
        ("[gates]\nmemory_headroom_bytes = 1000000000000000\n", "must be left"),
    ],
)
def test_what_is_too_slow_or_too_large_for_this_device_is_not_verified(make_line, toml, words):
    """It never sees a frame."""
    line = make_line()
    activated(line.store, line.version("1.0.0"))
    line.start()
    stage(line.store, line.version("1.1.0", toml=toml))
    [event] = line.adoption.adopt()
    assert event.what == "rejected"
    assert words in event.reason
    assert line.shadows == {}


def test_a_version_that_loads_for_no_pipeline_is_rejected(make_line):
    """Its shadow cannot begin."""
    line = make_line(a={"model": "m", "decision": {"reject": {"label": "bright", "min_score": 0.6}}})
    activated(line.store, line.version("1.0.0"))
    line.start()
    stage(line.store, line.version("1.1.0", labels=("dark", "light"), model=tiny_models.classifier(seed=9)))
    assert [event.what for event in line.adoption.adopt()] == ["rejected"]


@pytest.mark.parametrize(
    ("of_old", "of_new", "expected"), [(True, True, 1.8), (False, True, 0.9), (False, False, None)]
)
def test_numbers_are_compared_by_the_spread_of_the_version_at_work(make_line, of_old, of_new, expected):
    """As its bundle's reference says; else by that of the new one; else by nothing known."""
    line = make_line()
    for version, has, width in (("1.0.0", of_old, 2), ("1.1.0", of_new, 1)):
        folder = line.version(version)
        if has:
            known = reference_of([width * k / 100 for k in range(101)], [], ["accept"] * 101, label=None)
            (folder / NAME).write_bytes(encode(known))
            manifest.write(folder, manifest.describe(folder, "m", version))
        if version == "1.0.0":
            activated(line.store, folder)
            line.start()
        else:
            stage(line.store, folder)
    line.adoption.adopt()
    assert line.shadows["a"].spread == (expected and pytest.approx(expected))


@pytest.mark.parametrize(("same", "state"), [(True, "canary"), (False, "shadow")])
def test_models_that_decide_nothing_wait_for_feedback_too_where_they_find_something_else(begun, same, state):
    """Who is asked is told the two numbers."""
    for _ in range(10):
        begun.line.shadows["a"].pair(None, None, same=same)
    begun.line.turn(after_s=61)
    shown = begun.line.life.status()["m"]
    assert shown["state"] == state
    expected = [] if same else [("0.5", "0.5")] * 10
    assert [(one["active"], one["candidate"]) for one in shown["disputed"]] == expected
