"""Attacks on what a device is told and sent: each is refused by its own name, and the store is as it was, byte for byte."""

from __future__ import annotations

import json
import random
import re

import pytest
import zstandard
from folder_registry import DAY, NOW, FolderRegistry, manifest_of, sha256
from securesystemslib.signer import CryptoSigner
from syncing import Device

from cloud_sync import layout
from cloud_sync.wire import FolderWire

OLD = random.Random(2).randbytes(100_000)
NEW = OLD[:50_000] + b"trained again" + OLD[50_013:]
ELSE = OLD[:60_000] + b"trained by somebody else" + OLD[60_024:]


@pytest.fixture
def registry(tmp_path):
    registry = FolderRegistry(tmp_path / "registry")
    registry.publish("parts", "1", {"model.tflite": OLD})
    registry.publish("parts", "2", {"model.tflite": NEW})
    registry.assign("channel:stable", {"parts": "1"})
    return registry


@pytest.fixture
def device(tmp_path, registry):
    """It runs version 1."""
    device = Device(tmp_path / "state", registry)
    device.sync()
    device.adopt()
    assert device.sync().state == "current"
    return device


def refused(device: Device, wire=None) -> str:
    """The code of the refusal, when nothing has changed."""
    before = device.picture()
    outcome = device.sync(wire)
    assert device.picture() == before
    assert (outcome.state, outcome.staged) == ("failed", {})
    return outcome.error["code"]


# -- assignments ------------------------------------------------------------------------------------------------------------------


def test_a_replayed_assignment(device, registry):
    """An old one, shown again by a mirror."""
    path = registry.folder / layout.assignment("channel:stable")
    old = path.read_bytes()
    registry.assign("channel:stable", {"parts": "2"})
    device.sync()
    path.write_bytes(old)
    assert refused_keeping_staged(device) == "assignment-replayed"


def refused_keeping_staged(device: Device) -> str:
    """As `refused`, while version 2 waits for the agent."""
    before = device.picture()
    outcome = device.sync()
    assert device.picture() == before
    assert device.store.staged()["parts"].version == "2"
    return outcome.models["parts"]["error"]["code"]


@pytest.mark.parametrize("subject", ["device:press-08", "channel:canary", "device:stable"])
def test_a_foreign_assignment(device, registry, subject):
    """Of another device or channel, put in the place of ours."""
    content = registry.assign(subject, {"parts": "2"})
    registry.put(layout.assignment("channel:stable"), content)
    assert refused(device) == "assignment-foreign"


def test_an_expired_assignment(device, registry):
    """The registry is frozen."""
    registry.assign("channel:stable", {"parts": "2"}, issued_at=NOW - 2 * DAY, expires=NOW - DAY)
    assert refused(device) == "assignment-expired"


def test_a_strangers_assignment(device, registry):
    """Signed by a key that is none of the registry's."""
    registry.assign("channel:stable", {"parts": "2"}, signer=CryptoSigner.generate_ed25519())
    assert refused(device) == "signature-invalid"


def test_an_assignment_from_the_far_future(device, registry):
    """It would push the clock to where nothing is valid any more."""
    registry.assign("channel:stable", {"parts": "2"}, issued_at=NOW + 8 * DAY, expires=NOW + 9 * DAY)
    assert refused(device) == "assignment-invalid"
    registry.assign("channel:stable", {"parts": "2"})
    assert device.sync().staged == {"parts": "2"}


def test_a_bad_assignment_of_the_device_is_not_replaced_by_that_of_its_channel(device, registry):
    """A stranger cannot choose which of them counts."""
    registry.assign("channel:stable", {"parts": "2"})
    registry.assign("device:press-07", {"parts": "1"}, signer=CryptoSigner.generate_ed25519())
    assert refused(device) == "signature-invalid"


# -- a stolen assignment key can only choose among what the owners allow ----------------------------------------------------------


def test_a_version_for_other_hardware(device, registry):
    registry.publish("parts", "3", {"model.tflite": b"3"}, hardware=("jetson-orin-nano",))
    registry.assign("channel:stable", {"parts": "3"})
    assert refused(device) == "hardware-unfit"


def test_a_release_that_is_too_old(device, registry):
    """Signed by the owners once, and given up since."""
    registry.models["parts"].min_release = 2
    registry.write()
    assert refused(device) == "below-min-release"


def test_a_yanked_version(device, registry):
    registry.yank("parts", "2")
    registry.assign("channel:stable", {"parts": "2"})
    assert refused(device) == "version-yanked"


def test_a_version_that_was_never_published(device, registry):
    registry.assign("channel:stable", {"parts": "666"})
    assert refused(device) == "version-yanked"


def test_other_bytes_under_the_name_of_a_version(device, registry):
    """The digest in the assignment is not the one that the owners signed."""
    registry.models["parts"].manifests["2"] = manifest_of("parts", "2", {"model.tflite": ELSE})
    registry.assign("channel:stable", {"parts": "2"})
    assert refused(device) == "manifest-foreign"


def test_a_yanked_version_that_is_staged_already_is_not_adopted(device, registry):
    """It was fetched while it was allowed."""
    registry.assign("channel:stable", {"parts": "2"})
    assert device.sync().staged == {"parts": "2"}
    registry.yank("parts", "2")
    assert (device.sync().staged, device.store.staged()) == ({}, {})
    assert device.store.active("parts").version == "1"


# -- what owners sign by mistake, or with a stolen key ----------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["../../../secret", "/etc/cron.d/x", "a/../../b"])
def test_a_manifest_that_names_files_outside_its_folder(device, registry, path, tmp_path):
    entry = {"path": path, "sha256": registry.blob(b"x"), "length": 1}
    content = {"schema": "lineside.manifest/1", "name": "parts", "version": "3", "files": [entry]}
    registry.publish("parts", "3", {}, manifest=json.dumps(content).encode())
    registry.assign("channel:stable", {"parts": "3"})
    assert refused(device) == "manifest-invalid"
    assert not (tmp_path / "secret").exists()


def test_a_manifest_of_another_model(device, registry):
    """The owners of one model publish another's files under its name."""
    registry.publish("parts", "3", {}, manifest=manifest_of("cells", "3", {"model.tflite": NEW}))
    registry.assign("channel:stable", {"parts": "3"})
    assert refused(device) == "manifest-foreign"


@pytest.mark.parametrize("release", [0, "3", True])
def test_a_release_that_makes_no_sense(device, registry, release):
    registry.publish("parts", "3", {"model.tflite": b"3"}, release=3)
    registry.models["parts"].targets[layout.manifest_target("parts", "3")].unrecognized_fields["custom"] = {
        "release": release
    }
    registry.write()
    registry.assign("channel:stable", {"parts": "3"})
    assert refused(device) == "metadata-invalid"


# -- what a mirror sends ----------------------------------------------------------------------------------------------------------


def assign_second(registry: FolderRegistry) -> None:
    registry.assign("channel:stable", {"parts": "2"})


@pytest.mark.parametrize("content", [b"", NEW[:-1], NEW + b"x" * 10_000_000, NEW[:-1] + b"\x00", b"404 not found"])
def test_other_bytes_than_the_manifest_says(device, registry, content):
    """Cut short, without an end, changed, or something else."""
    assign_second(registry)
    registry.put(layout.blob(sha256(NEW)), content)
    assert refused(device) == "blob-differs"
    assert not any((device.folder / "blobs").iterdir())
    registry.blob(NEW)
    assert device.sync().staged == {"parts": "2"}


class Endless(FolderWire):
    """A mirror whose blobs have no end; counts what a device takes of them."""

    taken = 0

    def _copy(self, path, landing, on_bytes):
        def counted(count: int) -> None:
            self.taken += count
            on_bytes(count)

        return super()._copy(path, landing, counted)


def test_an_endless_blob_is_not_read_to_its_end(device, registry):
    """No more than the file is long."""
    assign_second(registry)
    place = registry.folder / layout.blob(sha256(NEW))
    with place.open("wb") as file:
        file.truncate(1 << 40)
    wire = Endless(registry.folder)
    assert refused(device, wire) == "blob-differs"
    assert wire.taken <= len(NEW)


def _bomb(registry: FolderRegistry) -> None:
    """Half a kilobyte that becomes 50 MB, within a window that a right patch might ask for."""
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=16, write_content_size=0)
    registry.offer_patch(OLD, NEW, zstandard.ZstdCompressor(compression_params=parameters).compress(bytes(50_000_000)))


def _other(registry: FolderRegistry) -> None:
    registry.offer_patch(OLD, NEW, registry.offer_patch(OLD, ELSE))


def _short(registry: FolderRegistry) -> None:
    registry.offer_patch(OLD, NEW, registry.offer_patch(OLD, NEW[:-1]))


def _junk(registry: FolderRegistry) -> None:
    registry.offer_patch(OLD, NEW, b"this is no patch")


def _missing(registry: FolderRegistry) -> None:
    registry.offer_patch(OLD, NEW, b"not there")
    (registry.folder / layout.blob(sha256(b"not there"))).unlink()


def _index(content: bytes):
    return lambda registry: registry.put(layout.patches_of(sha256(NEW)), content)


PATCHES = {
    "patch-bomb": _bomb,
    "patch-differs": _other,
    "patch-differs ": _short,
    "patch-differs  ": _junk,
    "not-found": _missing,
    "metadata-invalid": _index(b"[" * 50_000),
    "metadata-invalid ": _index(b'{"schema":"lineside.deltas/1","to":"ff","patches":[]}'),
    "content-too-large": _index(b" " * 1_000_000),
}


@pytest.mark.parametrize("code", PATCHES)
def test_a_patch_that_is_wrong_on_a_metered_link(device, registry, code):
    """Nothing is fetched in its place, and the same one is not paid for twice."""
    assign_second(registry)
    PATCHES[code](registry)
    device.options["on_delta_failure"] = "wait"
    before = device.picture()
    outcome = device.sync()
    assert (outcome.state, outcome.error["code"], device.picture()) == ("waiting", "delta-failed", before)
    assert outcome.bytes < len(NEW) / 2
    assert patch_faults(device) == [code.strip()]
    assert device.sync().bytes == 0


@pytest.mark.parametrize("code", ["patch-bomb", "patch-differs", "not-found", "metadata-invalid"])
def test_a_patch_that_is_wrong_costs_no_more_than_itself_elsewhere(device, registry, code):
    """The whole file comes in its place."""
    assign_second(registry)
    PATCHES[code](registry)
    outcome = device.sync()
    assert (outcome.state, outcome.staged) == ("staged", {"parts": "2"})
    assert len(NEW) <= outcome.bytes < 1.5 * len(NEW)
    assert device.store.is_whole(device.store.staged()["parts"].digest)
    assert patch_faults(device) == [code.strip()]


def patch_faults(device: Device) -> list[str]:
    """Their codes, as the journal has them."""
    from cloud_sync.device.journal import Journal

    with Journal.open(device.folder) as journal:
        reasons = [step["reason"] for step in journal.steps() if step["what"] == "patch-failed"]
    return [re.match(r"[a-z-]+", reason)[0] for reason in reasons]
