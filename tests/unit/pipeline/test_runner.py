"""A pipeline with a model and a sink of the test's own: numbering, ending, faults, and once."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from deadlines import LONG_S

from agent.core import results
from agent.core.backoff import Backoff
from agent.core.decisions import DecisionRule
from agent.core.errors import ModelCrashed, ModelRefused
from agent.core.frames import Frame
from agent.core.mailbox import Mailbox
from agent.core.messages import ModelReference
from agent.models.contract import Inferred, Prepared
from agent.models.placement import Placement, Size
from agent.pipeline.inspector import Identity
from agent.pipeline.intake import Intake, Job
from agent.pipeline.runner import Feed, PipelineRunner
from agent.pipeline.settings import PipelineSettings


class ScriptedModel:
    """Scores a frame by its first pixel; 255 is a fault of the interpreter, 254 gives NaN, 253 is a fault of the decoder, 252 ends the child."""

    reference = ModelReference(name="m", version="1", digest="sha256:0", runtime="none", delegate="none")

    def __init__(self, rule=None) -> None:
        self.rule = rule or DecisionRule(label="bad", min_score=0.5)
        self.size = Size(8, 16)
        self.closed = False
        self.recycled = []

    def preparer(self):
        return self

    def prepare(self, pixels):
        now = time.perf_counter_ns()
        return Prepared(pixels, Placement(), now, now)

    def recycle(self, prepared):
        self.recycled.append(prepared)

    def infer(self, prepared):
        if prepared.tensor.flat[0] == 255:
            raise ModelRefused("the interpreter failed")
        if prepared.tensor.flat[0] == 252:
            raise ModelCrashed("SIGSEGV")
        now = time.perf_counter_ns()
        return Inferred([prepared.tensor], prepared, now, now, now)

    def decode(self, inferred):
        value = int(inferred.outputs[0].flat[0])
        if value == 253:
            raise RuntimeError("no such label")
        score = float("nan") if value == 254 else value / 100
        top = [results.Scored(label="bad", score=score)]
        return results.Classification(label="bad", score=score, top=top)

    def close(self) -> None:
        self.closed = True


class RecordingSink:
    def __init__(self) -> None:
        self.sent = []
        self.arrived = threading.Condition()

    def send(self, prediction, *, qos, event_seq, publish, wait):
        with self.arrived:
            self.sent.append((prediction, event_seq, publish, wait is not None))
            self.arrived.notify_all()


def frame(index: int, value: int = 0, age_ns: int = 0) -> Job:
    pixels = np.full((2, 2, 3), value, np.uint8)
    return Job(Frame(pixels, index, time.time_ns(), time.perf_counter_ns(), age_ns))


def build(load, *, box=None, once=False, shared=False, **settings):
    box = box or Mailbox(1000, "wait")
    sink = RecordingSink()
    runner = PipelineRunner(
        "p",
        PipelineSettings(source="s", model="m", **settings),
        Feed(box, Intake(), finite=True, shared=shared),
        load=load,
        sink=sink,
        identity=Identity("dev", "session-1", lambda: "unsynced"),
        once=once,
    )
    return runner, box, sink


def run_through(runner, box, frames):
    for item in frames:
        assert box.put(item, LONG_S)
    box.close()
    runner.start()
    assert runner.join(LONG_S)


def test_seq_numbers_every_prediction_and_event_seq_every_event():
    """Both start at 0 and have no gap, whatever the frames' own numbers are."""
    runner, box, sink = build(ScriptedModel)
    run_through(runner, box, [frame(10 * k, 90 if k % 3 == 0 else 0) for k in range(9)])
    assert [p.seq for p, *_ in sink.sent] == list(range(9))
    assert [p.frame.index for p, *_ in sink.sent] == [10 * k for k in range(9)]
    assert [e for _, e, *_ in sink.sent if e is not None] == list(
        range(9)
    )  # a leading reject label is unsure: an event
    assert runner.state == "ended"


def test_predictions_that_are_no_events_have_no_event_number():
    """`events = "reject"` selects reject and unsure only; here the reject label never leads."""
    runner, box, sink = build(lambda: ScriptedModel(DecisionRule(label="other")))
    run_through(runner, box, [frame(k, 90) for k in range(4)])
    assert [(p.decision, e) for p, e, *_ in sink.sent] == [("accept", None)] * 4


def test_on_change_only_changes_are_sent():
    """publish = "change": the second equal verdict is not said, but it is numbered."""
    runner, box, sink = build(
        lambda: ScriptedModel(DecisionRule(label="bad", min_score=0.8)), publish="change", events="change"
    )
    run_through(runner, box, [frame(k, value) for k, value in enumerate([90, 90, 10, 10, 90])])
    assert [(p.seq, p.decision) for p, *_ in sink.sent] == [(0, "reject"), (2, "unsure"), (4, "reject")]


def test_a_result_that_is_no_number_is_bad_and_never_accepted():
    """NaN from a model must not pass a part."""
    runner, box, sink = build(ScriptedModel)
    run_through(runner, box, [frame(0, 254)])
    assert [(p.quality, p.decision) for p, *_ in sink.sent] == [("bad", "unsure")]


def test_a_refused_model_fails_the_pipeline_and_lets_go_of_a_shared_source():
    """The error stands in `fault`, and frames pass so that the other pipeline of this source is not held up."""

    def refuse():
        raise ModelRefused("not a model")

    failed = threading.Event()
    runner, box, sink = build(refuse, box=Mailbox(1, "wait"), shared=True)
    runner._on_change = lambda r: failed.set() if r.state == "failed" else None
    runner.start()
    assert failed.wait(LONG_S)
    assert all(box.put(frame(k), LONG_S) for k in range(20))
    assert str(runner.fault) == "not a model"
    assert runner.drops() == {"no_model": 20}
    runner.stop()
    assert runner.join(LONG_S)
    assert sink.sent == []


def test_a_model_that_fails_later_is_loaded_again_and_numbers_go_on(monkeypatch):
    """A fault of the interpreter costs the frame it happened on; seq has no gap and the model is closed."""
    monkeypatch.setattr("agent.pipeline.runner._RELOAD_FIRST_S", 0.01)
    models = []

    def load():
        models.append(ScriptedModel())
        return models[-1]

    runner, box, sink = build(load)
    run_through(runner, box, [frame(0, 10), frame(1, 255), frame(2, 10)])
    assert [(p.seq, p.frame.index) for p, *_ in sink.sent] == [(0, 0), (1, 2)]
    assert [model.closed for model in models] == [True, True]


def test_a_fault_after_work_is_not_paid_for_the_faults_of_the_start(monkeypatch):
    """How long is waited before a reload grows with failures in a row; a model that has worked begins anew."""
    failures_in_a_row = []

    class Recorded(Backoff):
        def next_s(self):
            failures_in_a_row.append(self.tries)
            return super().next_s()

    monkeypatch.setattr("agent.pipeline.runner.Backoff", Recorded)
    monkeypatch.setattr("agent.pipeline.runner._RELOAD_FIRST_S", 0.001)
    refusals = iter([ModelRefused("not yet")] * 3)

    def load():
        for refusal in refusals:
            raise refusal
        return ScriptedModel()

    runner, box, _sink = build(load)
    works = threading.Event()
    runner._on_change = lambda r: works.set() if r.state == "ok" else None
    runner.start()
    assert works.wait(30)
    for job in (frame(0, 10), frame(1, 255)):
        assert box.put(job, 10)
    until_s = time.monotonic() + 30
    while len(failures_in_a_row) < 4 and time.monotonic() < until_s:
        works.wait(0.01)
    runner.stop()
    assert runner.join(30)
    assert failures_in_a_row == [0, 1, 2, 0]


def test_once_ends_after_the_first_prediction_and_closes_its_mailbox():
    """The source sees that nobody reads any more."""
    runner, box, sink = build(ScriptedModel, once=True)
    for k in range(3):
        box.put(frame(k), LONG_S)
    runner.start()
    assert runner.join(LONG_S)
    assert [p.seq for p, *_ in sink.sent] == [0]
    assert not box.put(frame(9), 0)


@pytest.mark.parametrize("finite", [True, False])
def test_only_files_let_the_sink_wait(finite):
    """A live pipeline never waits for the broker."""
    box = Mailbox(10, "wait")
    sink = RecordingSink()
    runner = PipelineRunner(
        "p",
        PipelineSettings(source="s", model="m"),
        Feed(box, Intake(), finite=finite, shared=False),
        load=ScriptedModel,
        sink=sink,
        identity=Identity("dev", "s", lambda: "synced"),
    )
    run_through(runner, box, [frame(0)])
    assert [waits for *_, waits in sink.sent] == [finite]


def test_a_fault_of_the_decoder_is_met_wherever_it_happens(monkeypatch):
    """Results are finished in another thread while frames wait; its fault ends this model, and what came before is sent."""
    monkeypatch.setattr("agent.pipeline.runner._RELOAD_FIRST_S", 60)
    failed = threading.Event()
    runner, box, sink = build(ScriptedModel)
    runner._on_change = lambda r: failed.set() if r.state == "failed" else None
    for item in [frame(0, 10), frame(1, 20), frame(2, 253), *(frame(k, 30) for k in range(3, 12))]:
        box.put(item, LONG_S)
    runner.start()
    assert failed.wait(LONG_S)
    runner.stop()
    assert runner.join(LONG_S)
    assert "no such label" in str(runner.fault)
    assert [p.frame.index for p, *_ in sink.sent] == [0, 1]


def test_what_was_prepared_for_another_model_is_prepared_anew():
    """A frame that waited while the model was replaced is not given to the new one as the old one takes it."""
    old, new = ScriptedModel(), ScriptedModel()
    runner, box, sink = build(lambda: new)
    waited = frame(0, 10)
    waited.prepared, waited.by = old.prepare(np.full((2, 2, 3), 99, np.uint8)), old
    run_through(runner, box, [waited])
    assert [p.result.score for p, *_ in sink.sent] == [0.1]
    assert (len(old.recycled), len(new.recycled)) == (0, 1)


def test_a_stopped_pipeline_sends_what_it_has_inferred():
    """What the interpreter has answered is not lost because more frames were waiting."""
    runner, box, sink = build(ScriptedModel)
    infer, inferred = ScriptedModel.infer, []

    class Stopping(ScriptedModel):
        def infer(self, prepared):
            inferred.append(prepared)
            if len(inferred) == 3:
                runner.stop()
            return infer(self, prepared)

    runner._load = Stopping
    for k in range(10):
        box.put(frame(k), LONG_S)
    runner.start()
    assert runner.join(LONG_S)
    assert [p.seq for p, *_ in sink.sent] == [0, 1, 2]


def test_a_prediction_after_its_deadline_is_stale_and_takes_the_safe_decision():
    """A verdict on a part that has passed is never an accept; in time it is what the model says."""
    runner, box, sink = build(lambda: ScriptedModel(DecisionRule(label="other")), deadline_ms=5_000, on_stale="reject")
    run_through(runner, box, [frame(0, 10), frame(1, 10, age_ns=6_000_000_000)])
    assert [(p.quality, p.decision, e) for p, e, *_ in sink.sent] == [("good", "accept", None), ("stale", "reject", 0)]
    assert runner.late == 1


def test_without_a_decision_a_stale_prediction_has_none():
    """A model that only observes does not begin to judge because it was slow."""

    class Observing(ScriptedModel):
        def __init__(self):
            super().__init__()
            self.rule = None

    runner, box, sink = build(Observing, deadline_ms=1, on_stale="reject")
    run_through(runner, box, [frame(0, 10, age_ns=10_000_000)])
    assert [(p.quality, p.decision) for p, *_ in sink.sent] == [("stale", None)]


def test_a_crash_of_the_models_child_costs_its_frame_and_the_model_is_loaded_at_once():
    """The frame is counted, the state says why, the next frame is inspected, and `seq` has no gap."""
    states = []
    runner, box, sink = build(ScriptedModel)
    runner._on_change = lambda r: states.append((r.state, str(r.fault)))
    run_through(runner, box, [frame(0, 10), frame(1, 252), frame(2, 10)])
    assert [(p.seq, p.frame.index) for p, *_ in sink.sent] == [(0, 0), (1, 2)]
    assert states == [("ok", "None"), ("starting", "SIGSEGV"), ("ok", "None"), ("ended", "None")]
    assert runner.drops() == {"model_crashed": 1}
    assert runner.child_restarts == 1


def test_a_model_that_crashes_again_and_again_fails_its_pipeline(monkeypatch):
    """It says so, and is tried again as slowly as one that is refused."""
    monkeypatch.setattr("agent.core.crashes._SECOND_S", 0.001)
    failed = threading.Event()
    runner, box, sink = build(ScriptedModel)
    runner._on_change = lambda r: failed.set() if r.state == "failed" else None
    for k in range(10):
        box.put(frame(k, 252), 10)
    runner.start()
    assert failed.wait(LONG_S)
    runner.stop()
    assert runner.join(LONG_S)
    assert str(runner.fault) == "too many crashes, the last one: SIGSEGV"
    assert (runner.child_restarts, runner.drops()) == (6, {"model_crashed": 6})
    assert sink.sent == []


def test_a_crash_while_the_model_is_loaded_loses_no_frame():
    """No frame was in the child; it is tried again at once all the same."""
    tries = []

    def load():
        tries.append(None)
        if len(tries) == 1:
            raise ModelCrashed("SIGBUS")
        return ScriptedModel()

    runner, box, sink = build(load)
    run_through(runner, box, [frame(0, 10)])
    assert [p.frame.index for p, *_ in sink.sent] == [0]
    assert (runner.child_restarts, runner.drops()) == (1, {})
