"""What the pipelines of a source need of its frames, asked while their models load, fail and change."""

from __future__ import annotations

import logging
import threading
from types import SimpleNamespace

import pytest
from deadlines import LONG_S

from agent.models.placement import Region, Size
from agent.pipeline.demand import PipelineDemand
from agent.pipeline.intake import Intake
from agent.sources.demand import Needed


def model(height, width):
    """All that an intake asks of it."""
    return SimpleNamespace(size=None if height is None else Size(height, width))


def test_an_intake_needs_its_models_pixels_in_its_region():
    """A quarter of the frame's width and half of its height: four times and twice the pixels."""
    intake = Intake(seen=Region(0.25, 0.5, 0.5, 1.0))
    assert intake.needed is None
    intake.preparer = model(100, 200)
    assert intake.needed == Needed(800, 200)


def test_what_a_model_needed_holds_while_it_is_loaded_again():
    """So that a fault of the interpreter does not make the camera connect anew; the next model may need more."""
    intake = Intake()
    intake.preparer = model(100, 200)
    intake.preparer = None
    assert intake.needed == Needed(200, 100)
    intake.preparer = model(300, 300)
    assert intake.needed == Needed(300, 300)


def test_who_needs_full_frames_gets_them_whatever_the_model_takes():
    """A sink that keeps pictures, say."""
    intake = Intake(needs_full_frames=True)
    intake.preparer = model(100, 200)
    assert intake.needed is None


def test_a_model_that_takes_no_picture_cannot_say():
    """Its input is no number of pixels."""
    intake = Intake()
    intake.preparer = model(None, None)
    assert intake.needed is None


def pipeline(needed=None, *, loading=False):
    """All that a demand asks of a pipeline."""
    return SimpleNamespace(needed=needed, is_loading=loading)


def demand(*pipelines):
    asked = PipelineDemand("cam")
    for each in pipelines:
        asked.add(each)
    return asked


def test_all_pipelines_of_a_source_are_served():
    """The greediest decides, each side for itself; one without a model needs everything."""
    assert demand(pipeline(Needed(300, 100)), pipeline(Needed(200, 200))).needed() == Needed(300, 200)
    assert demand(pipeline(Needed(300, 100)), pipeline(None)).needed() is None
    assert demand().needed() is None


def test_the_source_waits_for_models_that_are_being_loaded():
    """Until each is there or has failed."""
    slow = pipeline(loading=True)
    asked = demand(pipeline(Needed(1, 1)), slow)
    assert not asked.wait(0.01)
    threading.Timer(0.05, setattr, (slow, "is_loading", False)).start()
    assert asked.wait(LONG_S)


def test_each_sentence_is_said_once(caplog):
    """However often the source connects."""
    caplog.set_level(logging.INFO)
    asked = demand()
    for sentence in ("a", "b", "a"):
        asked.tell(sentence)
    assert caplog.messages == ["source cam: a", "source cam: b"]
    assert {record.levelno for record in caplog.records} == {logging.INFO}


@pytest.mark.parametrize("state", ["starting", "ok", "failed", "ended"])
def test_a_pipeline_is_loading_until_it_has_a_model_or_none(state):
    """`ok` is said a moment before the model is at hand."""
    from agent.pipeline.runner import PipelineRunner

    runner = object.__new__(PipelineRunner)
    runner.state, intake = state, Intake()
    runner._station = SimpleNamespace(feed=SimpleNamespace(intake=intake))
    assert runner.is_loading == (state in ("starting", "ok"))
    intake.preparer = model(1, 1)
    assert not runner.is_loading
