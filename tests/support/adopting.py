"""Pipelines of models that come from a registry, over one store, and the driver that moves versions in them; its thread is the test's."""

from __future__ import annotations

import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import tiny_models
from deadlines import LONG_S
from publishing import prediction
from stocking import activated, stage, version_folder

from agent.core.comparing import Pair, Verdict
from agent.core.frames import Frame
from agent.core.mailbox import Mailbox
from agent.core.times import new_id
from agent.life.driver import Life
from agent.life.journal import Journal
from agent.life.starting import begin
from agent.models.execution import TrialLimits
from agent.models.settings import ModelSettings, RuntimeSettings
from agent.models.shelf import ModelShelf
from agent.models.stored import tables_of
from agent.pipeline.inspector import Identity
from agent.pipeline.intake import Intake, Job
from agent.pipeline.runner import Feed, PipelineRunner
from agent.pipeline.settings import PipelineSettings
from agent.sync.adoption import Adoption
from cloud_sync.store import ModelStore

NONE = {"shadow_frames": 0, "shadow_s": 0, "canary_frames": 0, "canary_s": 0, "bake_frames": 0, "bake_s": 0}
"""Gates that are open: a version that proves itself is active and confirmed."""
MODEL = tiny_models.classifier()
RIGHT = {"dark": 0, "bright": 255}
WRONG = {"dark": 255, "bright": 0}


class Stage:
    """A shadow or a canary in a test's hands; the contract of `agent.pipeline.shadow` and `canary`."""

    def __init__(self, runner, model, *, on_pair=None, share, spread=None) -> None:
        self.runner, self.model, self.share, self.spread = runner, model, share, spread
        self.fault, self.is_over, self.comes_back = None, False, True
        self.counts = SimpleNamespace(slow=0, candidate=SimpleNamespace(frames=0))
        self._on_pair = on_pair

    def pair(self, active, candidate, *, fault=None, same=True) -> str:
        """One frame that both saw, with their decisions, and whether they found the same: the id of its prediction."""
        name = new_id()
        verdicts = Verdict(active, None, 0.5, 1.0), Verdict(candidate, None, 0.5, 1.0, fault)
        self._on_pair(Pair(self.runner.name, name, 0.0, *verdicts, same), None)
        return name

    def stop(self) -> bool:
        self.is_over = True
        return self.comes_back

    def end(self):
        return self

    def wait(self, _timeout_s) -> bool:
        return self.stop()


class Line:
    """Pipelines of models that come from a registry, over one store."""

    def __init__(self, tmp_path, pipelines, prover, *, gates=None, staged=False, spared=()) -> None:
        self.folder = tmp_path
        self.now_s = 0.0
        self.is_killed = False
        self.store = ModelStore(tmp_path)
        self.said, self.candidates, self.made, self.boxes = [], [], {}, {}
        names = {table["model"] for table in pipelines.values()}
        open_gates = NONE | (gates or {})
        models = {name: ModelSettings.model_validate({"registry": name, "gates": open_gates}) for name in names}
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
        self.shadows, self.canaries = {}, {}
        if staged:
            for runner in self.runners.values():
                self._stage(runner)
        self.events = []
        self.findings = []
        self.journal = Journal(tmp_path)
        self.began = begin(self.store, self.journal)
        self.life = Life(
            self.store,
            self.shelf,
            self.journal,
            tables=tables_of(models),
            pipelines=self.runners,
            sources={
                name: {runner.settings.source for runner in self.runners.values() if runner.settings.model == name}
                for name in names
            },
            spared=spared,
            on_candidate=lambda name, version: self.candidates.append((name, version.version, version.state)),
            on_event=self.events.append,
            on_finding=lambda name, finding: self.findings.append((name, finding.code)),
            clock=lambda: self.now_s,
        )
        self.adoption = Adoption(
            self.store,
            self.shelf,
            prover,
            self.life,
            models=models,
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

    def put(self, name) -> None:
        """One more frame."""
        pixels, count = np.zeros((8, 8, 3), np.uint8), len(self.made[name])
        assert self.boxes[name].put(Job(Frame(pixels, count, time.time_ns(), time.perf_counter_ns())), LONG_S)

    def see(self, name) -> str:
        """Have a pipeline look at one more frame: the version that did."""
        count = len(self.made[name])
        self.put(name)
        self.wait(lambda: len(self.made[name]) > count)
        seq, version = self.made[name][-1]
        assert seq == count
        return version

    def wait(self, until) -> None:
        until_s = time.monotonic() + LONG_S
        while not until():
            assert time.monotonic() < until_s
            time.sleep(0.002)

    def _stage(self, runner) -> None:
        """Put shadows and canaries of a pipeline into the test's hands."""

        def shadow(model, *, on_pair, share=1.0, spread=None):
            self.shadows[runner.name] = Stage(runner, model, on_pair=on_pair, share=share, spread=spread)
            return self.shadows[runner.name]

        def canary(model, *, share):
            self.canaries[runner.name] = Stage(runner, model, share=share)
            return self.canaries[runner.name]

        runner.shadow, runner.canary = shadow, canary

    def predicted(self, name, version, decision="accept", *, count=1, quality="good") -> list[str]:
        """Have observers of a pipeline see predictions of a version: their ids."""
        ids = []
        for _ in range(count):
            made = prediction(0, name)
            made.model = replace(made.model, digest=f"sha256:{version.digest}")
            made.decision, made.quality = decision, quality
            self.runners[name].observers.tell(None, made, None)
            ids.append(made.id)
        return ids

    @property
    def moves(self) -> list[tuple[str, str]]:
        """What became of versions: what, and of which."""
        return [(event.what, event.version) for event in self.events]

    def turn(self, after_s=0.5) -> None:
        """The driver looks, some time later."""
        self.now_s += after_s
        self.life.turn()

    def end(self) -> None:
        self.life.close(is_clean=not self.is_killed)
        for trial in self.life.__dict__["_trials"].values():
            trial.close()
        for name, runner in self.runners.items():
            self.boxes[name].close()
            if runner.state == "failed":
                runner.stop()  # it would try again to have a model
            assert runner.join(LONG_S)


GATES = {
    "shadow_frames": 10,
    "shadow_s": 60,
    "shadow_deadline_s": 3600,
    "canary_frames": 5,
    "canary_s": 30,
    "canary_share": 0.25,
    "bake_frames": 100,
    "bake_s": 600,
    "bake_deadline_s": 7200,
}


class Begun:
    """A line with 1.0.0 at work, and 1.1.0 in its shadow."""

    def __init__(self, line) -> None:
        self.line = line
        self.old = activated(line.store, line.version("1.0.0"))
        line.start()
        self.new = stage(line.store, line.version("1.1.0"))
        self.events = line.adoption.adopt()

    def compare(self, count=10, *, active="accept", candidate="accept") -> list[str]:
        """Frames that both saw in the first pipeline."""
        shadow = next(iter(self.line.shadows.values()))
        return [shadow.pair(active, candidate) for _ in range(count)]

    def to_canary(self) -> None:
        """Enough of the shadow."""
        self.compare()
        self.line.turn(after_s=60)

    def to_bake(self, reference=0) -> None:
        """Enough of shadow and canary."""
        self.line.predicted("a", self.old, count=reference)
        self.to_canary()
        self.line.predicted("a", self.new, count=5)
        self.line.turn(after_s=30)


class Together:
    """A line of pipeline `a` with model `m` and `b` with `n`, with 1.0.0 of each at work, and 1.1.0 of both delivered."""

    def __init__(self, line, **toml) -> None:
        self.line = line
        self.old = {name: activated(line.store, line.version("1.0.0", name=name)) for name in "mn"}
        line.start()
        folders = {name: line.version("1.1.0", name=name, toml=toml.get(name, "")) for name in "mn"}
        self.new = {name: stage(line.store, folder, want=False) for name, folder in folders.items()}
        line.store.want(self.new)
        self.events = line.adoption.adopt()

    def compare(self, name, *, active="accept", candidate="accept") -> list[str]:
        """Enough of a shadow: the ids of its frames."""
        return [self.line.shadows[PIPELINE_OF[name]].pair(active, candidate) for _ in range(10)]

    def decide(self, name, count=5, decision="accept") -> list[str]:
        """So many predictions of its new version."""
        return self.line.predicted(PIPELINE_OF[name], self.new[name], decision, count=count)

    def to_bake(self, *, reference=0) -> None:
        """Enough of shadow and canary, for both."""
        for name in "mn":
            self.line.predicted(PIPELINE_OF[name], self.old[name], count=reference)
            self.compare(name)
        self.line.turn(after_s=60)
        for name in "mn":
            self.decide(name)
        self.line.turn(after_s=30)

    @property
    def states(self) -> dict[str, str]:
        """Of what is on trial."""
        return {name: shown["state"] for name, shown in self.line.life.status().items()}

    @property
    def active(self) -> dict[str, str]:
        """Versions that the record names."""
        return {name: self.line.store.active(name).version for name in "mn"}


PIPELINE_OF = {"m": "a", "n": "b"}
