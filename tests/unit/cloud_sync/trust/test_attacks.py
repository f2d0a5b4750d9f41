"""Attacks on metadata and targets, each refused with its own error; nothing is kept that the specification does not let be kept.

Whoever attacks here holds the server, the mirror or the line, and the keys that a test names.
"""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from file_server import endless, stalled, status, trickling
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import MetaFile
from tuf_device import TrustingDevice
from tuf_simulator import NOW, Simulator

from cloud_sync.errors import (
    BlobDiffers,
    ContentTooLarge,
    MetadataExpired,
    MetadataInvalid,
    MetadataMixed,
    RedirectRefused,
    RollbackRefused,
    SignatureInvalid,
    TooSlow,
)
from cloud_sync.wire import HttpWire


@pytest.fixture
def advanced(device):
    """Has seen a second version of everything."""
    device.first_files = dict(device.registry.files)
    device.registry.add("file", b"content")
    device.registry.publish("targets")
    device.refresh()
    assert device.kept() == {"root": 1, "snapshot": 2, "targets": 2, "timestamp": 2}
    return device


def refused(device, error, *, kept: tuple[str, ...] = ()) -> None:
    """The poll ends with that very error, and no trusted file changes but those that are named."""
    before = device.bytes_kept()
    with pytest.raises(error) as caught:
        device.refresh()
    assert caught.type is error
    after = device.bytes_kept()
    assert {name for name in before | after if before.get(name) != after.get(name)} == {f"{role}.json" for role in kept}


def test_rollback_of_the_timestamp(advanced):
    """A mirror serves the state of last week."""
    advanced.server.files = {**advanced.registry.files, **advanced.first_files}
    refused(advanced, RollbackRefused)


def test_rollback_of_the_snapshot(advanced):
    """The timestamp's key is stolen, and signs for an older snapshot."""
    advanced.registry.timestamp.snapshot_meta.version = 1
    advanced.registry.sign("timestamp")
    refused(advanced, RollbackRefused)


@pytest.mark.parametrize("announced", [True, False])
def test_rollback_of_targets(tmp_path, announced):
    """The keys of snapshot and timestamp are stolen, and name older targets. The timestamp verified, and may be kept (5.4.5)."""
    registry = Simulator(announce_hashes=announced)
    with TrustingDevice(tmp_path, registry) as device:
        device.refresh()
        registry.publish("targets")
        device.refresh()
        registry.snapshot.meta["targets.json"] = MetaFile(1)
        registry.publish("snapshot")
        refused(device, RollbackRefused, kept=("timestamp",))
        assert device.kept()["targets"] == 2


def test_rollback_by_leaving_a_role_out(advanced):
    """A snapshot that no longer knows a role forgets its version, too."""
    advanced.registry.delegate("model.a", ["models/a/*/manifest.json"])
    advanced.registry.publish("model.a", "targets")
    advanced.refresh()
    del advanced.registry.snapshot.meta["model.a.json"]
    advanced.registry.publish("snapshot")
    refused(advanced, RollbackRefused, kept=("timestamp",))


def test_rollback_of_the_root(device):
    """An older root under the name of the next."""
    device.registry.sign("root")
    device.refresh()
    device.registry.files["metadata/3.root.json"] = device.registry.files["metadata/2.root.json"]
    refused(device, RollbackRefused)


def test_rollback_is_refused_with_an_expired_floor(advanced):
    """What has expired on the disk is still the floor."""
    advanced.server.files = {**advanced.registry.files, **advanced.first_files}
    before = advanced.bytes_kept()
    with pytest.raises(RollbackRefused):
        advanced.refresh(now=NOW + timedelta(days=29))
    with pytest.raises(MetadataExpired):  # here the root has, which comes before
        advanced.refresh(now=NOW + timedelta(days=31))
    assert advanced.bytes_kept() == before


def test_freeze(device):
    """Nothing new comes, and what is there goes out of date."""
    device.registry.root.expires = NOW + timedelta(days=365)
    device.registry.publish("root")
    device.refresh()
    before = device.bytes_kept()
    with pytest.raises(MetadataExpired):
        device.refresh(now=NOW + timedelta(days=30))
    assert device.asked() == ["3.root", "timestamp"]
    assert device.bytes_kept() == before


def test_mix_and_match_of_a_snapshot(advanced):
    """The new timestamp with the old snapshot."""
    advanced.registry.publish("targets")
    advanced.registry.files["metadata/3.snapshot.json"] = advanced.registry.files["metadata/2.snapshot.json"]
    refused(advanced, MetadataMixed, kept=("timestamp",))


def test_mix_and_match_of_targets(advanced):
    """The new snapshot with the old targets."""
    advanced.registry.publish("targets")
    advanced.registry.files["metadata/3.targets.json"] = advanced.registry.files["metadata/2.targets.json"]
    refused(advanced, MetadataMixed, kept=("snapshot", "timestamp"))


def test_mix_and_match_by_hash(tmp_path):
    """The right version with other bytes than were announced."""
    registry = Simulator(announce_hashes=True)
    with TrustingDevice(tmp_path, registry) as device:
        device.refresh()
        registry.publish("targets")
        registry.targets.expires -= timedelta(days=1)
        registry.files["metadata/2.targets.json"] = registry.signed("targets")
        refused(device, MetadataMixed, kept=("snapshot", "timestamp"))


@pytest.mark.parametrize("role", ["2.root", "timestamp"])
def test_endless_data(device, role):
    """As fast as it goes."""
    device.server.always[f"metadata/{role}.json"] = endless
    refused(device, ContentTooLarge)


def test_endless_data_that_a_stolen_timestamp_key_announces(device):
    """A length in metadata never raises a limit."""
    device.registry.publish("snapshot")
    device.registry.timestamp.snapshot_meta.length = 1 << 40
    device.registry.sign("timestamp")
    device.server.always["metadata/2.snapshot.json"] = endless
    refused(device, ContentTooLarge, kept=("timestamp",))


@pytest.mark.parametrize("fault", [trickling, stalled(10)], ids=["trickling", "stalled"])
def test_slow_data(device, fault):
    """A byte now and then, or none any more."""
    device.registry.publish("targets")
    device.server.always["metadata/timestamp.json"] = fault
    device.wire = HttpWire(device.server.url, retries=0, timeout_s=0.2)
    refused(device, TooSlow)
    device.wire.close()


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets"])
def test_wrong_keys(device, role):
    """A stranger signs the next version of one role."""
    device.registry.signers[role] = [CryptoSigner.generate_ed25519()]
    device.registry.publish(role)
    verified = {"root": (), "timestamp": (), "snapshot": ("timestamp",), "targets": ("snapshot", "timestamp")}
    refused(device, SignatureInvalid, kept=verified[role])


def test_a_root_that_does_not_sign_for_itself(device):
    """Signed by the old keys only: whoever holds them cannot lock the new ones out."""
    old = device.registry.signers["root"]
    device.registry.rotate("root")
    device.registry.signers["root"] = old
    device.registry.sign("root")
    refused(device, SignatureInvalid)


def test_expired_root(device):
    """It is kept (5.3.8), and ends the poll before anything else is asked for (5.3.10)."""
    device.registry.publish("targets")
    device.registry.root.expires = NOW - timedelta(seconds=1)
    device.registry.sign("root")
    refused(device, MetadataExpired, kept=("root",))
    assert device.asked() == ["2.root", "3.root"]


def test_fast_forward_and_recovery(device):
    """Stolen online keys push all versions to the end of numbers; new keys, by the root's owners, bring them back (5.3.11)."""
    registry = device.registry
    registry.sign("targets", version=2**31)
    registry.snapshot.meta["targets.json"].version = 2**31
    registry.sign("snapshot", version=2**31)
    registry.sign("timestamp", version=2**31)
    device.refresh()
    assert device.kept()["timestamp"] == 2**31
    registry.rotate("timestamp", "snapshot")
    registry.sign("root")
    registry.sign("targets", version=2)
    registry.sign("snapshot", version=2)
    registry.sign("timestamp", version=2)
    device.refresh()
    assert device.kept() == {"root": 2, "snapshot": 2, "targets": 2, "timestamp": 2}


def test_fast_forward_alone_does_not_roll_back(device):
    """Without new keys the floor stands."""
    registry = device.registry
    registry.sign("timestamp", version=1000)
    device.refresh()
    registry.sign("timestamp", version=2)
    refused(device, RollbackRefused)


def test_stolen_snapshot_and_timestamp_keys_cannot_add_a_target(device):
    """They name any version of targets; only the owners sign one."""
    registry = device.registry
    registry.signers["targets"] = [*registry.signers["timestamp"], *registry.signers["snapshot"]]
    registry.add("models/a/1/manifest.json", b"evil")
    registry.publish("targets")
    refused(device, SignatureInvalid, kept=("snapshot", "timestamp"))


def test_stolen_snapshot_and_timestamp_keys_cannot_add_a_version_to_a_model(device):
    """Nor can the keys of another model's owners, or of targets without a delegation."""
    registry = device.registry
    registry.delegate("model.a", ["models/a/*/manifest.json"])
    registry.delegate("model.b", ["models/b/*/manifest.json"])
    registry.publish("model.a", "model.b", "targets")
    device.refresh().delegation("a")
    registry.signers["model.a"] = [*registry.signers["snapshot"], *registry.signers["model.b"]]
    registry.add("models/a/2/manifest.json", b"evil", role="model.a")
    registry.publish("model.a")
    repository = device.refresh()
    before = device.bytes_kept()
    for ask in (lambda: repository.delegation("a"), lambda: repository.target("models/a/2/manifest.json")):
        with pytest.raises(SignatureInvalid):
            ask()
    assert device.bytes_kept() == before


def test_a_compromised_mirror_changes_a_target(advanced):
    """Other bytes of the same length, fewer, or more."""
    (place,) = [path for path in advanced.registry.files if path.startswith("targets/")]
    for lies, error in [(b"cOntent", BlobDiffers), (b"conten", BlobDiffers), (b"content and more", ContentTooLarge)]:
        advanced.registry.files[place] = lies
        with pytest.raises(error):
            advanced.refresh().read_target("file", 100)


def test_a_target_above_the_callers_limit_is_not_fetched(advanced):
    """However well it is signed."""
    repository = advanced.refresh()
    with pytest.raises(ContentTooLarge):
        repository.read_target("file", 3)
    assert advanced.asked() == ["2.root", "timestamp"]


@pytest.mark.parametrize("role", ["2.root", "timestamp", "2.snapshot"])
def test_redirect(device, role):
    """To another machine, or to the right file on this one."""
    device.registry.publish("targets")
    device.server.always[f"metadata/{role}.json"] = status(302, Location="http://evil.example/")
    refused(device, RedirectRefused, kept=("timestamp",) if role == "2.snapshot" else ())


@pytest.mark.parametrize("content", [
    b"", b"null", b"[]", b"{}", b"\xff\xfe", b'{"signed": {"_type": "timestamp"}, "signatures": []}', b"[" * 16_000,
    b'{"signed":' * 1_500, b'{"signed": ' + b"9" * 10_000 + b"}", b'{"signed": {"_type": ["x"]}, "signatures": {}}',
])  # fmt: skip
def test_what_is_no_metadata(device, content):
    """Deep, huge, empty or of the wrong kind: bad data, never a crash."""
    device.registry.files["metadata/timestamp.json"] = content
    refused(device, MetadataInvalid)


def test_metadata_of_another_role(device):
    """Well signed, in the wrong place."""
    device.registry.files["metadata/timestamp.json"] = device.registry.files["metadata/1.targets.json"]
    refused(device, MetadataInvalid)


def test_a_path_out_of_the_registry(device):
    """Signed targets may be called anything."""
    device.registry.add("../../etc/passwd", b"content")
    device.registry.publish("targets")
    repository = device.refresh()
    with pytest.raises(MetadataInvalid):
        repository.read_target("../../etc/passwd", 100)
    assert json.loads(repository.signed("targets"))["signed"]["version"] == 2
