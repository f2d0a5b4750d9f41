"""What a sync has staged on its way into work: judged, loaded for all pipelines, recorded, taken; and rejected wherever something is wrong."""

from __future__ import annotations

import pytest
import tiny_models
from adopting import RIGHT, WRONG, Line
from stocking import activated, stage

from agent.models.trial import Prover
from cloud_sync.store import StoreBusy


@pytest.fixture(scope="module")
def prover(tmp_path_factory):
    """One memory of what was tried, for all tests."""
    return Prover(tmp_path_factory.mktemp("proven"))


@pytest.fixture
def line(tmp_path, prover):
    """Makes one, and ends it."""
    made = []

    def make(**pipelines):
        made.append(Line(tmp_path, pipelines, prover))
        return made[0]

    yield make
    for each in made:
        each.end()


def outcome(events):
    """What became of versions; all gates are open, so what is active is confirmed at once."""
    return [(event.what, event.model, event.version) for event in events if event.what != "confirmed"]


def test_a_version_that_proves_itself_is_taken_by_all_pipelines_of_its_model(line):
    """One after the other at their next frame; the record names it, what was before is `previous`, and numbers go on."""
    line = line(a={"model": "m"}, b={"model": "m"})
    old = activated(line.store, line.version("1.0.0"))
    line.start()
    assert [line.see("a"), line.see("b")] == ["1.0.0", "1.0.0"]
    new = stage(line.store, line.version("1.1.0", golden=RIGHT))
    assert outcome(line.adoption.adopt()) == [("activated", "m", "1.1.0")]
    assert [line.see("a"), line.see("b")] == ["1.1.0", "1.1.0"]
    assert (line.store.active("m"), line.store.previous("m")) == (new, old)
    assert line.candidates == [("m", "1.1.0", "staged"), ("m", "1.1.0", "verified")]
    assert line.said == [("m", "1.0.0", "active"), ("m", "1.1.0", "active"), ("m", "1.1.0", "active")], "and confirmed"
    assert line.adoption.adopt() == []


def test_the_first_version_starts_the_pipeline_that_waits_for_it(line):
    """At once, not at its next try."""
    line = line(a={"model": "m"})
    line.start()
    assert line.runners["a"].state == "failed"
    stage(line.store, line.version("1.0.0"))
    assert outcome(line.adoption.adopt()) == [("activated", "m", "1.0.0")]
    assert line.see("a") == "1.0.0"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"golden": WRONG}, "0 of 2 golden samples"),
        ({"model": tiny_models.unresolved_custom_op()}, "NoSuchOperator"),
        ({"model": tiny_models.crashing()}, "SIGSEGV"),
        ({"model": tiny_models.segmenter()}, "expects scores"),
        ({"model": b"junk"}, "TFLite"),
    ],
    ids=["golden samples", "refused", "crashes", "does not fit", "junk"],
)
def test_one_that_does_not_prove_itself_is_rejected_and_the_old_one_goes_on(line, more, words):
    """With its reason, which names no folder of this device, and it is not judged again."""
    line = line(a={"model": "m"})
    old = activated(line.store, line.version("1.0.0"))
    line.start()
    new = stage(line.store, line.version("1.1.0", **more))
    [event] = line.adoption.adopt()
    assert (event.what, event.version) == ("rejected", "1.1.0")
    assert words in event.reason
    assert new.digest not in event.reason
    assert (line.store.rejected()["m"].digest, line.store.rejected()["m"].reason) == (new.digest, event.reason)
    assert line.candidates[-1] == ("m", "1.1.0", "rejected")
    assert line.adoption.adopt() == []
    assert (line.see("a"), line.store.active("m")) == ("1.0.0", old)


def test_one_that_one_pipeline_cannot_have_is_taken_by_none(line):
    """The other one could: its decision fits."""
    own = {"reject": {"label": "bright", "min_score": 0.6}}
    line = line(a={"model": "m"}, b={"model": "m", "decision": own})
    activated(line.store, line.version("1.0.0"))
    line.start()
    folder = line.version("1.1.0")
    (folder / "labels.txt").write_text("dark\nlight\n")
    text = (folder / "model.toml").read_text().replace('label = "bright"', 'label = "light"')
    (folder / "model.toml").write_text(text)
    from cloud_sync import manifest

    manifest.write(folder, manifest.describe(folder, "m", "1.1.0"))
    stage(line.store, folder)
    [event] = line.adoption.adopt()
    assert event.what == "rejected"
    assert "bright" in event.reason
    assert [line.see("a"), line.see("b")] == ["1.0.0", "1.0.0"]


def test_several_models_are_recorded_at_once_and_a_faulty_one_holds_up_no_other(line, monkeypatch):
    """One record for those that prove themselves; the faulty one is of another line."""
    line = line(a={"model": "m"}, b={"model": "n"}, c={"model": "o", "source": "t"})
    for name in "mno":
        activated(line.store, line.version("1.0.0", name=name))
    line.start()
    staged = {name: stage(line.store, line.version("1.1.0", name=name), want=False) for name in "mn"}
    staged["o"] = stage(line.store, line.version("1.1.0", name="o", model=b"junk"), want=False)
    line.store.want(staged)
    records = []
    activate = line.store.activate
    monkeypatch.setattr(line.store, "activate", lambda versions: (records.append(sorted(versions)), activate(versions)))
    assert outcome(line.adoption.adopt()) == [
        ("rejected", "o", "1.1.0"),
        ("activated", "m", "1.1.0"),
        ("activated", "n", "1.1.0"),
    ]
    assert records == [["m", "n"]]
    assert [line.see(name) for name in "abc"] == ["1.1.0", "1.1.0", "1.0.0"]


def test_one_that_cannot_be_recorded_is_taken_by_nobody_and_tried_again(line, monkeypatch):
    """Else the next start would go back without a reason."""
    line = line(a={"model": "m"})
    activated(line.store, line.version("1.0.0"))
    line.start()
    stage(line.store, line.version("1.1.0"))

    def full(_):
        raise StoreBusy("locked")

    with monkeypatch.context() as patch:
        patch.setattr(line.store, "activate", full)
        assert outcome(line.adoption.adopt()) == [("postponed", "m", "1.1.0")]
        assert line.see("a") == "1.0.0"
    line.turn(after_s=60)
    assert outcome(line.events) == [("activated", "m", "1.1.0")]
    assert line.see("a") == "1.1.0"


def test_an_active_version_that_was_damaged_is_taken_when_it_has_been_fetched_again(line):
    """Until then the previous one works."""
    line = line(a={"model": "m"})
    activated(line.store, line.version("1.0.0"))
    new = activated(line.store, line.version("1.1.0"))
    place = line.store.folder(new.digest) / "labels.txt"
    place.chmod(0o644)
    place.write_text("x\ny\n")
    line.start()
    assert line.see("a") == "1.0.0"
    assert line.adoption.adopt() == []
    stage(line.store, line.folder / "m-1.1.0")
    assert outcome(line.adoption.adopt()) == [("activated", "m", "1.1.0")]
    assert line.see("a") == "1.1.0"


def test_nothing_is_begun_once_the_agent_stops(line):
    """What was staged is adopted by the next start."""
    line = line(a={"model": "m"})
    activated(line.store, line.version("1.0.0"))
    line.start()
    stage(line.store, line.version("1.1.0"))
    assert line.adoption.adopt(lambda: True) == []
    assert line.see("a") == "1.0.0"
