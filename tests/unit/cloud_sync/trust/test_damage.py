"""Trusted files that a power cut or a rotten block has spoilt: a device may lose its memory, never its way on."""

from __future__ import annotations

import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tuf_device import TrustingDevice
from tuf_simulator import NOW, Simulator

from cloud_sync.errors import CloudSyncError, MetadataInvalid, RollbackRefused
from cloud_sync.trust import TrustedRepository
from cloud_sync.wire import FolderWire

SPOILT = {
    "empty": b"",
    "zeros": bytes(500),
    "half": None,
    "other": b'{"signed": {}, "signatures": []}',
    "deep": b"[" * 5000,
}


def _spoil(path, how: str) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] if SPOILT[how] is None else SPOILT[how])


@pytest.mark.parametrize("how", SPOILT)
@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets", "model.a"])
def test_a_spoilt_file_counts_as_absent(tmp_path, role, how):
    """It is fetched again; the pinned root is the way back for the root."""
    registry = Simulator()
    registry.delegate("model.a", ["models/a/*/manifest.json"])
    registry.publish("model.a", "targets")
    registry.rotate_root()
    with TrustingDevice(tmp_path, registry) as device:
        device.refresh().delegation("a")
        before = device.bytes_kept()
        _spoil(tmp_path / f"{role}.json", how)
        device.refresh().delegation("a")
        assert device.bytes_kept() == before


def test_a_spoilt_root_without_a_pinned_one_says_what_to_do(device):
    """Nothing else is touched."""
    _spoil(device.folder / "root.json", "zeros")
    device.root = None
    before = device.bytes_kept()
    with pytest.raises(MetadataInvalid, match="no root") as refused:
        device.refresh()
    assert "sync.root" in refused.value.hint
    assert device.bytes_kept() == before


def test_a_spoilt_root_costs_no_memory_of_versions(device):
    """The timestamp is still the floor."""
    device.registry.rotate_root()
    device.registry.sign("timestamp")
    device.refresh()
    _spoil(device.folder / "root.json", "half")
    device.registry.sign("timestamp", version=1)
    with pytest.raises(RollbackRefused):
        device.refresh()


def test_what_a_killed_write_left_is_removed(device):
    """One of these for each power cut would fill the folder."""
    (device.folder / ".timestamp.json.0a1b2c3d.partial").write_bytes(b"half")
    device.refresh()
    assert device.strangers() == []


def test_a_folder_where_a_file_should_be_is_no_crash(device):
    """An odd one, but nobody at the line can mend it."""
    (device.folder / "snapshot.json").unlink()
    device.registry.files.pop("metadata/1.snapshot.json")
    with pytest.raises(CloudSyncError):
        device.refresh()


@pytest.fixture(scope="module")
def stick(tmp_path_factory):
    """A registry's second state on a stick, beside what a device trusts of the first."""
    folder = tmp_path_factory.mktemp("fuzzed")
    registry = Simulator()
    _write(folder / "stick", registry)
    _repository(folder, registry).refresh()
    registry.publish("root")
    registry.publish("targets")
    _write(folder / "stick", registry)
    return folder, registry


def _write(stick, registry) -> None:
    for path, content in registry.files.items():
        (stick / path).parent.mkdir(parents=True, exist_ok=True)
        (stick / path).write_bytes(content)


def _repository(folder, registry, trusted="trusted") -> TrustedRepository:
    return TrustedRepository(folder / trusted, FolderWire(folder / "stick"), root=registry.first_root, now=NOW)


@settings(max_examples=100)
@given(
    name=st.sampled_from(["2.root", "timestamp", "2.snapshot", "2.targets"]),
    at=st.floats(0, 1, exclude_max=True),
    length=st.integers(0, 40),
    instead=st.binary(max_size=20)
    | st.sampled_from([b"null", b"[]", b"{}", b"-1", b"1e999", b"true", b'""', b"9" * 5000, b'"\\ud800"', b"[" * 3000]),
)
def test_no_bytes_of_a_server_are_more_than_refused(stick, name, at, length, instead):
    """Metadata with spoilt bytes, structure or types ends in an error of ours, and is not kept unless it verified."""
    folder, registry = stick
    path = folder / "stick" / "metadata" / f"{name}.json"
    whole = path.read_bytes()
    begin = int(at * len(whole))
    spoilt = whole[:begin] + instead + whole[begin + length :]
    shutil.rmtree(folder / "now", ignore_errors=True)
    shutil.copytree(folder / "trusted", folder / "now")
    path.write_bytes(spoilt)
    try:
        _repository(folder, registry, "now").refresh()
    except CloudSyncError:
        assert spoilt not in [kept.read_bytes() for kept in (folder / "now").iterdir()]
    finally:
        path.write_bytes(whole)
