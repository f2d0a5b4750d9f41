"""The shipped profiles: that they load, what they say about themselves, and what the configuration takes from them."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from agent.models.settings import RuntimeSettings
from agent.telemetry.settings import LimitsSettings
from device_profiles import Profile, UnknownProfile, load, names

SECTIONS = ("match", "runtime", "camera", "limits")
every_profile = pytest.mark.parametrize("profile", [load(name) for name in names()], ids=names())


def values_of(profile: Profile) -> set[str]:
    """Every value that the profile's file sets, as section.key."""
    return {f"{section}.{key}" for section in SECTIONS for key in getattr(profile, section).model_fields_set}


def test_the_first_set_is_there():
    """Both generic ones and the four kinds of device that the documentation promises."""
    promised = {"generic-64", "generic-32", "x86-ipc", "raspberry-pi-4", "raspberry-pi-5", "jetson-orin-nano"}
    assert promised <= set(names())


@every_profile
def test_every_value_has_a_source_or_is_called_an_estimate(profile):
    """Nobody has to guess whether a number was measured."""
    sources = {f"{section}.{key}": text for section, keys in profile.sources.items() for key, text in keys.items()}
    assert set(sources) == values_of(profile)
    assert set(profile.estimates) == {key for key, text in sources.items() if text.startswith("estimate: ")}


@every_profile
def test_a_profile_without_one_of_its_sources_is_refused(profile):
    """The error names the value that nobody vouches for."""
    for value in values_of(profile):
        section, key = value.split(".")
        data = profile.model_dump(exclude_unset=True)
        del data["sources"][section][key]
        with pytest.raises(ValidationError, match=value):
            Profile.model_validate(data)


@every_profile
@pytest.mark.parametrize("text", ["", "estimate:", "I think so", "Specification: x"])
def test_a_source_must_say_of_which_sort_it_is(profile, text):
    """A specification, a measurement or an estimate, and then something about it."""
    data = profile.model_dump(exclude_unset=True)
    data["sources"]["limits"]["streams"] = text
    with pytest.raises(ValidationError, match=r"sources\.limits\.streams"):
        Profile.model_validate(data)


def test_a_source_without_a_value_is_refused():
    """A source that is left behind when its value goes would be a lie."""
    data = load("generic-64").model_dump(exclude_unset=True)
    data["sources"]["limits"]["throttle_c"] = "estimate: warm"
    with pytest.raises(ValidationError, match=r"limits\.throttle_c, which the profile does not set"):
        Profile.model_validate(data)


@every_profile
def test_settings_are_what_the_configuration_reads(profile):
    """Threads and delegates go into `[runtime]` as they stand."""
    runtime = RuntimeSettings.model_validate(profile.settings()["runtime"])
    assert runtime.threads == profile.runtime.threads
    assert [delegate.kind for delegate in runtime.delegates] == [
        delegate.kind for delegate in profile.runtime.delegates
    ]


@every_profile
def test_the_agent_acts_before_the_chip_slows_down(profile):
    """2 °C below, where it is known from which temperature it does."""
    throttle_c = profile.limits.throttle_c
    limits = LimitsSettings.model_validate(profile.settings()["limits"])
    assert limits.max_temperature_c == (None if throttle_c is None else throttle_c - 2)


def test_settings_belong_to_the_caller():
    """What a caller changes in them does not reach the profile."""
    settings = load("generic-64").settings()
    settings["runtime"]["delegates"].clear()
    assert load("generic-64").settings()["runtime"]["delegates"]


def test_an_external_delegate_keeps_library_and_options():
    """A profile for a board with an accelerator needs no code."""
    data = load("generic-64").model_dump(exclude_unset=True)
    edge_tpu = {"kind": "external", "library": "libedgetpu.so.1", "options": {"device": "usb"}}
    data["runtime"]["delegates"] = [edge_tpu, {"kind": "xnnpack"}]
    settings = Profile.model_validate(data).settings()
    assert settings["runtime"]["delegates"] == [edge_tpu, {"kind": "xnnpack"}]
    assert RuntimeSettings.model_validate(settings["runtime"]).delegates[0].options == {"device": "usb"}


@pytest.mark.parametrize("delegate", [{"kind": "external"}, {"kind": "xnnpack", "library": "libx.so"}])
def test_a_library_belongs_to_an_external_delegate_only(delegate):
    """As in the configuration, so that a profile cannot carry what the configuration refuses."""
    data = load("generic-64").model_dump(exclude_unset=True)
    data["runtime"]["delegates"] = [delegate]
    with pytest.raises(ValidationError, match="needs a library"):
        Profile.model_validate(data)


@pytest.mark.parametrize(
    ("asked", "suggestion"),
    [
        ("raspbery-pi-4", "raspberry-pi-4"),
        ("jetson-nano", "jetson-orin-nano"),
        ("x86_ipc", "x86-ipc"),
        ("../zzz", None),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest_one(asked, suggestion):
    """Or with all of them, when none is near."""
    with pytest.raises(UnknownProfile) as caught:
        load(asked)
    assert (caught.value.name, caught.value.known, caught.value.suggestion) == (asked, names(), suggestion)
    assert asked in str(caught.value)
    assert all(name in str(caught.value) for name in ([suggestion] if suggestion else names()))


def test_detection_loads_nothing_heavy():
    """Neither OpenCV nor NumPy nor the agent: `lineside check` on a small board stays quick."""
    code = "import sys, device_profiles; device_profiles.detect(); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    loaded = set(run.stdout.split())
    assert "device_profiles" in loaded
    assert loaded.isdisjoint({"cv2", "numpy", "agent", "cloud_sync", "ai_edge_litert", "paho"})
