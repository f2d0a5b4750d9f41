"""What a sync has staged on its way into work: judged, loaded for all pipelines, recorded, taken; and rejected wherever something is wrong."""

from __future__ import annotations

import time

import numpy as np
import pytest
import tiny_models
from inspecting import LONG_S
from stocking import activated, stage, version_folder

from agent.core.frames import Frame
from agent.core.mailbox import Mailbox
from agent.models.execution import TrialLimits
from agent.models.settings import ModelSettings, RuntimeSettings
from agent.models.shelf import ModelShelf
from agent.models.trial import Prover
from agent.pipeline.inspector import Identity
from agent.pipeline.intake import Intake, Job
from agent.pipeline.runner import Feed, PipelineRunner
from agent.pipeline.settings import PipelineSettings
from agent.sync.adoption import Adoption
from cloud_sync.store import ModelStore, StoreBusy

MODEL = tiny_models.classifier()
RIGHT = {"dark": 0, "bright": 255}
WRONG = {"dark": 255, "bright": 0}


class Line:
    """Pipelines of models that come from a registry, over one store."""

    def __init__(self, tmp_path, pipelines, prover) -> None:
        self.folder = tmp_path
        self.store = ModelStore(tmp_path)
        self.said, self.candidates, self.made, self.boxes = [], [], {}, {}
        names = {table["model"] for table in pipelines.values()}
        models = {name: ModelSettings(registry=name) for name in names}
        runtime = RuntimeSettings()
        self.shelf = ModelShelf(
            models,
            runtime,
            prover,
            store=self.store,
            on_version=lambda name, version: self.said.append((name, version.version, version.state)),
            on_finding=lambda *_: None,
        )
        self.runners = {name: self._runner(name, table) for name, table in pipelines.items()}
        self.adoption = Adoption(
            self.store,
            self.shelf,
            prover,
            models=models,
            pipelines=self.runners,
            trial=runtime.limits(),
            golden=TrialLimits(),
            on_candidate=lambda name, version: self.candidates.append((name, version.version, version.state)),
        )

    def _runner(self, name, table):
        self.made[name], self.boxes[name] = [], Mailbox(1000, "wait")

        def send(prediction, **_) -> None:
            self.made[name].append((prediction.seq, prediction.model.version))

        settings = PipelineSettings.model_validate({"source": "s", **table})
        return PipelineRunner(
            name,
            settings,
            Feed(self.boxes[name], Intake(), finite=True, shared=False),
            load=lambda: self.shelf.load(settings),
            sink=type("Sink", (), {"send": staticmethod(send)})(),
            identity=Identity("dev", "session-1", lambda: "synced"),
        )

    def version(self, version, *, name="m", model=MODEL, **more):
        more["model"] = model
        return version_folder(self.folder / f"{name}-{version}", version, name=name, **more)

    def start(self) -> None:
        for runner in self.runners.values():
            runner.start()
        self.wait(lambda: all(runner.state in ("ok", "failed") for runner in self.runners.values()))

    def see(self, name) -> str:
        """Have a pipeline look at one more frame: the version that did."""
        count = len(self.made[name])
        pixels = np.zeros((8, 8, 3), np.uint8)
        assert self.boxes[name].put(Job(Frame(pixels, count, time.time_ns(), time.perf_counter_ns())), LONG_S)
        self.wait(lambda: len(self.made[name]) > count)
        seq, version = self.made[name][-1]
        assert seq == count
        return version

    def wait(self, until) -> None:
        until_s = time.monotonic() + LONG_S
        while not until():
            assert time.monotonic() < until_s
            time.sleep(0.002)

    def end(self) -> None:
        for name, runner in self.runners.items():
            self.boxes[name].close()
            assert runner.join(LONG_S)


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
    return [(event.what, event.model, event.version) for event in events]


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
    assert line.said == [("m", "1.0.0", "active"), ("m", "1.1.0", "active")]
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
    """With its reason, and it is not judged again."""
    line = line(a={"model": "m"})
    old = activated(line.store, line.version("1.0.0"))
    line.start()
    new = stage(line.store, line.version("1.1.0", **more))
    [event] = line.adoption.adopt()
    assert (event.what, event.version) == ("rejected", "1.1.0")
    assert words in event.reason
    assert line.store.rejected()["m"].digest == new.digest
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
    """One record for the set of those that prove themselves."""
    line = line(a={"model": "m"}, b={"model": "n"}, c={"model": "o"})
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
    assert outcome(line.adoption.adopt()) == [("activated", "m", "1.1.0")]
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
