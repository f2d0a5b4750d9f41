"""The agent is gone at each write and each offer of a change: the next start works with what the store names, and comes to the same end."""

from __future__ import annotations

import pytest
from adopting import Begun
from stocking import activated, stage

from agent.life import journal as journals
from agent.pipeline.runner import PipelineRunner
from cloud_sync.store import store as stores


class Killed(BaseException):
    """Nothing of ours catches it."""


class Knife:
    """Counts the writes and offers of a change, and cuts at the n-th, before it or after it."""

    def __init__(self, monkeypatch, number) -> None:
        self._left = number
        for owner, name in ((journals, "write_atomically"), (stores, "write_atomically"), (PipelineRunner, "offer")):
            monkeypatch.setattr(owner, name, self._cutting(getattr(owner, name)))

    def _cutting(self, call):
        def cut(*arguments):
            self._step()
            done = call(*arguments)
            self._step()
            return done

        return cut

    def _step(self) -> None:
        self._left -= 1
        if self._left == 0:
            raise Killed


def cut(monkeypatch, number, change) -> bool:
    """Whether the change came to that step."""
    with monkeypatch.context() as patch:
        Knife(patch, number)
        try:
            change()
        except Killed:
            return True
    return False


def agree(line) -> str:
    """The next start: what its pipeline works with is what the store names."""
    line.start()
    version = line.see("a")
    assert version == line.store.active("m").version
    return version


@pytest.mark.parametrize("number", range(1, 10))
def test_a_kill_at_any_step_of_an_activation_leaves_one_version_and_converges(make_line, monkeypatch, number):
    """The old one or the new one; and then the new one, which is watched."""
    gates = {"shadow_frames": 0, "canary_frames": 0}
    first = make_line(gates)
    activated(first.store, first.version("1.0.0"))
    first.start()
    stage(first.store, first.version("1.1.0"))
    was_cut = cut(monkeypatch, number, first.adoption.adopt)
    assert was_cut == (number <= 8), "the journal, a record, an offer, the journal"
    first.is_killed = True
    first.end()
    second = make_line(gates)
    assert agree(second) in ("1.0.0", "1.1.0")
    second.adoption.adopt()
    second.turn()
    assert (second.see("a"), second.store.active("m").version) == ("1.1.0", "1.1.0")
    assert second.store.previous("m").version == "1.0.0"
    assert second.life.status()["m"]["state"] == "active"


@pytest.mark.parametrize("number", range(1, 12))
def test_a_kill_at_any_step_of_a_return_does_not_unsay_it(make_line, monkeypatch, number):
    """Once somebody has said so, the old version works again, and the new one is not tried any more."""
    first = make_line()
    begun = Begun(first)
    begun.to_bake()
    first.life.words.say("m", "return")
    was_cut = cut(monkeypatch, number, first.turn)
    assert was_cut == (number <= 10), "the word, an offer, two records, the journal"
    first.is_killed = True
    first.end()
    second = make_line()
    agree(second)
    second.turn()
    second.adoption.adopt()
    if number == 1:  # the word was not on the disk yet, and the version is still watched
        assert second.life.status()["m"]["state"] == "active"
        return
    assert (second.see("a"), second.store.active("m")) == ("1.0.0", begun.old)
    assert second.store.staged() == {}
    assert second.store.rejected()["m"].digest == begun.new.digest
    assert second.life.on_trial() == {}
