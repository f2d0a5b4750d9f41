"""Gates that an assignment sets: signed with it, kept over versions, refused where no device would obey them."""

from __future__ import annotations

import pytest
from registering import assignment_of
from sqlalchemy import text

from cloud_sync.errors import Refused
from cloud_sync.gates import GateInvalid
from cloud_sync.registry.registry import Registry
from cloud_sync.registry.state.database import Database

CELL, STABLE = "solar-cell", "channel:stable"


def assign(site, gates, subject=STABLE, version="1.0.0"):
    return site.registry.assignments.assign(subject, {CELL: version}, gates={CELL: gates}, by="ada")


def test_gates_are_signed_with_the_assignment_shown_and_logged(solar):
    """Whole numbers as such, the rest as decimal text, which canonical JSON needs."""
    shown = assign(solar, {"bake_s": 7200, "canary_share": 0.05})
    assert shown.gates == {CELL: {"bake_s": 7200, "canary_share": 0.05}}
    signed = assignment_of(solar.public, STABLE)["models"][CELL]
    assert signed["gates"] == {"bake_s": 7200, "canary_share": "0.05"}
    assert solar.registry.log.read(subject=STABLE)[-1].detail["gates"] == {CELL: {"bake_s": 7200, "canary_share": 0.05}}


def test_gates_stay_when_another_version_is_assigned_and_go_one_by_one(solar):
    """Nobody who publishes loosens what somebody else has asked for."""
    assign(solar, {"bake_s": 7200, "canary_share": 0.05})
    solar.publish(CELL, "1.1.0", 2, {"model.tflite": b"second"}, "stable")
    known = solar.registry.assignments.one(STABLE)
    assert (known.models, known.gates[CELL]["bake_s"]) == ({CELL: "1.1.0"}, 7200)
    solar.yank(CELL, "1.1.0")
    assert solar.registry.assignments.one(STABLE).gates == known.gates
    assert assign(solar, {"bake_s": None}).gates == {CELL: {"canary_share": 0.05}}
    solar.registry.assignments.assign(STABLE, {CELL: None}, by="ada")
    assert assign(solar, {}).gates == {}, "they went with the model"


def test_the_same_gates_again_sign_nothing(solar):
    """A counter stands for one content."""
    first = assign(solar, {"bake_s": 7200})
    assert assign(solar, {"bake_s": 7200.0}).counter == first.counter
    assert assign(solar, {"bake_s": 7201}).counter == first.counter + 1


@pytest.mark.parametrize(
    ("gates", "message", "hint"),
    [
        ({"bake": 60}, "'bake' is no gate", "did you mean bake_s?"),
        ({"xyz": 60}, "'xyz' is no gate", "gates: shadow_frames, shadow_s"),
        ({"canary_share": 5}, "canary_share = 5 makes no sense", "a number from 0.001 to 1"),
        ({"bake_frames": 0.5}, "bake_frames = 0.5 makes no sense", "a whole number from 0 to"),
        ({"max_failures": -1}, "max_failures = -1 makes no sense", "a number from 0 to 1"),
        ({"bake": None}, "'bake' is no gate", "did you mean bake_s?"),
    ],
)
def test_a_gate_that_no_device_would_obey_is_refused_and_nothing_is_signed(solar, gates, message, hint):
    """Devices pass over what they do not know, so nobody else would tell."""
    before = solar.registry.assignments.one(STABLE)
    with pytest.raises(GateInvalid) as refused:
        assign(solar, gates)
    assert str(refused.value) == message
    assert hint in refused.value.hint
    assert solar.registry.assignments.one(STABLE) == before


def test_gates_need_a_version_that_they_are_for(solar):
    """A subject that names none of the model has nothing to gate."""
    with pytest.raises(Refused, match=f"device:press-07 names no version of {CELL}"):
        solar.registry.assignments.assign("device:press-07", {}, gates={CELL: {"bake_s": 60}}, by="ada")


def test_the_state_of_an_earlier_registry_is_brought_up_to_date(solar):
    """What it has assigned is assigned still, and gates can be set."""
    before = solar.registry.assignments.one(STABLE)
    solar.registry.close()
    state = Database(solar.folder / "state.db")
    with state.writing() as tx:
        tx.execute(text("ALTER TABLE wanted DROP COLUMN gates"))
        tx.execute(text("UPDATE about SET value = '1' WHERE name = 'version'"))
    state.close()
    solar.registry = Registry.open(solar.folder, clock=solar.clock)
    assert solar.registry.assignments.one(STABLE) == before
    assert assign(solar, {"bake_s": 60}).gates == {CELL: {"bake_s": 60}}
    solar.registry.close()
    solar.registry = Registry.open(solar.folder, clock=solar.clock)
    assert solar.registry.assignments.one(STABLE).gates == {CELL: {"bake_s": 60}}
