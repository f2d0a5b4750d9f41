"""The client workflow of the specification (5.3 to 5.7) when nobody attacks."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta

import pytest
from file_server import FileServer, status
from securesystemslib.signer import CryptoSigner, Key
from tuf_device import TrustingDevice
from tuf_simulator import NOW, Simulator

from cloud_sync.errors import (
    MetadataExpired,
    MetadataInvalid,
    MetadataMixed,
    ServerBusy,
    SignatureInvalid,
    Unreachable,
    VersionYanked,
)
from cloud_sync.trust import TrustedRepository, first_root, initial_root
from cloud_sync.wire import FolderWire, HttpWire


def test_a_first_poll_asks_for_each_role_once_and_keeps_it(fresh):
    """The pinned root is the beginning of trust."""
    repository = fresh.refresh()
    assert fresh.asked() == ["2.root", "timestamp", "1.snapshot", "1.targets"]
    assert fresh.kept() == {"root": 1, "snapshot": 1, "targets": 1, "timestamp": 1}
    assert repository.timestamp_expires == fresh.registry.expires


def test_a_poll_without_news_asks_for_root_and_timestamp_only(device):
    """And rewrites nothing: an SD card wears."""
    before = {path.name: path.stat().st_ino for path in device.folder.iterdir()}
    device.refresh()
    assert device.asked() == ["2.root", "timestamp"]
    assert {path.name: path.stat().st_ino for path in device.folder.iterdir()} == before


def test_another_timestamp_of_the_same_version_is_not_taken(device):
    """The trusted one goes on to be used."""
    device.registry.timestamp.snapshot_meta.version = 100
    device.registry.sign("timestamp", version=1)
    before = device.bytes_kept()
    device.refresh()
    assert device.bytes_kept() == before


@pytest.mark.parametrize("consistent", [True, False])
@pytest.mark.parametrize("announced", [True, False])
def test_a_new_version_is_taken(tmp_path, consistent, announced):
    """With and without consistent snapshots, lengths and hashes."""
    registry = Simulator(consistent=consistent, announce_hashes=announced)
    with TrustingDevice(tmp_path, registry) as device:
        device.refresh()
        registry.add("folder/file", b"content")
        registry.publish("targets")
        repository = device.refresh()
        named = ["2.snapshot", "2.targets"] if consistent else ["snapshot", "targets"]
        assert device.asked() == ["2.root", "timestamp", *named]
        assert repository.read_target("folder/file", 100) == b"content"
        assert device.kept() == {"root": 1, "snapshot": 2, "targets": 2, "timestamp": 2}


def test_the_bytes_that_were_signed_are_kept(device):
    """Nothing is written anew in words of our own."""
    for name in ("timestamp", "1.snapshot", "1.targets", "1.root"):
        kept = device.folder / f"{name.removeprefix('1.')}.json"
        assert kept.read_bytes() == device.registry.files[f"metadata/{name}.json"]


def test_roots_are_followed_one_by_one_and_the_trusted_one_goes_along(device):
    """Each is on the disk before the next is asked for."""
    for _ in range(3):
        device.registry.rotate_root()
    device.server.faults["metadata/4.root.json"].append(status(500))
    with pytest.raises(Unreachable):
        device.refresh()
    assert device.kept()["root"] == 3
    device.refresh()
    assert device.asked()[:3] == ["4.root", "5.root", "timestamp"]
    assert device.kept()["root"] == 4


def test_expired_roots_on_the_way_are_no_fault(device):
    """Only the last one counts (5.3.10)."""
    device.registry.root.expires = NOW - timedelta(days=1)
    device.registry.rotate_root()
    device.registry.root.expires = NOW + timedelta(days=1)
    device.registry.rotate_root()
    device.refresh()
    assert device.kept()["root"] == 3


def test_a_chain_of_roots_ends(device, monkeypatch):
    """256 in one poll (here 3); the rest at the next."""
    monkeypatch.setattr("cloud_sync.trust.repository._MAX_ROOT_ROTATIONS", 3)
    for _ in range(5):
        device.registry.sign("root")
    device.refresh()
    assert device.kept()["root"] == 4
    device.refresh()
    assert device.kept()["root"] == 6


@pytest.mark.parametrize("code", [403, 404])
def test_no_newer_root_is_said_in_two_ways(device, code):
    """A bucket that may not be listed answers 403."""
    device.server.always["metadata/2.root.json"] = status(code)
    device.refresh()


def test_a_root_that_cannot_be_asked_for_ends_the_poll(device):
    """A server in trouble has not said that there is none."""
    device.server.always["metadata/2.root.json"] = status(503)
    with pytest.raises(ServerBusy):
        device.refresh()


def test_an_expired_timestamp_on_the_disk_does_not_stop_a_newer_one(device):
    """A device that was off for months."""
    device.registry.expires += timedelta(days=300)
    for role in device.registry.roles.values():
        role.expires = device.registry.expires
    device.registry.publish("root")
    device.registry.publish("targets")
    device.refresh(now=NOW + timedelta(days=200))
    assert device.kept() == {"root": 2, "snapshot": 2, "targets": 2, "timestamp": 2}


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets"])
def test_what_is_out_of_date_at_the_given_time_is_refused(device, role):
    """`now` is an argument: the caller's floor may be above the system's clock."""
    device.registry.roles[role].expires = NOW + timedelta(hours=1)
    device.registry.publish(role)
    device.refresh(now=NOW)
    before = device.bytes_kept()
    with pytest.raises(MetadataExpired):
        device.refresh(now=NOW + timedelta(hours=1))
    assert device.bytes_kept() == before


@pytest.mark.parametrize(("keys", "threshold", "signing", "taken"), [
    ([1, 2, 3], 2, [3, 1], True),
    ([1, 2, 3], 2, [5, 3, 4, 2], True),
    ([1, 2, 3], 2, [1], False),
    ([1, 2, 3], 2, [1, 4, 5], False),
    ([1, 2, 3], 4, [1, 2, 3], False),
])  # fmt: skip
@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_a_threshold_of_signatures_is_enough_in_any_order(device, role, keys, threshold, signing, taken):
    """And strangers' signatures among them are no harm."""
    signers = [CryptoSigner.generate_ed25519() for _ in range(6)]
    device.registry.rotate(role, signers=[signers[key] for key in keys])
    device.registry.root.roles[role].threshold = threshold
    device.registry.signers[role] = [signers[key] for key in signing]
    device.registry.publish("root")
    device.registry.publish("targets")
    if taken:
        device.refresh()
        assert device.kept()[role] == 2
    else:
        with pytest.raises(SignatureInvalid):
            device.refresh()
        assert device.kept().get(role, 1) == 1


def test_one_key_under_two_ids_is_not_two_of_a_threshold(device):
    """tuf counts ids: a root that names a key twice is refused."""
    registry = device.registry
    (signer,) = registry.signers["snapshot"]
    registry.root.add_key(Key.from_dict("1" * 64, signer.public_key.to_dict()), "snapshot")
    registry.root.roles["snapshot"].threshold = 2
    registry.publish("root")
    with pytest.raises(MetadataInvalid, match="two ids"):
        device.refresh()
    assert device.kept()["root"] == 1


def test_one_key_under_two_ids_is_not_two_owners(device):
    """Nor in a delegation."""
    registry = device.registry
    registry.delegate("model.a", ["models/a/*/manifest.json"])
    (signer,) = registry.signers["model.a"]
    registry.targets.add_key(Key.from_dict("1" * 64, signer.public_key.to_dict()), "model.a")
    registry.publish("model.a", "targets")
    with pytest.raises(MetadataInvalid, match="two ids"):
        device.refresh()
    assert device.kept()["targets"] == 1


def test_a_signature_that_stands_there_twice_is_not_two(device):
    """Such metadata is none."""
    device.registry.publish("snapshot")
    content = json.loads(device.registry.files["metadata/2.snapshot.json"])
    content["signatures"] *= 2
    device.registry.files["metadata/2.snapshot.json"] = json.dumps(content).encode()
    with pytest.raises(MetadataInvalid):
        device.refresh()
    assert device.kept()["snapshot"] == 1


@pytest.mark.parametrize(
    "generate", [CryptoSigner.generate_rsa, CryptoSigner.generate_ecdsa, CryptoSigner.generate_ed25519]
)
def test_keys_of_each_kind_are_known(fresh, generate):
    """An operator's hardware decides which."""
    fresh.registry.rotate("timestamp", "snapshot", "targets", signers=[generate()])
    fresh.registry.publish("root")
    fresh.registry.publish("targets")
    fresh.refresh()
    assert fresh.kept()["targets"] == 2


def test_fields_that_are_not_known_are_signed_along(device):
    """They count in signatures, and are no fault."""
    device.registry.root.unrecognized_fields["x-new"] = {"a": 1}
    device.registry.publish("root")
    device.refresh()
    assert device.kept()["root"] == 2


def test_a_stick_is_verified_as_a_server_is(fresh, tmp_path):
    """`sync import` differs in its wire only."""
    fresh.registry.add("file", b"content")
    fresh.registry.publish("targets")
    for path, content in fresh.registry.files.items():
        (tmp_path / "stick" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "stick" / path).write_bytes(content)
    repository = fresh.repository(wire=FolderWire(tmp_path / "stick"))
    repository.refresh()
    assert repository.read_target("file", 100) == b"content"


# -- the first root ---------------------------------------------------------------------------------------------------------------


def test_a_first_root_may_be_known_by_its_digest(fresh):
    """Short enough for a configuration file."""
    digest = hashlib.sha256(fresh.root).hexdigest()
    assert first_root(fresh.wire, digest.upper()) == fresh.root
    with pytest.raises(SignatureInvalid):
        first_root(fresh.wire, "0" * 64)


def test_a_root_known_by_its_digest_is_fetched_only_when_it_is_needed(fresh):
    """At the first poll, and when the trusted one was spoilt."""
    fresh.root, fresh.root_sha256 = None, hashlib.sha256(fresh.root).hexdigest()
    fresh.refresh()
    assert fresh.asked()[:2] == ["1.root", "2.root"]
    fresh.refresh()
    assert fresh.asked() == ["2.root", "timestamp"]
    (fresh.folder / "root.json").write_bytes(b"")
    fresh.refresh()
    assert fresh.asked() == ["1.root", "2.root", "timestamp"]


def test_another_registry_may_be_known_by_its_digest_too(device):
    """The configuration names another one: the old trusted root is not in the way."""
    for _ in range(2):
        device.registry.rotate_root()
    device.refresh()
    other = Simulator()
    with TrustingDevice(device.folder, other) as moved:
        moved.root, moved.root_sha256 = None, hashlib.sha256(other.first_root).hexdigest()
        moved.refresh()
        assert moved.kept()["root"] == 1


@pytest.mark.parametrize("spoil", [lambda root: root["signed"].pop("version"), lambda root: root.update(signatures=[])])
def test_a_pinned_root_that_is_none_asks_nobody_anything(fresh, spoil):
    """Not signed by its own keys, or no root at all."""
    root = json.loads(fresh.root)
    spoil(root)
    fresh.root = json.dumps(root).encode()
    with pytest.raises((MetadataInvalid, SignatureInvalid)):
        fresh.refresh()
    with pytest.raises((MetadataInvalid, SignatureInvalid)):
        initial_root(fresh.root)
    assert fresh.asked() == []


def test_without_any_root_nothing_is_trusted(fresh):
    """The next step is in the hint."""
    fresh.root = None
    with pytest.raises(MetadataInvalid, match="no root") as refused:
        fresh.refresh()
    assert refused.value.hint
    assert fresh.asked() == []


def test_the_trusted_root_goes_on_from_where_it_is(device):
    """The pinned one is not gone through again."""
    device.registry.rotate_root()
    device.refresh()
    device.refresh()
    assert device.asked() == ["3.root", "timestamp"]
    device.root = None
    device.refresh()


def test_a_newer_pinned_root_is_believed(device):
    """Whoever installs it is at the machine."""
    device.registry.rotate_root()
    device.root = device.registry.files["metadata/2.root.json"]
    device.refresh()
    assert device.asked() == ["3.root", "timestamp"]
    assert device.kept()["root"] == 2


def test_a_pinned_root_of_another_registry_is_believed(device, tmp_path):
    """A registry was built anew: with the old trusted root the device would be locked for ever."""
    for _ in range(3):
        device.registry.rotate_root()
        device.registry.publish("targets")
    device.refresh()
    other = Simulator()
    with TrustingDevice(device.folder, other) as moved:
        moved.refresh()
        assert moved.kept() == {"root": 1, "snapshot": 1, "targets": 1, "timestamp": 1}


def test_an_older_pinned_root_of_the_same_registry_changes_nothing(device):
    """The chain from it has been gone through, and a mirror must not get to shorten it."""
    root = device.registry
    root.sign("root")
    root.sign("root")
    device.refresh()
    device.root = root.files["metadata/2.root.json"]
    device.refresh()
    assert device.asked() == ["4.root", "timestamp"]


# -- targets ----------------------------------------------------------------------------------------------------------------------


def test_what_is_no_target_is_not_fetched(device):
    """A yanked version is one."""
    repository = device.refresh()
    assert repository.target("models/a/1/manifest.json") is None
    with pytest.raises(VersionYanked):
        repository.read_target("models/a/1/manifest.json", 100)
    assert device.asked() == ["2.root", "timestamp"]


def test_a_target_says_what_its_signers_say(device):
    """Length, digests, role and what is ours."""
    file = device.registry.add("models/a/1/manifest.json", b"{}", custom={"release": 3})
    device.registry.publish("targets")
    target = device.refresh().target("models/a/1/manifest.json")
    assert (target.length_bytes, target.sha256, target.custom, target.role) == (
        2,
        file.hashes["sha256"],
        {"release": 3},
        "targets",
    )


def test_a_target_may_have_another_digest(device):
    """sha512 is as good; what cannot be checked is not believed."""
    device.registry.add("file", b"content", algorithm="sha512")
    device.registry.publish("targets")
    assert device.refresh().read_target("file", 100) == b"content"


def test_nothing_is_told_before_a_refresh(fresh):
    """Nor after one that failed."""
    with pytest.raises(RuntimeError):
        fresh.repository().target("file")


def test_a_role_that_the_snapshot_does_not_know_is_of_another_state(device):
    """Delegated to, and not there."""
    device.registry.delegate("model.a", ["models/a/*/manifest.json"])
    device.registry.publish("targets")
    repository = device.refresh()
    with pytest.raises(MetadataMixed):
        repository.delegation("a")


def test_another_server_serves_the_same_files(fresh, tmp_path):
    """Any copy will do: trust is in the signatures."""
    fresh.refresh()
    with FileServer(dict(fresh.registry.files)) as mirror, HttpWire(mirror.url, retries=0) as wire:
        TrustedRepository(fresh.folder, wire, root=None, now=NOW).refresh()
