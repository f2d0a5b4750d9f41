"""Versions at awkward moments: after a long quiet time, on a disk that is full, while somebody speaks, with half a set that does not load."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from adopting import Begun, Together
from stocking import activated, stage

from agent.core.errors import ModelRefused

ONE_SOURCE = {"a": {"model": "m"}, "b": {"model": "n"}}
DAY_S = 86400


def refuse(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_time_in_which_nothing_was_on_trial_is_no_time_of_a_version(make_line):
    """Weeks after the last one a new version comes to its shadow, with all of its time and its deadline before it."""
    line = make_line()
    activated(line.store, line.version("1.0.0"))
    line.start()
    line.turn()
    line.now_s += 30 * DAY_S
    stage(line.store, line.version("1.1.0"))
    assert [event.what for event in line.adoption.adopt()] == ["shadow"]
    assert line.life.status()["m"]["spent_s"] == 0
    line.turn(after_s=10)
    assert line.life.status()["m"]["spent_s"] == 10


@pytest.mark.parametrize("disk", ["is free again", "stays full"])
def test_a_return_that_cannot_be_recorded_is_recorded_later_or_by_the_next_start(make_line, monkeypatch, disk):
    """The worse model does not come back by itself."""
    line = make_line()
    begun = Begun(line)
    begun.to_bake()
    line.life.words.say("m", "return")
    with monkeypatch.context() as patch:
        patch.setattr(line.store, "give_back", refuse)
        line.turn()
        assert (line.see("a"), line.store.active("m")) == ("1.0.0", begun.new)
    if disk == "is free again":
        line.turn()
        assert line.store.active("m") == begun.old
    line.end()
    after = make_line()
    after.start()
    assert (after.see("a"), after.store.active("m")) == ("1.0.0", begun.old)
    assert after.journal.records == {}


def test_a_word_that_comes_while_a_version_is_moved_is_heeded(make_line, monkeypatch):
    """It was acknowledged."""
    line = make_line()
    activated(line.store, line.version("1.0.0"))
    line.start()
    stage(line.store, line.version("1.1.0"))
    load = line.shelf.load_beside

    def slowly(*what):
        line.life.words.say("m", "return")
        return load(*what)

    monkeypatch.setattr(line.shelf, "load_beside", slowly)
    line.adoption.adopt()
    line.turn()
    assert line.store.rejected()["m"].reason == "returned by an operator"


def test_one_that_waits_for_its_set_may_be_held(make_line, monkeypatch):
    """Before its first step, too; it is on the disk, and not for ever."""
    line = make_line(**ONE_SOURCE)
    for name in "mn":
        activated(line.store, line.version("1.0.0", name=name))
    line.start()
    line.store.want({name: stage(line.store, line.version("1.1.0", name=name), want=False) for name in "mn"})
    judge = line.adoption._judged

    def without_shadow(version, tables):
        verified = judge(version, tables)
        return replace(verified, gates=replace(verified.gates, shadow_frames=0)) if version.name == "m" else verified

    monkeypatch.setattr(line.adoption, "_judged", without_shadow)
    line.adoption.adopt()
    line.life.words.say("m", "hold")
    line.turn()
    assert json.loads((line.folder / "life.json").read_bytes())["models"]["m"]["word"] == "hold"
    for _ in range(10):
        line.shadows["b"].pair("accept", "accept")
    line.turn(after_s=60)
    assert {name: trial["state"] for name, trial in line.life.status().items()} == {"m": "verified", "n": "shadow"}
    line.life.words.say("m", "confirm")
    line.turn()
    assert line.life.status()["n"]["state"] == "canary", "nothing holds the set any more"


def test_a_set_of_which_one_does_not_load_after_a_restart_returns_at_once(make_line, monkeypatch):
    """Half of it would decide until the bake time is over."""
    first = make_line(**ONE_SOURCE)
    together = Together(first)
    together.to_bake()
    first.end()
    second = make_line(**ONE_SOURCE)
    load = second.shelf._load_version

    def unless_new(name, version, pipeline):
        if (name, version.version) == ("m", "1.1.0"):
            raise ModelRefused("no memory just now")
        return load(name, version, pipeline)

    monkeypatch.setattr(second.shelf, "_load_version", unless_new)
    second.start()
    assert (second.see("a"), second.see("b")) == ("1.0.0", "1.1.0")
    second.turn()
    assert (second.see("a"), second.see("b")) == ("1.0.0", "1.0.0")
    assert "does not load any more" in second.store.rejected()["m"].reason


def test_one_that_comes_to_work_while_another_of_its_set_is_judged_stays(make_line, monkeypatch):
    """It is watched like any other, and the other one's fault is none of its own."""
    line = make_line(**ONE_SOURCE)
    for name in "mn":
        activated(line.store, line.version("1.0.0", name=name))
    line.start()
    new = {name: stage(line.store, line.version("1.1.0", name=name), want=False) for name in "mn"}
    line.store.want({"m": new["m"]})
    line.adoption.adopt()
    for _ in range(10):
        line.shadows["a"].pair("accept", "accept")
    line.turn(after_s=60)
    line.predicted("a", new["m"], count=5)
    line.store.want(new)

    def judged(*_):
        line.turn(after_s=30)
        raise ModelRefused("its golden samples say no")

    monkeypatch.setattr(line.adoption, "_judged", judged)
    line.adoption.adopt()
    assert list(line.store.rejected()) == ["n"]
    line.end()
    after = make_line(**ONE_SOURCE)
    assert (after.began, after.store.active("m")) == ([], new["m"])
    after.start()


def test_a_child_process_that_ends_with_the_agent_rejects_nothing(begun, monkeypatch):
    """Ctrl-C and a shutdown reach it too."""
    line = begun.line
    stage(line.store, line.version("1.2.0"))
    stops = iter([False, True])

    def judged(*_):
        raise ModelRefused("it ended the runtime (SIGINT)")

    monkeypatch.setattr(line.adoption, "_judged", judged)
    assert line.adoption.adopt(lambda: next(stops)) == []
    assert line.store.rejected() == {}
