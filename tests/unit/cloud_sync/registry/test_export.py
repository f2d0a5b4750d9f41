"""A stick has the layout of the registry, and a device trusts it as little and as much."""

from __future__ import annotations

import pytest
from registering import accepted, client, seen

from cloud_sync import layout, manifest
from cloud_sync.errors import BlobDiffers
from cloud_sync.registry.errors import UnknownName

FILES = {"model.tflite": b"second", "labels.txt": b"a\nb\n"}


def test_a_device_takes_what_it_is_assigned_from_a_stick(solar, tmp_path):
    """Metadata, assignments, manifests and files, of this model alone."""
    solar.add_model("bearing")
    solar.publish("bearing", "1.0.0", 1, {"model.tflite": b"bearing"}, "stable")
    solar.publish("solar-cell", "1.1.0", 2, FILES)
    solar.registry.assignments.assign_device("press-07", {"solar-cell": "1.1.0"}, by="ada")
    stick = tmp_path / "stick"
    assert solar.registry.export(["solar-cell"], stick, by="ada") == ["solar-cell 1.1.0", "solar-cell 1.0.0"]
    trusted = client(solar, tmp_path / "client", stick)
    assert accepted(solar, trusted, "device:press-07", stick) == {"solar-cell": "1.1.0"}
    content = trusted.read_target("models/solar-cell/1.1.0/manifest.json", 1 << 20)
    for entry in manifest.decode(content).files:
        assert (stick / layout.blob(entry.sha256)).stat().st_size == entry.length_bytes
    assert len(list((stick / "blobs" / "sha256").iterdir())) == 3
    assert [path.name for path in stick.rglob("*bearing*")] == []


def test_only_what_is_assigned_goes_unless_all_is_asked_for(solar, tmp_path):
    """A stick is small; an earlier export on it is brought up to date."""
    solar.publish("solar-cell", "1.1.0", 2, FILES, "stable")
    stick = tmp_path / "stick"
    assert solar.registry.export(["solar-cell"], stick, by="ada") == ["solar-cell 1.1.0"]
    client(solar, tmp_path / "client", stick)
    solar.publish("solar-cell", "1.2.0", 3, {"model.tflite": b"third"}, "stable")
    solar.registry.keys.rotate_online("timestamp", root_signers=solar.roots, by="ada")
    assert len(solar.registry.export(["solar-cell"], stick, every_version=True, by="ada")) == 3
    trusted = client(solar, tmp_path / "client", stick)
    assert seen(trusted, ["solar-cell"])["solar-cell"].keys() == {"1.0.0", "1.1.0", "1.2.0"}
    assert accepted(solar, trusted, "channel:stable", stick) == {"solar-cell": "1.2.0"}


def test_a_stick_that_was_pulled_early_is_the_old_one_or_none(solar, tmp_path, monkeypatch):
    """Timestamp and assignments come last."""
    stick = tmp_path / "stick"
    solar.registry.export(["solar-cell"], stick, by="ada")
    client(solar, tmp_path / "client", stick)
    solar.publish("solar-cell", "1.1.0", 2, FILES, "stable")

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("cloud_sync.registry.exporting._write", full)
        with pytest.raises(OSError, match="No space"):
            solar.registry.export(["solar-cell"], stick, by="ada")
    trusted = client(solar, tmp_path / "client", stick)
    assert accepted(solar, trusted, "channel:stable", stick) == {"solar-cell": "1.0.0"}


def test_a_stick_with_fat_has_no_colon_in_its_names(solar, tmp_path, monkeypatch):
    """As sticks come from the shop."""
    from cloud_sync.registry import files

    real = files.write_all

    def fat(folder, named):
        if any(":" in path for path, _ in named):
            raise OSError(22, "Invalid argument")
        real(folder, named)

    monkeypatch.setattr(files, "write_all", fat)
    solar.registry.export(["solar-cell"], tmp_path / "stick", by="ada")
    assert (tmp_path / "stick" / "assignments" / "channel%3Astable.json").is_file()


def test_unknown_models_and_damaged_files_are_named(solar, tmp_path):
    """Nobody drives to a plant with them."""
    with pytest.raises(UnknownName):
        solar.registry.export(["solar-cell", "none"], tmp_path / "stick", by="ada")
    sha256 = solar.registry.blobs.put(b"first")
    solar.registry.blobs.path(sha256).write_bytes(b"worst")
    with pytest.raises(BlobDiffers):
        solar.registry.export(["solar-cell"], tmp_path / "stick", by="ada")
