"""Values of a decision that are changed while the pipeline runs."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from agent.core import results
from agent.core.decisions import DecisionRule
from agent.core.frames import Frame
from agent.core.messages import ModelReference
from agent.models.contract import Inferred, Prepared
from agent.models.placement import Placement
from agent.pipeline.inspector import Identity, Inspector
from agent.pipeline.settings import PipelineSettings
from agent.pipeline.tuning import Tuning


class Oracle:
    """A model that gives one result, whatever it sees."""

    reference = ModelReference(name="m", version="1", digest="sha256:0", runtime="none", delegate="none")

    def __init__(self, result, rule) -> None:
        self.result, self.rule = result, rule

    def decode(self, _inferred):
        return self.result


def inspect(inspector, model):
    pixels = np.zeros((2, 2, 3), np.uint8)
    inferred = Inferred([], Prepared(pixels, Placement(), 0, 0), 0, 0, 0)
    return inspector.inspect(Frame(pixels, 0, 0, 0), inferred, model, model.decode(inferred)).prediction


@pytest.fixture
def inspector():
    return Inspector("p", PipelineSettings(source="s", model="m"), Identity("d", "s", lambda: "synced"))


def test_the_next_frame_is_judged_by_what_was_set(inspector):
    """And the one after null by the configuration."""
    top = [results.Scored(label="bad", score=0.7)]
    model = Oracle(results.Classification(label="bad", score=0.7, top=top), DecisionRule(label="bad", min_score=0.6))
    decisions = [inspect(inspector, model).decision]
    inspector.tuning.change({"min_score": 0.8})
    decisions.append(inspect(inspector, model).decision)
    inspector.tuning.change({"min_score": None})
    decisions.append(inspect(inspector, model).decision)
    assert decisions == ["reject", "unsure", "reject"]


def test_an_anomaly_names_the_threshold_that_was_decided_by(inspector):
    """A message must not contradict itself."""
    model = Oracle(results.Anomaly(score=2.0, threshold=1.0), DecisionRule(threshold=1.0))
    inspector.tuning.change({"threshold": 3.0})
    prediction = inspect(inspector, model)
    assert (prediction.result.threshold, prediction.decision) == (3.0, "accept")


def test_a_model_that_only_observes_does_not_begin_to_judge(inspector):
    """Without a rule there is nothing to change."""
    inspector.tuning.change({"threshold": 3.0})
    assert inspect(inspector, Oracle(results.Anomaly(score=2.0, threshold=None), None)).decision is None


def test_a_model_that_is_loaded_anew_keeps_what_was_set():
    """Its rule is another object, with the same values."""
    tuning = Tuning()
    tuning.change({"min_score": 0.8})
    for _ in range(2):
        assert tuning.over(DecisionRule(label="bad")) == DecisionRule(label="bad", min_score=0.8)


def test_values_of_one_request_are_seen_together():
    """Whichever thread looks when."""
    tuning, rule, done = Tuning(), DecisionRule(above=0.0, below=0.0), threading.Event()

    def change():
        n = 0.0
        while not done.is_set():
            n += 1
            tuning.change({"above": n, "below": n})

    thread = threading.Thread(target=change)
    thread.start()
    seen = set()
    while len(seen) < 20:
        now = tuning.over(rule)
        seen.add((now.above, now.below))
    done.set()
    thread.join()
    assert all(above == below for above, below in seen)
