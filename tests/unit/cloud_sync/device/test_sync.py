"""A sync: what is assigned and allowed is staged, as cheaply as it can be, and one model's fault is none of another's."""

from __future__ import annotations

import random

import pytest
from file_server import status
from folder_registry import DAY, NOW, FolderRegistry, sha256
from hostile_mirror import HostileMirror
from syncing import Device

from cloud_sync import layout
from cloud_sync.device.journal import Journal
from cloud_sync.wire import FolderWire, HttpWire

RANDOM = random.Random(1)
OLD = RANDOM.randbytes(200_000)
NEW = OLD[:100_000] + b"trained again" + OLD[100_013:]


def files(model: bytes, labels: bytes = b"good\nbad\n") -> dict[str, bytes]:
    return {"model.toml": b'name = "parts"', "model.tflite": model, "labels.txt": labels, "golden/a/1.png": b""}


@pytest.fixture
def registry(tmp_path):
    registry = FolderRegistry(tmp_path / "registry")
    registry.publish("parts", "1", files(OLD))
    registry.publish("parts", "2", files(NEW))
    registry.assign("channel:stable", {"parts": "1"})
    return registry


@pytest.fixture
def device(tmp_path, registry):
    return Device(tmp_path / "state", registry)


class Counting(FolderWire):
    """Notes what was asked for."""

    def __init__(self, folder) -> None:
        super().__init__(folder)
        self.read_paths, self.downloads = [], []

    def read(self, path, max_bytes, **how):
        self.read_paths.append(path)
        return super().read(path, max_bytes, **how)

    def download(self, path, into, **how):
        self.downloads.append(path)
        return super().download(path, into, **how)


def test_the_first_version_of_a_model_comes_whole(device):
    """It is staged for the agent, which makes it active; then there is nothing to do."""
    outcome = device.sync()
    assert (outcome.state, outcome.wanted, outcome.staged, outcome.error) == (
        "staged",
        {"parts": "1"},
        {"parts": "1"},
        None,
    )
    staged = device.store.staged()["parts"]
    assert device.store.is_whole(staged.digest)
    assert outcome.bytes == sum(map(len, files(OLD).values()))
    device.adopt()
    outcome = device.sync()
    assert (outcome.state, outcome.wanted, outcome.staged, outcome.bytes) == ("current", {"parts": "1"}, {}, 0)


def test_what_was_fetched_leaves_nothing_beside_the_store(device):
    """Neither parts nor patches."""
    device.sync()
    assert list((device.folder / "blobs").iterdir()) == []


def test_a_poll_that_finds_nothing_new_writes_nothing(device):
    """A flash card lives longer so."""
    device.sync()
    device.adopt()
    device.sync()
    before = {
        path: path.stat().st_mtime_ns
        for path in device.state_dir.rglob("*")
        if path.is_file() and "lock" not in path.name
    }
    with Journal.open(device.folder) as journal:
        steps = journal.steps()
    device.sync()
    with Journal.open(device.folder) as journal:
        assert journal.steps() == steps
    now = {
        path: path.stat().st_mtime_ns
        for path in device.state_dir.rglob("*")
        if path.is_file() and "lock" not in path.name
    }
    assert {path.name for path in now if now[path] != before.get(path)} <= {"journal.db"}


def test_the_second_version_comes_as_a_patch_and_what_is_the_same_not_at_all(device, registry):
    """Only what changed crosses the wire."""
    device.sync()
    device.adopt()
    patch = registry.offer_patch(OLD, NEW)
    registry.assign("channel:stable", {"parts": "2"})
    wire = Counting(registry.folder)
    outcome = device.sync(wire)
    assert (outcome.state, outcome.staged, outcome.bytes) == ("staged", {"parts": "2"}, len(patch))
    assert wire.downloads == [layout.blob(sha256(patch))]
    assert device.store.is_whole(device.store.staged()["parts"].digest)


def test_without_a_patch_it_comes_whole(device, registry):
    """When the operator allows it."""
    device.sync()
    device.adopt()
    registry.assign("channel:stable", {"parts": "2"})
    assert device.sync().bytes == len(NEW)


def test_on_a_metered_link_it_waits_for_a_patch(device, registry):
    """And takes it when it is there; the first version of a model comes whole, as nothing else could be."""
    device.options["on_delta_failure"] = "wait"
    assert device.sync().state == "staged"
    device.adopt()
    registry.assign("channel:stable", {"parts": "2"})
    outcome = device.sync()
    assert (outcome.state, outcome.error["code"], outcome.bytes) == ("waiting", "delta-failed", 0)
    patch = registry.offer_patch(OLD, NEW)
    assert (device.sync().bytes, device.store.staged()["parts"].version) == (len(patch), "2")


def test_a_compressed_whole_is_a_patch_of_nothing(device, registry):
    """Smaller than the file, where there is no old one."""
    text = b"the same again and again " * 10_000
    registry.publish("parts", "3", files(text))
    patch = registry.offer_patch(None, text)
    registry.assign("channel:stable", {"parts": "3"})
    assert device.sync().bytes < len(patch) + 100
    assert device.store.is_whole(device.store.staged()["parts"].digest)


def test_an_own_assignment_beats_that_of_the_channel(device, registry):
    """Model by model."""
    registry.publish("cells", "7", {"model.tflite": b"cells"})
    registry.assign("channel:stable", {"parts": "1", "cells": "7"})
    registry.assign("device:press-07", {"parts": "2"})
    device.models = {"parts": "stable", "cells": "stable"}
    assert device.sync().staged == {"parts": "2", "cells": "7"}


def test_models_follow_different_channels(device, registry):
    """And one that is in none of them waits."""
    registry.publish("cells", "7", {"model.tflite": b"cells"})
    registry.assign("channel:canary", {"cells": "7"})
    device.models = {"parts": "stable", "cells": "canary", "bottles": "stable", "cans": "beta", "lids": ""}
    outcome = device.sync()
    assert (outcome.state, outcome.staged) == ("staged", {"parts": "1", "cells": "7"})
    assert {name for name, one in outcome.models.items() if one["error"]} == {"bottles", "cans", "lids"}
    assert outcome.error["code"] == "not-assigned"


def test_whoever_withholds_an_own_assignment_takes_nothing_back(device, registry):
    """It stays in force until it expires; then the channel's counts."""
    registry.assign("device:press-07", {"parts": "2"})
    device.sync()
    device.adopt()
    (registry.folder / layout.assignment("device:press-07")).unlink()
    assert device.sync().state == "current"
    registry.timestamp_expires = NOW + 9 * DAY
    registry.write()
    registry.assign("channel:stable", {"parts": "1"}, expires=NOW + 20 * DAY)
    device.now = NOW + 8 * DAY
    assert device.sync().staged == {"parts": "1"}


def test_the_fault_of_one_model_is_none_of_another(device, registry):
    """One is not for this hardware, one's metadata is missing, one's blob is; the fourth is staged."""
    for name, hardware in (("cells", ()), ("cans", ("jetson-orin-nano",)), ("lids", ())):
        registry.publish(name, "1", {"model.tflite": name.encode()}, hardware=hardware)
    (registry.folder / layout.blob(sha256(b"lids"))).unlink()
    (registry.folder / "metadata" / f"{registry.models['cells'].version}.model.cells.json").unlink()
    registry.assign("channel:stable", dict.fromkeys(("parts", "cells", "cans", "lids"), "1"))
    device.models = dict.fromkeys(("parts", "cells", "cans", "lids"), "stable")
    outcome = device.sync()
    assert (outcome.state, outcome.staged) == ("staged", {"parts": "1"})
    codes = {name: one["error"] and one["error"]["code"] for name, one in outcome.models.items()}
    assert codes == {"parts": None, "cells": "not-found", "cans": "hardware-unfit", "lids": "not-found"}


def test_a_rejected_version_is_not_staged_until_something_else_was_assigned(device, registry):
    """Then it may be tried again."""
    device.sync()
    device.adopt()
    registry.assign("channel:stable", {"parts": "2"})
    device.sync()
    device.store.reject(device.store.staged()["parts"], "golden samples fail")
    outcome = device.sync()
    assert (outcome.state, outcome.error["code"], device.store.staged()) == ("failed", "version-rejected", {})
    registry.assign("channel:stable", {"parts": "1"})
    assert device.sync().state == "current"
    registry.assign("channel:stable", {"parts": "2"})
    assert device.sync().staged == {"parts": "2"}


def test_what_is_staged_gives_way_to_what_is_assigned_later(device, registry):
    """Also to what runs already."""
    device.sync()
    device.adopt()
    registry.assign("channel:stable", {"parts": "2"})
    device.sync()
    registry.assign("channel:stable", {"parts": "1"})
    assert (device.sync().state, device.store.staged()) == ("current", {})


def test_a_full_disk_is_found_before_anything_is_fetched(device):
    """And the reserve is left."""
    device.options["reserve_bytes"] = 1 << 60
    outcome = device.sync()
    assert (outcome.state, outcome.error["code"], outcome.bytes) == ("waiting", "disk-reserve", 0)


def test_expired_metadata_stops_updates_and_nothing_else(device, registry):
    """What runs is not touched."""
    device.sync()
    device.adopt()
    device.now = NOW + 8 * DAY
    before = device.picture()
    outcome = device.sync()
    assert (outcome.state, outcome.error["code"]) == ("failed", "metadata-expired")
    assert device.picture() == before


def test_a_clock_that_is_behind_learns_the_time_from_what_is_signed(device, registry):
    """So that old metadata cannot be shown to a device whose clock begins in 1970."""
    device.now = NOW.replace(year=1971)
    registry.assign("channel:stable", {"parts": "1"}, issued_at=NOW + DAY, expires=NOW + 20 * DAY)
    assert device.sync().state == "staged"
    registry.timestamp_expires = NOW + DAY / 2
    registry.write()
    assert device.sync().error["code"] == "metadata-expired"


def test_a_floor_of_the_clock_that_thieves_have_set_goes_with_their_keys(device, registry):
    """They have the keys of timestamp and assignments, and set the clock to where everything has expired."""
    registry.timestamp_expires = NOW + 100_000 * DAY
    registry.write()
    registry.assign("channel:stable", {"parts": "1"}, issued_at=NOW + 90_000 * DAY, expires=NOW + 99_000 * DAY)
    assert device.sync().state == "staged"
    registry.timestamp_expires = NOW + 7 * DAY
    registry.write()
    assert device.sync().error["code"] == "metadata-expired"
    registry.write_root(replace=("timestamp",))
    registry.write()
    registry.assign("channel:stable", {"parts": "2"})
    assert device.sync().staged == {"parts": "2"}


def test_the_first_root_is_known_by_its_digest(device, registry):
    """Where no file of it is on the device."""
    device.options |= {"root_path": None, "root_sha256": "00" * 32}
    assert device.sync().error["code"] == "signature-invalid"
    device.options["root_sha256"] = sha256(registry.root.read_bytes())
    assert device.sync().state == "staged"


def test_a_damaged_journal_is_begun_anew_and_said_so(device):
    """The way on is never lost."""
    device.sync()
    (device.folder / "journal.db").write_bytes(b"x" * 5000)
    device.adopt()
    assert device.sync().state == "current"
    with Journal.open(device.folder) as journal:
        assert journal.steps()[0]["what"] == "journal-damaged"
    assert (device.folder / "journal.db.damaged").exists()


def test_old_versions_are_collected(device, registry):
    """As many stay as are asked for, what runs and what ran among them."""
    device.options["retention"] = 2
    for version in ("1", "2", "1", "3"):
        if version == "3":
            registry.publish("parts", "3", files(b"three"))
        registry.assign("channel:stable", {"parts": version})
        device.sync()
        device.adopt()
    device.sync()
    assert (device.store.active("parts").version, device.store.previous("parts").version) == ("3", "1")
    assert len(device.store.digests()) == 2


def test_making_room_for_one_model_costs_none_that_was_just_fetched(device, registry, monkeypatch):
    """Old versions go, and what will be wanted when all models are through stays."""
    registry.publish("cells", "1", {"model.tflite": b"cells"})
    registry.assign("channel:stable", {"parts": "1", "cells": "1"})
    device.models = {"parts": "stable", "cells": "stable"}
    answers = iter([True, False, True])
    monkeypatch.setattr(device.store, "has_room", lambda *_: next(answers))
    assert device.sync().staged == {"parts": "1", "cells": "1"}


def test_a_poll_that_finds_nothing_new_brings_neither_the_timestamp_nor_assignments(device, registry):
    """The device asks by what it has; the rules judge that again."""
    with HostileMirror(registry.folder) as mirror, HttpWire(mirror.url) as wire:
        device.sync(wire)
        device.adopt()
        mirror.sent.clear()
        assert device.sync(wire).state == "current"
        asked = {"metadata/timestamp.json", "assignments/channel:stable.json"}
        assert asked <= set(mirror.paths())
        assert not any(mirror.sent[path] for path in asked)
        registry.assign("channel:stable", {"parts": "1"})
        registry.write()
        device.sync(wire)
        assert all(mirror.sent[path] for path in asked)


@pytest.mark.parametrize(
    ("what", "code"),
    [("metadata/timestamp.json", "metadata-expired"), ("assignments/channel:stable.json", "assignment-expired")],
)
def test_who_says_for_ever_that_nothing_is_new_is_not_believed_beyond_its_expiry(device, registry, what, code):
    """A freeze, by an answer without content."""
    with HostileMirror(registry.folder) as mirror, HttpWire(mirror.url) as wire:
        device.sync(wire)
        device.adopt()
        mirror.always[what] = status(304)
        assert device.sync(wire).error is None
        registry.timestamp_expires += 7 * DAY
        registry.write()
        device.now += 8 * DAY
        outcome = device.sync(wire)
        assert (outcome.state, outcome.error["code"]) == ("failed", code)


def test_what_rotted_here_is_not_taken_for_what_is_there(device, registry):
    """It is asked about as it is, so all of it comes."""
    with HostileMirror(registry.folder) as mirror, HttpWire(mirror.url) as wire:
        device.sync(wire)
        (device.folder / "trust" / "timestamp.json").write_bytes(b"{}")
        assert device.sync(wire).error is None
