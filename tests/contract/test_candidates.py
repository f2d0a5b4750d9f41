"""A candidate in its shadow and in its canary, over a line at full speed: a fake model and a real one, in process and in one of its own."""

from __future__ import annotations

import os
import signal
import threading

import pytest
import tiny_models
from endless import LONG_S, Endless, Keeping
from inspecting import Candidate
from line import CLASSIFIER_TOML, write_bundle

from agent.core import results
from agent.core.mailbox import Mailbox
from agent.models.bundle import open_bundle
from agent.models.execution import Execution, Isolation
from agent.models.loading import load_model
from agent.pipeline.inspector import Identity
from agent.pipeline.intake import Intake
from agent.pipeline.runner import Feed, PipelineRunner
from agent.pipeline.settings import PipelineSettings

PAIRS, DECIDED = 20, 30
KINDS = ["fake", "in process", "isolated"]


class FakeTiny(Candidate):
    """Answers as the tiny classifier does: dark or bright."""

    def decode(self, inferred):
        label = "bright" if inferred.outputs[0].flat[0] > 127 else "dark"
        return results.Classification(label=label, score=0.9, top=[results.Scored(label=label, score=0.9)])


def model(kind, folder, version):
    """Another input size and type for each version, so that nothing filled for one can pass for the other."""
    if kind == "fake":
        return FakeTiny(version=version)
    height, width, dtype = {"1.0.0": (8, 8, "int8"), "2.0.0": (6, 10, "uint8")}[version]
    toml = CLASSIFIER_TOML.replace("1.0.0", version)
    path = write_bundle(folder / version, toml=toml, model=tiny_models.classifier(height, width, dtype=dtype))
    return load_model(open_bundle(path), Execution(isolation=Isolation() if kind == "isolated" else None))


class Line:
    """A pipeline at full speed; afterwards every frame was predicted once, in order, and rightly."""

    def __init__(self, kind, folder) -> None:
        self.active, self.candidate = (model(kind, folder, version) for version in ("1.0.0", "2.0.0"))
        self.sink = Keeping()
        box, intake = Mailbox(2, "wait"), Intake()
        self.runner = PipelineRunner(
            "p",
            PipelineSettings(source="s", model="m"),
            Feed(box, intake, finite=True, shared=False),
            load=lambda: self.active,
            sink=self.sink,
            identity=Identity("dev", "session-1", lambda: "synced"),
        )
        self.runner.start()
        self._source = Endless(box, intake)

    @property
    def versions(self):
        return [version for _, _, version, _ in self.sink.made]

    def until(self, condition) -> None:
        for _ in range(100_000):
            if condition():
                return
            self.sink.wait_beyond(len(self.sink.made))
        raise AssertionError

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self._source.end()
        assert self.runner.join(LONG_S)
        self.active.close()
        self.candidate.close()
        seqs, indexes, _, labels = zip(*self.sink.made, strict=True)
        assert seqs == indexes == tuple(range(self._source.count))
        assert labels == tuple(("dark", "bright")[k % 2] for k in range(self._source.count))
        assert (self.runner.fault, self.runner.drops()) == (None, {})


@pytest.mark.parametrize("kind", KINDS)
def test_a_shadow_sees_the_frames_of_the_line_and_decides_none(tmp_path, kind):
    """Each pair is of one frame: two models that answer alike always agree."""
    pairs, enough = [], threading.Event()

    def on_pair(pair, frame):
        pairs.append((pair, "bright" if frame.pixels.flat[0] > 127 else "dark"))
        if len(pairs) >= PAIRS:
            enough.set()

    with Line(kind, tmp_path) as line:
        shadow = line.runner.shadow(line.candidate, on_pair=on_pair)
        line.until(enough.is_set)
        assert shadow.stop(LONG_S)
        assert set(line.versions) == {"1.0.0"}
    assert (shadow.seen, shadow.failed, shadow.fault) == (len(pairs), 0, None)
    assert all(pair.active.label == pair.candidate.label == label for pair, label in pairs)


@pytest.mark.parametrize("kind", KINDS)
def test_a_canary_decides_its_share_and_goes_back(tmp_path, kind):
    """From one frame to the next, there and back; and it may be activated after that."""
    with Line(kind, tmp_path) as line:
        canary = line.runner.canary(line.candidate, share=0.5)
        line.until(lambda: canary.counts.candidate.frames >= DECIDED)
        assert canary.end().wait(LONG_S)
        begun, ended = line.versions.index("2.0.0"), len(line.versions)
        line.until(lambda: len(line.versions) > ended + 10)
        assert set(line.versions[ended + 2 :]) == {"1.0.0"}, "two may have been on their way"
        assert 0.4 <= line.versions[begun:ended].count("2.0.0") / (ended - begun) <= 0.6
        offer = line.runner.offer(line.candidate)
        assert offer.wait(LONG_S)
        assert offer.taken
    assert (canary.fault, canary.counts.failed) == (None, 0)


@pytest.mark.parametrize("stage", ["shadow", "canary"])
@pytest.mark.parametrize("how", [signal.SIGSEGV, signal.SIGKILL], ids=["SIGSEGV", "SIGKILL"])
def test_a_candidate_whose_process_ends_costs_no_frame(tmp_path, stage, how):
    """The line goes on with the model it has, and the candidate's fault names how it ended."""
    with Line("isolated", tmp_path) as line:
        if stage == "shadow":
            tried = line.runner.shadow(line.candidate, on_pair=lambda *_: None)
            line.until(lambda: tried.seen > 0)
        else:
            tried = line.runner.canary(line.candidate, share=0.5)
            line.until(lambda: tried.counts.candidate.frames > 0)
        os.kill(line.candidate._interpreter.pid, how)
        line.until(lambda: tried.is_over)
        assert how.name in tried.fault
