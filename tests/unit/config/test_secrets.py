"""A password in an address never shows in a finding, wherever somebody put it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.commands.settings import CommandsSettings
from agent.config.fields import fields_of
from agent.config.layers import Layer
from agent.config.loading import validated
from agent.config.settings import AgentSettings, DeviceSettings, LogSettings, SupervisionSettings
from agent.models.settings import DelegateSettings, ModelSettings, RuntimeSettings
from agent.models.spec import DecisionSpec, GoldenSpec, InputSpec, OutputSpec
from agent.mqtt.settings import MqttSettings
from agent.pipeline.settings import BoundsSettings, PipelineSettings
from agent.sources.camera.settings import CameraSettings
from agent.sources.images.settings import ImagesSettings
from agent.telemetry.settings import LimitsSettings

if TYPE_CHECKING:
    from pydantic import BaseModel

SECRET = "s3cret"
TABLES: list[tuple[tuple[str, ...], type[BaseModel]]] = [
    (("device",), DeviceSettings),
    (("mqtt",), MqttSettings),
    (("log",), LogSettings),
    (("limits",), LimitsSettings),
    (("runtime",), RuntimeSettings),
    (("supervision",), SupervisionSettings),
    (("runtime", "delegates", "0"), DelegateSettings),
    (("sources", "a"), CameraSettings),
    (("sources", "b"), ImagesSettings),
    (("models", "m"), ModelSettings),
    (("models", "m", "input"), InputSpec),
    (("models", "m", "output"), OutputSpec),
    (("models", "m", "decision"), DecisionSpec),
    (("models", "m", "golden"), GoldenSpec),
    (("pipelines", "p"), PipelineSettings),
    (("pipelines", "p", "bounds"), BoundsSettings),
    (("commands",), CommandsSettings),
]
KEYS = [(path, field.key) for path, model in TABLES for field in fields_of(model)]
ADDRESSES = [
    f"rtsp://user:{SECRET}@cam/stream",
    f"mqtt://user:{SECRET}@broker",
    f"mqtt://user:{SECRET}/more@broker",
    f"mqtt://user:{SECRET}\u2100@broker",
    f"mqtt://user:{SECRET}'x@broker",
    f"foo://user:{SECRET}@host:port",
    f"mqtt://[user:{SECRET}@host",
    f"http://cam/video?user=u&password={SECRET}",
]


def said(path: tuple[str, ...], key: str, value: Any) -> str:
    """Everything that the findings say when `value` stands at this key."""
    values: Any = {key: value}
    for part in reversed(path):
        values = [values] if part == "0" else {part: values}
    if path == ("sources", "a") and key != "type":
        values["sources"]["a"] = {"type": "camera", **values["sources"]["a"]}
    _, findings = validated([Layer("the file", values)])
    return " ".join(f"{finding.message} {finding.hint}" for finding in findings)


@pytest.mark.parametrize(("path", "key"), KEYS, ids=[".".join((*path, key)) for path, key in KEYS])
def test_a_password_never_shows_whatever_key_holds_the_address(path, key):
    """Also where a wrong value is quoted, and where a validator has words of its own."""
    for address in ADDRESSES:
        assert SECRET not in said(path, key, address), address
        assert SECRET not in said(path, key, [address]), address
        assert SECRET not in said(path, key, {"x": address}), address


@pytest.mark.parametrize("address", ADDRESSES[:-1])
def test_an_address_in_place_of_a_name_does_not_show_its_password(address):
    """Keys are quoted in findings too."""
    assert SECRET not in said(("sources", address), "url", "0")
    assert SECRET not in said(("device",), address, "x")
    assert SECRET not in said((), address, "x")


@settings(deadline=None)
@given(st.sampled_from(["mqtt", "rtsp", "foo"]), st.text(min_size=1), st.text(), st.text())
def test_no_password_of_any_letters_shows(scheme, user, before, after):
    """The password is between the first colon and the last `@`."""
    address = f"{scheme}://{user.translate({ord(c): None for c in ':@/?#'})}:{before}{SECRET}{after}@host"
    assert SECRET not in said(("mqtt",), "url", address)
    assert SECRET not in said(("device",), "location", address)


def test_the_address_itself_shows_so_that_it_can_be_found():
    """Only the password is hidden."""
    assert "mqtt://user:***@broker" in said(("mqtt",), "url", f"mqtt://user:{SECRET}@broker")


def test_every_table_of_the_configuration_is_tried_here():
    """A new table belongs into the list above."""
    assert {path[0] for path, _ in TABLES} == {
        key for key, field in AgentSettings.model_fields.items() if key not in ("spool", "samples", "sync")
    }
