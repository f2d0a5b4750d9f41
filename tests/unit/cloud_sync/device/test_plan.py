"""The plan is a function of values: what is allowed is what the owners signed, and each model is decided on its own."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_sync import layout
from cloud_sync.assignment import Wanted
from cloud_sync.device.plan import StoreState, decide
from cloud_sync.errors import NotAssigned, Unreachable, VersionYanked
from cloud_sync.store import Rejection, Version
from cloud_sync.trust.targets import ModelDelegation, Target

VERSIONS = ("1", "2", "3")
TAGS = ("pi", "x86_64")


def digest(name: str, version: str) -> str:
    return f"{ord(name):032x}{ord(version):032x}"


def version_of(name: str, version: str) -> Version:
    return Version(name, version, digest(name, version))


def wanted(name: str, version: str) -> Wanted:
    return Wanted(layout.manifest_target(name, version), digest(name, version))


@st.composite
def delegations(draw, name):
    targets = {}
    for version in draw(st.sets(st.sampled_from(VERSIONS))):
        path = layout.manifest_target(name, version)
        custom = {"release": int(version), "hardware": draw(st.lists(st.sampled_from(TAGS), max_size=2))}
        targets[path] = Target(path, 1, digest(name, version), custom, layout.role_of(name))
    return ModelDelegation(layout.role_of(name), 1, draw(st.integers(0, 3)), targets)


@st.composite
def situations(draw):
    names = ("a", "b")
    return (
        {
            name: draw(
                st.one_of(st.sampled_from(VERSIONS).map(lambda v, n=name: wanted(n, v)), st.just(NotAssigned("no")))
            )
            for name in names
        },
        {name: draw(st.one_of(delegations(name), st.none(), st.just(Unreachable("no")))) for name in names},
        draw(st.sets(st.sampled_from(TAGS))),
        StoreState(
            {n: version_of(n, v) for n in names if (v := draw(st.sampled_from((None, *VERSIONS))))},
            {n: version_of(n, v) for n in names if (v := draw(st.sampled_from((None, *VERSIONS))))},
            {n: Rejection(digest(n, v), "no", "") for n in names if (v := draw(st.sampled_from((None, *VERSIONS))))},
            {digest(n, v) for n in names for v in VERSIONS if draw(st.booleans())},
        ),
    )


def is_allowed(version: Version, delegation, hardware) -> bool:
    target = delegation.targets.get(layout.manifest_target(version.name, version.version))
    return (
        target is not None
        and target.sha256 == version.digest
        and target.custom["release"] >= delegation.min_release
        and (not target.custom["hardware"] or bool(hardware & set(target.custom["hardware"])))
    )


@settings(max_examples=60)
@given(situations())
def test_what_is_planned_is_assigned_allowed_and_not_rejected(situation):
    """Whatever is assigned, signed, and here."""
    assigned, signed, hardware, here = situation
    plan = decide(assigned, signed, hardware, here)
    chosen = {**plan.current, **plan.ready, **{f.version.name: f.version for f in plan.fetches}}
    for name, version in chosen.items():
        assert version.digest == assigned[name].sha256
        assert is_allowed(version, signed[name], hardware)
    for name in (*plan.ready, *(fetch.version.name for fetch in plan.fetches)):
        assert name not in here.rejected or here.rejected[name].digest != chosen[name].digest
    for version in plan.ready.values():
        assert version.digest in here.digests
    for name, version in plan.keep.items():
        assert version == here.staged[name]
        assert isinstance(signed[name], Unreachable) or is_allowed(version, signed[name], hardware)
    assert set(chosen) | set(plan.refusals) == set(assigned)
    assert not set(chosen) & set(plan.refusals)


@settings(max_examples=60)
@given(situations())
def test_each_model_is_decided_on_its_own(situation):
    """Without the other one, the plan for it is the same."""
    assigned, signed, hardware, here = situation
    both = decide(assigned, signed, hardware, here)
    alone = decide({"a": assigned["a"]}, {"a": signed["a"]}, hardware, here)
    for part in ("current", "ready", "keep"):
        assert getattr(alone, part).get("a") == getattr(both, part).get("a")
    assert [f for f in both.fetches if f.version.name == "a"] == list(alone.fetches)
    assert type(both.refusals.get("a")) is type(alone.refusals.get("a"))


def test_a_model_without_owners_cannot_be_assigned():
    """The registry knows no such model."""
    plan = decide({"a": wanted("a", "1")}, {"a": None}, set(), StoreState())
    assert isinstance(plan.refusals["a"], VersionYanked)


COMES_WITH = {
    "as it did": (wanted("b", "2"), False),
    "another version": (wanted("b", "3"), True),
    "nothing assigned": (NotAssigned("no"), True),
    "nobody knows what": (Unreachable("no"), False),
    "not followed any more": (None, True),
}


@pytest.mark.parametrize("case", COMES_WITH)
def test_a_version_without_a_fault_of_its_own_is_tried_again_when_it_comes_with_something_else(case):
    """It was rejected for what came with it, and is not held responsible for good."""
    mate, may_be_tried = COMES_WITH[case]
    assigned = {"a": wanted("a", "2")} | ({} if mate is None else {"b": mate})
    rejected = {
        "a": Rejection(digest("a", "2"), "it came with b 2", "", (version_of("b", "2"),)),
        "b": Rejection(digest("b", "2"), "worse", ""),
    }
    here = StoreState(rejected=rejected, digests={digest(n, v) for n in "ab" for v in VERSIONS})
    plan = decide(assigned, {name: signed(name) for name in assigned}, frozenset(), here)
    assert ("a" in plan.ready) == may_be_tried
    assert ("a" in plan.forgiven) == may_be_tried
    assert "a" in plan.ready or "another version of b" in plan.refusals["a"].hint


def signed(name):
    """Owners that publish everything."""
    targets = {
        path: Target(path, 1, digest(name, version), {"release": int(version), "hardware": []}, layout.role_of(name))
        for version in VERSIONS
        for path in [layout.manifest_target(name, version)]
    }
    return ModelDelegation(layout.role_of(name), 1, 0, targets)
