"""When the watchdog is fed, and the sentence that says how the agent is."""

from __future__ import annotations

import pytest

from agent.core.watchdog import PipelineView, sentence, troubles, withheld_by


def view(name="inspect", *, state="ok", holds=(), source="cam", source_state="ok", stalled=False):
    return PipelineView(name, state, frozenset(holds), source, source_state, stalled)


def test_a_pipeline_that_comes_round_lets_the_watchdog_be_fed():
    """Whether it works or is starting: waiting for frames is no stall."""
    assert withheld_by([view(), view("other", state="starting")]) is None


def test_one_pipeline_that_hangs_and_is_left_alone_withholds_it():
    """However many others work."""
    assert withheld_by([view(), view("second", stalled=True), view("third")]) == "second"


@pytest.mark.parametrize(
    "excused",
    [
        view(stalled=True, source_state="no_signal"),
        view(stalled=True, source_state="failed"),
        view(stalled=True, source_state="connecting"),
        view(stalled=True, source_state="stale"),
        view(stalled=True, source_state="ended"),
        view(stalled=True, holds={"paused"}),
        view(stalled=True, holds={"shed"}),
        view(stalled=True, state="failed"),
        view(stalled=True, state="ended"),
        view(state="failed"),
    ],
    ids=lambda v: f"{v.state}-{v.source_state}-{'-'.join(v.holds)}",
)
def test_a_pipeline_that_need_not_progress_does_not_withhold_it(excused):
    """No signal, paused, shed, failed, ended: a restart of the process would change nothing. While the supervisor has a pipeline in
    hand, its state is `failed` until the fresh thread starts.
    """
    assert withheld_by([excused, view("other")]) is None


def test_an_agent_without_pipelines_is_alive():
    """There is nothing that could hang."""
    assert withheld_by([]) is None


def test_the_sentence_says_what_a_person_wants_to_know():
    """How many work, how fast, what is missing, and whether messages get out."""
    views = [view("a"), view("b"), view("c"), view("d", source="west", source_state="no_signal")]
    said = "3 of 4 pipelines inspect, 12.1/s; source west has no signal; broker connected; 0 messages wait"
    assert sentence(views, 12.12, "connected", 0) == said


def test_the_sentence_is_grammatical_for_one():
    """One pipeline, one message."""
    said = "1 of 1 pipeline inspects, 0.5/s; broker taken over; 1 message waits"
    assert sentence([view()], 0.5, "taken_over", 1) == said


def test_of_many_troubles_three_are_named():
    """It is one line in `systemctl status`."""
    views = [view(str(k), state="failed") for k in range(5)]
    said = sentence(views, 0.0, "away", 7)
    assert said == (
        "0 of 5 pipelines inspect, 0.0/s; pipeline 0 failed; pipeline 1 failed; pipeline 2 failed; and 2 more; broker away;"
        " 7 messages wait"
    )


@pytest.mark.parametrize(
    ("trouble", "clause"),
    [
        (view(state="ended"), "pipeline inspect has ended"),
        (view(state="starting"), "pipeline inspect is starting"),
        (view(holds={"shed", "paused"}), "pipeline inspect is paused and shed"),
        (view(stalled=True), "pipeline inspect hangs"),
        (view(source_state="stale"), "source cam gives no new frames"),
        (view(source_state="connecting"), "source cam is connecting"),
        (view(source_state="failed"), "source cam failed"),
        (view(source_state="ended"), "source cam has ended"),
    ],
)
def test_each_trouble_has_its_words(trouble, clause):
    """The nearest cause is named, once per source."""
    assert troubles([trouble, trouble]) == [clause]
