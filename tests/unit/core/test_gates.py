"""Several have a say in what a version must show, and the strictest of them is obeyed."""

from __future__ import annotations

import math
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.gates import NAMES, Gates, tightest, understood
from agent.models.gate_settings import GateSettings

MORE = {field.name for field in fields(Gates) if field.metadata["tighter"] is max}
said = st.dictionaries(st.sampled_from(NAMES), st.none() | st.floats(1, 1e6), max_size=6)


def loosens(name, held, value) -> bool:
    return held < value if name in MORE else held > value


@given(st.lists(said, max_size=4))
def test_nobody_loosens_what_another_one_has_said(everybody):
    """Whoever says something gets at least that, whatever the others say."""
    gates = tightest(*everybody)
    for one in everybody:
        for name, value in one.items():
            assert value is None or not loosens(name, getattr(gates, name), value), name


@given(st.lists(said, max_size=4))
def test_a_default_holds_where_nobody_says_anything_and_only_there(everybody):
    """So who wants less than the default may say so."""
    gates = tightest(*everybody)
    for name in NAMES:
        values = [one[name] for one in everybody if one.get(name) is not None]
        expected = (max if name in MORE else min)(values) if values else getattr(Gates(), name)
        assert getattr(gates, name) == expected, name


@given(said, said)
def test_it_does_not_matter_who_says_it_first_or_twice(one, other):
    """The tightest is the tightest."""
    assert tightest(one, other) == tightest(other, one) == tightest(one, other, one)


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        "x",
        {"unknown": 1},
        {"shadow_frames": "1"},
        {"shadow_frames": True},
        {"shadow_frames": -1},
        {"p99_ms": math.nan},
        {"p99_ms": math.inf},
    ],
)
def test_what_makes_no_sense_bounds_nothing(data):
    """A later registry may know more gates, a broken one may say anything."""
    assert tightest(understood(data)) == Gates()


def test_the_settings_are_the_gates():
    """Each can be set, and none is set by default."""
    assert set(GateSettings.model_fields) == set(NAMES)
    assert set(GateSettings().said().values()) == {None}


def test_no_gate_is_so_tight_that_nothing_can_pass_it():
    """A share of no frames, or a test that never ends, would be a deadline and no gate."""
    gates = tightest({"canary_share": 0.0, "max_error": 0.0, "crash_runs": 0, "max_wrong": 0})
    assert gates.canary_share > 0
    assert gates.max_error > 0
    assert gates.crash_runs == gates.max_wrong == 1
