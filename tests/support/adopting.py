"""Pipelines of models that come from a registry, over one store, and the driver that moves versions in them; its thread is the test's."""

from __future__ import annotations

import time

import numpy as np
import tiny_models
from deadlines import LONG_S
from stocking import version_folder

from agent.core.frames import Frame
from agent.core.mailbox import Mailbox
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


class Line:
    """Pipelines of models that come from a registry, over one store."""

    def __init__(self, tmp_path, pipelines, prover, *, gates=None) -> None:
        self.folder = tmp_path
        self.now_s = 0.0
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
        self.events = []
        self.journal = Journal(tmp_path)
        self.began = begin(self.store, self.journal)
        self.life = Life(
            self.store,
            self.shelf,
            self.journal,
            tables=tables_of(models),
            pipelines=self.runners,
            on_candidate=lambda name, version: self.candidates.append((name, version.version, version.state)),
            on_event=self.events.append,
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

    def turn(self, after_s=0.5) -> None:
        """The driver looks, some time later."""
        self.now_s += after_s
        self.life.turn()

    def end(self) -> None:
        self.life.close()
        for trial in self.life.__dict__["_trials"].values():
            trial.close()
        for name, runner in self.runners.items():
            self.boxes[name].close()
            assert runner.join(LONG_S)
