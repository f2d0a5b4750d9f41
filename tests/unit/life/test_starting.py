"""What a start makes of the runs before it: a version that takes the agent down is given up before it is loaded again, and no other."""

from __future__ import annotations

import pytest
from adopting import Begun
from stocking import activated, stage

from agent.core.feedback import Feedback
from agent.life.journal import Journal, Record
from agent.life.starting import begin, ended
from cloud_sync.store import ModelStore, StoreBusy

CRASH = {"crash_runs": 3.0, "crash_window_s": 600.0}


class Device:
    """Starts over one state directory, none of which loads a model."""

    def __init__(self, tmp_path, line) -> None:
        self.folder, self.store = tmp_path, ModelStore(tmp_path)
        self.old = activated(self.store, line.version("1.0.0"))
        self.new = stage(self.store, line.version("1.1.0"))

    def journal(self, state, **more) -> None:
        """What the first run has left behind."""
        journal = Journal(self.folder)
        fields = {"gates": CRASH} | more
        journal.records["m"] = Record("1.1.0", self.new.digest, state, "", **fields)
        journal.write()

    def start(self) -> list[str]:
        return [event.what for event in begin(self.store, Journal(self.folder))]

    def record(self) -> Record | None:
        journal = Journal(self.folder)
        journal.read()
        return journal.records.get("m")


@pytest.fixture
def device(tmp_path, make_line):
    """One with 1.0.0 at work and 1.1.0 staged."""
    return Device(tmp_path, make_line())


def test_an_active_version_that_took_three_runs_down_is_returned_from_before_it_is_loaded_again(device):
    """The run that activated it counts; one record makes the previous version active."""
    device.store.activate({"m": device.new})
    device.journal("active")
    assert [device.start(), device.start()] == [[], []]
    assert device.store.active("m") == device.new
    assert device.start() == ["returned"]
    assert (device.store.active("m"), device.store.previous("m")) == (device.old, None)
    assert "3 runs" in device.store.rejected()["m"].reason
    assert device.record() is None
    assert device.start() == []


@pytest.mark.parametrize("state", ["shadow", "canary"])
def test_a_candidate_that_took_three_runs_down_is_rejected(device, state):
    """It is not judged and loaded beside the active one again."""
    device.journal(state)
    assert [device.start() for _ in range(3)] == [[], [], ["rejected"]]
    assert device.store.staged() == {}
    assert device.store.active("m") == device.old


def test_runs_that_end_cleanly_are_nobodys_fault(device):
    """A machine is restarted, or a plant is switched off with care."""
    device.store.activate({"m": device.new})
    device.journal("active")
    for _ in range(5):
        journal = Journal(device.folder)
        assert begin(device.store, journal) == []
        ended(journal)
    assert device.record().runs == 0


def test_a_version_that_has_worked_for_long_has_not_crashed_the_agent(device):
    """Something else takes it down."""
    device.store.activate({"m": device.new})
    device.journal("active", spent_s=601.0, runs=9)
    assert device.start() == []
    assert device.record().runs == 1, "and a later state begins with no runs before it"


def test_one_with_nothing_before_it_is_not_loaded_again_either(device):
    """The pipelines of other models have a right to work."""
    device.store.give_back({"m": device.old.digest})
    device.store.activate({"m": device.new})
    device.journal("active", runs=3)
    assert device.start() == ["returned"]
    assert device.store.active("m") is None


def test_a_kill_between_the_two_records_of_a_change_costs_nothing(device):
    """The store is right: what it says is active is watched as such."""
    device.journal("canary", spent_s=99.0)
    device.store.activate({"m": device.new})
    assert device.start() == []
    assert (device.record().state, device.record().spent_s) == ("active", 0.0)


def test_a_kill_between_the_two_records_of_a_return_is_made_up_for(device):
    """It was rejected, so the one before it works."""
    device.store.activate({"m": device.new})
    device.journal("active")
    device.store.reject("m", device.new.digest, "it decides otherwise")
    assert device.start() == ["returned"]
    assert device.store.active("m") == device.old


def test_what_somebody_else_has_made_active_is_not_watched(device):
    """A record of what is not active any more says nothing."""
    device.journal("active")
    assert device.start() == []
    assert device.record() is None


def test_a_disk_that_takes_nothing_stops_no_start(device, monkeypatch):
    """It is tried again by the next one."""
    device.store.activate({"m": device.new})
    device.journal("active", runs=3)

    def full(*_):
        raise StoreBusy("locked")

    monkeypatch.setattr(device.store, "give_back", full)
    assert device.start() == []
    assert device.record() is not None


def test_the_next_start_goes_on_where_the_last_one_was(make_line):
    """Time, counts and feedback of a shadow are not lost with the agent; its models are loaded anew."""
    first = make_line()
    begun = Begun(first)
    [name, *_] = begun.compare(7, active="accept", candidate="reject")
    first.life.words.feedback(Feedback(name, "wrong"))
    first.turn(after_s=50)
    first.end()
    second = make_line()
    second.start()
    assert [event.what for event in second.adoption.adopt()] == ["shadow"]
    shown = second.life.status()["m"]
    assert (shown["spent_s"], shown["counts"]) == (50.0, {"better": 1, "disagreed": 7, "frames": 7, "tried reject": 7})


def test_a_bake_time_goes_on_after_a_restart_and_can_still_end_in_a_return(make_line):
    """The previous version is loaded again for it."""
    first = make_line()
    begun = Begun(first)
    begun.to_bake()
    first.end()
    second = make_line()
    second.start()
    assert second.see("a") == "1.1.0"
    second.turn()
    assert second.life.status()["m"]["state"] == "active"
    second.life.words.say("m", "return")
    second.turn()
    assert second.see("a") == "1.0.0"
    assert second.store.active("m") == begun.old
