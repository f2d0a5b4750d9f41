"""Gates on their way from a registry to a device: both sides mean the same by a name, and the tightest of all that is said holds there."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest
from adopting import Line
from annotated_types import Ge, Gt, Le, Lt
from hypothesis import given, settings
from hypothesis import strategies as st
from registering import Clock, Site
from stocking import activated, version_folder

from agent.core.gates import NAMES, understood
from agent.models.gate_settings import GateSettings
from agent.models.trial import Prover
from cloud_sync.assignment import Assignment, Wanted, _read
from cloud_sync.device.__main__ import run
from cloud_sync.device.order import Order
from cloud_sync.gates import RANGES, check

GATES = {"shadow_frames": 30, "bake_s": 7200, "canary_share": 0.05, "max_failures": 0.5}


def test_a_registry_knows_the_gates_that_a_device_understands():
    """No more, as nobody would obey them, and no fewer."""
    assert set(RANGES) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_what_a_registry_takes_would_stand_in_a_configuration_too(name):
    """Both ends of each range, and whole numbers where the configuration wants them."""
    may, field = RANGES[name], GateSettings.model_fields[name]
    for value in (may.least, may.most):
        GateSettings.model_validate({name: int(value) if may.is_whole else value})
        assert understood({name: value}) == {name: value}
    bounds = {type(each): each for each in field.metadata}
    assert may.is_whole == ("int" in str(field.annotation))
    assert may.least >= (bounds[Ge].ge if Ge in bounds else bounds[Gt].gt)
    assert Le not in bounds or may.most <= bounds[Le].le
    assert Lt not in bounds or may.most < bounds[Lt].lt


VALUES = st.sampled_from(NAMES).flatmap(
    lambda name: st.tuples(
        st.just(name),
        st.integers(int(RANGES[name].least) + 1, max(1, int(RANGES[name].most)))
        if RANGES[name].is_whole
        else st.floats(RANGES[name].least, RANGES[name].most).map(lambda value: round(value, 6)),
    )
)


@settings(max_examples=40)
@given(st.lists(VALUES, max_size=5).map(dict))
def test_what_is_signed_is_what_was_set(gates):
    """To the last digit that a person would write."""
    check(gates)
    now = datetime(2026, 12, 1, tzinfo=timezone.utc)
    wanted = {"m": Wanted("models/m/1/manifest.json", "0" * 64, gates)}
    signed = Assignment("channel:stable", 1, now, now.replace(year=2027), wanted).as_dict()
    assert _read(json.loads(json.dumps(signed)), "it").models["m"].gates == gates


def test_a_gate_that_is_set_at_the_registry_holds_on_the_device_where_it_is_the_tightest(tmp_path):
    """Signed, fetched, verified and staged; beside those of the bundle and of the configuration, in the trial and in its journal."""
    now = datetime.now(timezone.utc).replace(microsecond=0)
    site = Site.make(tmp_path / "cloud", clock=Clock(now))
    site.add_model("m")
    place = version_folder(tmp_path / "m-1.1.0", "1.1.0", name="m", toml="[gates]\nbake_s = 60\nmax_failures = 0.2\n")
    files = {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}
    del files["manifest.json"]
    site.publish("m", "1.1.0", 1, files, "stable")
    site.registry.assignments.assign("channel:stable", {}, gates={"m": GATES}, by="ada")
    site.registry.close()
    configured = {"shadow_frames": 10, "shadow_s": 0, "canary_frames": 5, "canary_share": 0.25, "bake_s": 600}
    line = Line(tmp_path / "device", {"a": {"model": "m"}}, Prover(tmp_path / "proven"), gates=configured, staged=True)
    try:
        activated(line.store, line.version("1.0.0"))
        line.start()
        root = site.public / "metadata/1.root.json"
        order = Order(tmp_path / "device", "press-07", models={"m": "stable"}, root_path=root, import_dir=site.public)
        assert run(order.encode(), lambda _: None).staged == {"m": "1.1.0"}
        assert [event.what for event in line.adoption.adopt()] == ["shadow"]
        expected = {"shadow_frames": 30, "bake_s": 7200, "canary_share": 0.05, "max_failures": 0.2}
        for gates in (
            line.life.status()["m"]["gates"],
            json.loads((tmp_path / "device/life.json").read_bytes())["models"]["m"]["gates"],
        ):
            assert {name: gates[name] for name in expected} == expected
    finally:
        line.end()
