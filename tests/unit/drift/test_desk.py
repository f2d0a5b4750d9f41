"""The drift desk: what is told of a line, of which model, and what a broken frame or reference costs."""

from __future__ import annotations

import numpy as np
import pytest
from desk_watching import KNOWN, Forgetful, Watching, scored_by
from drifting import frame_of, part, prediction_of

from agent.core.errors import BadData
from agent.drift.desk import DriftDesk
from agent.drift.settings import DriftSettings
from agent.models.placement import Region


def states(told):
    return [drift.state for drift in told.drifts]


def test_a_line_that_is_as_in_the_evaluation_is_ok():
    """It is told with the first frame, and with each window."""
    with Watching() as line:
        line.show(300)
        assert set(states(line.told)) == {"ok"}
        assert line.told.drifts[0].statistics["score"].windows == 0
        assert line.told.drifts[-1].statistics["score"].windows >= 3
        assert not line.desk.drifting("p")


def test_a_line_in_less_light_drifts_and_comes_back():
    """The statistics that show it are named with what they exceed, and since when."""
    with Watching() as line:
        line.show(100)
        line.show(300, make=lambda k: part(k, gain=0.5))
        drift = line.told.drifts[-1]
        assert (drift.state, line.desk.drifting("p")) == ("drifting", True)
        assert drift.since > line.told.drifts[0].since
        brightness = drift.statistics["brightness"]
        assert brightness.state == "drifting"
        assert brightness.psi > brightness.psi_limit or brightness.ks > brightness.ks_limit
        assert drift.statistics["sharpness"].state == "ok"

        line.show(400)
        assert line.told.drifts[-1].state == "ok"


def test_only_what_was_asked_for_is_watched():
    """Where the evaluation set has more defects than the line, its scores say nothing of the line."""
    with Watching(statistics=["sharpness"]) as line:
        line.show(300, make=lambda k: part(k, gain=0.5))
        assert list(line.told.drifts[-1].statistics) == ["sharpness"]
        assert line.told.drifts[-1].state == "ok"


@pytest.mark.parametrize(
    ("find", "reason"),
    [
        (lambda *_: None, "no reference.json"),
        (lambda *_: (_ for _ in ()).throw(BadData("reference.json cannot be read")), "cannot be read"),
        (lambda *_: (_ for _ in ()).throw(OSError(5, "I/O error")), "I/O error"),
    ],
)
def test_without_a_reference_nothing_is_compared_and_the_reason_is_told(find, reason):
    """Once: nothing will come of further frames."""
    with Watching(find) as line:
        line.show(60)
        assert states(line.told) == ["no_reference"]
        assert reason in line.told.drifts[0].reason


def test_a_new_model_begins_anew_with_its_own_reference():
    """What the old one saw says nothing of the new one."""
    active = ["sha256:0"]
    with Watching(lambda _, digest: KNOWN if digest == "sha256:0" else None, active=lambda _: active[0]) as line:
        line.show(300, make=lambda k: part(k, gain=0.5))
        active[0] = "sha256:1"
        line.show(1, digest="sha256:1")
        assert (line.told.drifts[-1].state, line.told.drifts[-1].model) == ("no_reference", "sha256:1")
        assert not line.desk.drifting("p")


@pytest.mark.parametrize(
    ("before", "after", "make", "blamed"),
    [
        (1.0, 0.5, part, True),
        (0.5, 0.5, part, False),
        (1.0, 1.0, part, False),
        (1.0, 1.0, lambda k: part(k, gain=0.5), False),
    ],
    ids=["only the new model", "both models", "neither", "the light"],
)
def test_a_model_is_blamed_for_a_score_that_drifts_with_it_alone(before, after, make, blamed):
    """Not for the light, and not for a line that was never like the evaluation."""
    active = ["sha256:0"]
    with Watching(active=lambda _: active[0]) as line:
        line.show(200, result=scored_by(before))
        active[0] = "sha256:1"
        line.show(300, digest="sha256:1", result=scored_by(after), make=make)
        assert (line.told.blames[-1] is not None) is blamed


def test_what_a_canary_decides_is_not_counted():
    """Its scores are compared with no reference of another model."""
    with Watching() as line:
        for _ in range(30):
            line.show(5)
            line.show(5, digest="sha256:candidate", make=lambda k: part(k, gain=0.2))
        assert {drift.model for drift in line.told.drifts} == {"sha256:0"}
        assert line.told.drifts[-1].state == "ok"


def test_a_frame_that_no_sample_of_the_evaluation_looked_like_is_handed_on():
    """It may be worth keeping."""
    with Watching() as line:
        line.show(1, make=lambda _: np.zeros((64, 64, 3), np.uint8))
        assert [seq for seq, _ in line.told.strange] == [0]
        assert line.told.strange[0][1]["brightness"] == 0


def test_only_the_region_is_looked_at():
    """The model does not see the rest either."""

    def with_a_lamp(k):
        return np.concatenate([part(k), np.full((64, 64, 3), 255, np.uint8)], axis=1)

    with Watching(region=Region(0, 0, 0.5, 1), statistics=["brightness"]) as line:
        line.show(300, make=with_a_lamp)
        assert line.told.drifts[-1].state == "ok"


def test_a_frame_that_cannot_be_looked_at_is_left_out():
    """The thread goes on, and the log says it once."""
    with Watching() as line:
        line.show(3, make=lambda _: np.zeros((2, 2, 7), np.uint8))
        line.show(120)
        assert line.told.drifts[-1].statistics["brightness"].windows >= 1


def test_a_frame_comes_no_sooner_than_every_s():
    """Those in between cost one look at the clock."""
    settings = DriftSettings(every_s=3600)
    desk = DriftDesk(
        {"p": (settings, Region())},
        device="d",
        session="s",
        active=lambda _: "x",
        find=lambda *_: None,
        tell=print,
        memory=Forgetful(),
    )
    for k in range(100):
        desk.observers["p"].seen(frame_of(part(k)), prediction_of(part(k)), None)
    assert desk.waiting == 1
    desk.close()
    desk.close()
