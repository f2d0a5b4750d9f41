"""A device and a real registry, which share no code but the files between them: what one writes the other believes, and nothing else."""

from __future__ import annotations

import json
import os
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from registering import Site
from syncing import Device

from cloud_sync.device.journal import Journal
from cloud_sync.errors import CloudSyncError, Refused
from cloud_sync.wire import FolderWire

if TYPE_CHECKING:
    from pathlib import Path

OLD = random.Random(5).randbytes(100_000)
NEW = OLD[:50_000] + b"trained again" + OLD[50_013:]


@dataclass
class Shown:
    """What a device sees of a registry: its public files."""

    folder: Path

    @property
    def root(self) -> Path:
        return self.folder / "metadata" / "1.root.json"


@dataclass
class Counter:
    """The registry's desk, without HTTP in between."""

    site: Site

    def post(self, path: str, content: bytes, max_bytes: int) -> bytes:
        registry = self.site.registry
        try:
            if path == "api/v1/enrol/nonce":
                return json.dumps({"nonce": registry.devices.nonce()}).encode()
            if path == "api/v1/enrol":
                return json.dumps({"state": registry.devices.enrol(content).state}).encode()
            assert path == "api/v1/reports"
            return json.dumps({"device": registry.devices.report(content)}).encode()
        except CloudSyncError as error:
            raise Refused(str(error)) from error  # 403, as a device sees it


@pytest.fixture
def site(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: None)
    site = Site.make(tmp_path)
    site.add_model("parts")
    site.publish("parts", "1", 1, {"model.tflite": OLD}, "stable")
    yield site
    site.registry.close()


@pytest.fixture
def device(tmp_path, site):
    return Device(tmp_path / "state", Shown(site.public), now=site.clock(), desk=Counter(site))


def synced(device: Device, site: Site):
    """One sync at the registry's time, adopted as the agent does."""
    device.now = site.clock()
    outcome = device.sync()
    device.adopt()
    active = device.store.active("parts")
    runs = {
        "parts": {"version": active.version, "digest": f"sha256:{active.digest}", "state": "active", "reason": None}
    }
    device.options["runs"] = runs
    return outcome


def test_a_device_follows_its_registry_from_version_to_version(site, device):
    """It enrols, says what it runs, and the next version comes as a patch of that."""
    device.options["enrol_token"] = site.registry.devices.create_enrolment_token("press-07", by="ada")
    assert synced(device, site).enrolment == "admitted"
    device.options["enrol_token"] = None
    site.clock.forward(minutes=5)
    assert synced(device, site).report_error is None
    assert site.registry.devices.one("press-07").runs["parts"]["version"] == "1"
    site.publish("parts", "2", 2, {"model.tflite": NEW}, "stable")
    site.clock.forward(minutes=5)
    outcome = synced(device, site)
    assert (outcome.state, outcome.error, outcome.report_error) == ("staged", None, None)
    assert 0 < outcome.bytes < len(NEW) / 10
    assert device.store.active("parts").version == "2"
    assert [event["what"] for event in site.registry.devices.one("press-07").events] == ["staged", "staged"]


def test_who_has_no_token_waits_for_an_operator_and_is_updated_meanwhile(site, device):
    """Its reports come when it is admitted."""
    assert synced(device, site).enrolment == "waiting"
    assert device.store.active("parts").version == "1"
    site.registry.devices.approve("press-07", by="ada")
    site.clock.forward(minutes=15)
    assert synced(device, site).enrolment == "admitted"
    assert site.registry.devices.one("press-07").runs["parts"]["version"] == "1"
    with Journal.open(device.folder) as journal:
        assert journal.reports() == []


def test_a_device_that_was_sent_away_keeps_what_it_has_to_say(site, device):
    """And is not taken back by asking."""
    device.options["enrol_token"] = site.registry.devices.create_enrolment_token("press-07", by="ada")
    synced(device, site)
    device.options["enrol_token"] = None
    site.registry.devices.revoke("press-07", by="ada")
    site.clock.forward(hours=2)
    assert synced(device, site).enrolment == "waiting"
    with Journal.open(device.folder) as journal:
        assert len(journal.reports()) == 1


def test_a_yanked_version_gives_way_to_the_one_before(site, device):
    """It lies on the device already, so nothing is fetched."""
    synced(device, site)
    site.publish("parts", "2", 2, {"model.tflite": NEW}, "stable")
    synced(device, site)
    site.yank("parts", "2")
    outcome = synced(device, site)
    assert (outcome.bytes, device.store.active("parts").version) == (0, "1")


def test_an_assignment_of_its_own_is_given_and_taken_back(site, device):
    """Then the channel counts again."""
    site.publish("parts", "2", 2, {"model.tflite": NEW})
    site.registry.assignments.assign_device("press-07", {"parts": "2"}, by="ada")
    synced(device, site)
    assert device.store.active("parts").version == "2"
    site.registry.assignments.assign_device("press-07", {"parts": None}, by="ada")
    synced(device, site)
    assert device.store.active("parts").version == "1"


@pytest.mark.parametrize("role", ["assignment", "timestamp", "snapshot"])
def test_a_device_follows_when_online_keys_are_replaced(site, device, role):
    """Whatever was signed by the old one."""
    synced(device, site)
    site.registry.keys.rotate_online(role, root_signers=site.roots, targets_signer=site.signer("targets"), by="ada")
    site.publish("parts", "2", 2, {"model.tflite": NEW}, "stable")
    assert synced(device, site).error is None
    assert device.store.active("parts").version == "2"


def test_a_stick_brings_the_same_as_the_wire(site, device, tmp_path):
    """With the same verification; what happened is told when there is a wire again."""
    site.registry.export(["parts"], tmp_path / "stick", by="ada")
    device.desk, desk = None, device.desk
    device.now = site.clock()
    assert device.sync(FolderWire(tmp_path / "stick")).state == "staged"
    device.adopt()
    site.clock.forward(hours=1)
    device.desk = desk
    device.options["enrol_token"] = site.registry.devices.create_enrolment_token("press-07", by="ada")
    assert synced(device, site).state == "current"
    assert [event["what"] for event in site.registry.devices.one("press-07").events] == ["staged"]
