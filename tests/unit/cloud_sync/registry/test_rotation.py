"""Each role's key is replaced, and clients that knew the former one go on. What the former key signs is worth nothing then."""

from __future__ import annotations

import pytest
from registering import Owner, Registry, accepted, client, seen
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata

from cloud_sync import assignment, envelope, layout
from cloud_sync.errors import MetadataExpired, Refused, SignatureInvalid
from cloud_sync.registry.errors import RoleRefused, UnknownName
from cloud_sync.signers import create_key_file, signer_from_uri

FILES = {"model.tflite": b"second"}


def _goes_on(site, folder):
    """A client that knew the state before, and a new one, see the same; and the next version reaches both."""
    version = f"2.{site.clock.now.minute}.0"
    release = site.registry.models.one("solar-cell").versions[0].release + 1
    for known in (folder, folder.with_name("new")):
        trusted = client(site, known)
        assert "1.0.0" in seen(trusted, ["solar-cell"])["solar-cell"]
        assert accepted(site, trusted, "channel:stable") == {"solar-cell": "1.0.0"}
    site.publish("solar-cell", version, release, FILES)
    assert version in seen(client(site, folder), ["solar-cell"])["solar-cell"]


def test_a_root_key_is_replaced_by_two_others(solar, tmp_path):
    """The lost one signs nothing any more; the next change of root needs the new set."""
    client(solar, tmp_path / "client")
    new = create_key_file(solar.offline / "root-4.pem", "correct horse battery", rounds=1000)
    third = solar.signer("root-3")
    solar.registry.keys.rotate_root(solar.roots, add=[new], remove=[third.public_key.keyid], by="ada")
    _goes_on(solar, tmp_path / "client")
    assert third.public_key.keyid not in {key.keyid for key in solar.registry.keys.root_keys()}
    with pytest.raises(SignatureInvalid):
        solar.registry.keys.rotate_root([solar.roots[0], third], by="mallory")
    solar.registry.keys.rotate_root([solar.roots[0], new], by="ada")


def test_all_root_keys_are_replaced_at_once(solar, tmp_path):
    """Old threshold and new threshold sign the same root."""
    client(solar, tmp_path / "client")
    new = [CryptoSigner.generate_ed25519() for _ in range(3)]
    former = [key.keyid for key in solar.registry.keys.root_keys()]
    solar.registry.keys.rotate_root(solar.roots, add=new, remove=former, by="ada")
    _goes_on(solar, tmp_path / "client")


def test_one_root_key_changes_nothing(solar):
    """Not the root, not what the root signs; and fewer than three keys are refused."""
    one = solar.roots[:1]
    for attempt in (
        lambda: solar.registry.keys.rotate_root(one, by="mallory"),
        lambda: solar.registry.keys.rotate_targets(one, CryptoSigner.generate_ed25519(), by="mallory"),
        lambda: solar.registry.keys.rotate_online("timestamp", root_signers=one, by="mallory"),
        lambda: solar.registry.keys.rotate_online("assignment", by="mallory"),
        lambda: solar.registry.keys.rotate_online("assignment", targets_signer=one[0], by="mallory"),
    ):
        with pytest.raises(SignatureInvalid):
            attempt()
    with pytest.raises(Refused, match="2 root keys would stay"):
        solar.registry.keys.rotate_root(solar.roots, remove=[one[0].public_key.keyid], by="ada")
    with pytest.raises(Refused, match="no root key"):
        solar.registry.keys.rotate_root(solar.roots, remove=["abc"], by="ada")
    assert not (solar.public / "metadata" / "2.root.json").exists()
    assert sorted(path.name for path in (solar.folder / "keys").glob("*.pem")) == [
        "assignment.pem",
        "snapshot.pem",
        "timestamp.pem",
    ]


@pytest.mark.parametrize("is_lost", [False, True])
def test_the_targets_key_is_replaced(solar, tmp_path, is_lost):
    """With the former key or without it. The former one adds no model any more."""
    client(solar, tmp_path / "client")
    old, new = solar.signer("targets"), CryptoSigner.generate_ed25519()
    solar.registry.keys.rotate_targets(solar.roots, new, old=None if is_lost else old, by="ada")
    _goes_on(solar, tmp_path / "client")
    with pytest.raises(SignatureInvalid):
        solar.registry.models.add("press", Owner("press").keys, old, by="mallory")
    solar.registry.models.add("press", Owner("press").keys, new, by="ada")


@pytest.mark.parametrize("role", ["snapshot", "timestamp"])
@pytest.mark.parametrize("is_lost", [False, True])
def test_an_online_key_is_replaced(solar, tmp_path, role, is_lost):
    """It lies in a new file; the former one is gone."""
    client(solar, tmp_path / "client")
    former = solar.folder / "keys" / f"{role}.pem"
    if is_lost:
        former.unlink()
    keyid = solar.registry.keys.rotate_online(role, root_signers=solar.roots, by="ada")
    assert not former.exists()
    (file,) = (solar.folder / "keys").glob(f"{role}-*.pub")
    assert keyid.encode() in file.read_bytes()
    _goes_on(solar, tmp_path / "client")


def test_a_stolen_timestamp_key_is_worth_nothing_after_its_rotation(solar, tmp_path):
    """It had brought versions forward as far as they go; a client recovers by the new root (specification, 5.3.11)."""
    signer = signer_from_uri(f"file2:{solar.folder / 'keys' / 'timestamp.pem'}")
    path = solar.public / "metadata" / "timestamp.json"
    forged = Metadata.from_file(str(path))
    forged.signed.version = 2**31
    forged.sign(signer)
    honest = path.read_bytes()
    path.write_bytes(forged.to_bytes())
    client(solar, tmp_path / "client")
    path.write_bytes(honest)
    solar.registry.keys.rotate_online("timestamp", root_signers=solar.roots, by="ada")
    _goes_on(solar, tmp_path / "client")


def test_the_assignment_key_is_replaced_and_all_assignments_with_it(solar, tmp_path):
    """What the stolen key signs is refused."""
    solar.registry.assignments.assign_device("press-07", {"solar-cell": "1.0.0"}, by="ada")
    thief = signer_from_uri(f"file2:{solar.folder / 'keys' / 'assignment.pem'}")
    solar.registry.keys.rotate_online("assignment", targets_signer=solar.signer("targets"), by="ada")
    _goes_on(solar, tmp_path / "client")
    trusted = client(solar, tmp_path / "client")
    assert accepted(solar, trusted, "device:press-07") == {"solar-cell": "1.0.0"}
    keys = assignment.read_keys(trusted.read_target(layout.ASSIGNMENT_KEYS, 1 << 20))
    with pytest.raises(SignatureInvalid):
        envelope.opened(envelope.seal({"subject": "device:press-07"}, thief), keys, what="it")


def test_owners_are_replaced_with_what_they_have_published(solar, tmp_path):
    """The new ones sign the same versions again; the former ones publish nothing any more."""
    client(solar, tmp_path / "client")
    new = Owner("solar-cell")
    metadata = new.role(solar.registry.models.role_metadata("solar-cell"), solar.clock())
    targets = solar.signer("targets")
    with pytest.raises(SignatureInvalid):
        solar.registry.models.change_owners("solar-cell", new.keys, targets, by="ada")
    with pytest.raises(UnknownName):
        solar.registry.models.change_owners("bearing", new.keys, targets, by="ada")
    solar.registry.models.change_owners("solar-cell", new.keys, targets, metadata=metadata, by="ada")
    with pytest.raises(SignatureInvalid):
        solar.publish("solar-cell", "6.6.6", 2, FILES)
    solar.owners["solar-cell"] = new
    _goes_on(solar, tmp_path / "client")


def test_a_second_owner_is_added_without_signing_again(solar, tmp_path):
    """The one who stays has signed what is published."""
    client(solar, tmp_path / "client")
    own, second = solar.owners["solar-cell"], Owner("solar-cell")
    solar.registry.models.change_owners("solar-cell", [*own.keys, *second.keys], solar.signer("targets"), by="ada")
    solar.owners["solar-cell"] = second
    _goes_on(solar, tmp_path / "client")
    with pytest.raises(RoleRefused):
        solar.registry.models.change_owners("solar-cell", own.keys, solar.signer("targets"), threshold=2, by="ada")


def test_what_a_thief_of_an_owners_key_published_goes_with_the_key(solar, tmp_path):
    """The new owners sign less, and who was assigned it returns."""
    solar.publish("solar-cell", "1.1.0", 2, FILES, "stable")
    new = Owner("solar-cell")
    metadata = new.role(
        solar.registry.models.role_metadata("solar-cell"),
        solar.clock(),
        change=lambda targets: targets.targets.pop("models/solar-cell/1.1.0/manifest.json"),
    )
    solar.registry.models.change_owners("solar-cell", new.keys, solar.signer("targets"), metadata=metadata, by="ada")
    trusted = client(solar, tmp_path / "client")
    assert seen(trusted, ["solar-cell"])["solar-cell"].keys() == {"1.0.0"}
    assert accepted(solar, trusted, "channel:stable") == {"solar-cell": "1.0.0"}
    assert solar.registry.models.version("solar-cell", "1.1.0").state == "yanked"


def test_everything_online_is_signed_again_in_time(solar, tmp_path):
    """The job that looks when it is told to keeps a client fresh for weeks; nothing is signed too often."""
    signed = []
    for _ in range(40):
        signed.append(solar.registry.keys.refresh())
        assert signed[-1].next_at > solar.clock.now
        solar.clock.now = signed[-1].next_at
    trusted = client(solar, tmp_path / "client")
    assert accepted(solar, trusted, "channel:stable") == {"solar-cell": "1.0.0"}
    days = (solar.clock.now - signed[0].next_at).days
    assert days > 35
    assert sum(done.snapshot for done in signed) <= days // 7 + 1
    assert sum(bool(done.assignments) for done in signed) == days // 15


def test_a_registry_that_slept_is_fresh_after_one_refresh(solar, tmp_path):
    """Timestamp, snapshot and assignments had all expired."""
    solar.clock.forward(days=60)
    with pytest.raises(MetadataExpired):
        client(solar, tmp_path / "client")
    done = solar.registry.keys.refresh()
    assert (done.timestamp, done.snapshot, done.assignments) == (True, True, ("channel:stable",))
    assert accepted(solar, client(solar, tmp_path / "client"), "channel:stable") == {"solar-cell": "1.0.0"}
    again = solar.registry.keys.refresh()
    assert (again.timestamp, again.snapshot, again.assignments) == (False, False, ())


def test_what_needs_a_person_is_told_before(solar, tmp_path):
    """The offline roles expire, too, and are signed again by command."""
    offline = [entry.role for entry in solar.registry.keys.expiries() if entry.offline]
    assert offline == ["model.solar-cell", "targets", "root"]
    solar.clock.forward(days=200)
    solar.registry.keys.renew_targets(solar.signer("targets"), by="ada")
    solar.registry.keys.rotate_root(solar.roots, by="ada")
    solar.registry.keys.refresh()
    solar.clock.forward(days=150)
    solar.registry.keys.refresh()
    client(solar, tmp_path / "client")


def test_paths_of_online_keys_move_with_the_folder(solar, tmp_path):
    """A registry is restored elsewhere from its backup."""
    solar.registry.close()
    moved = solar.folder.rename(tmp_path / "elsewhere")
    with Registry.open(moved, clock=solar.clock) as registry:
        assert registry.keys.refresh(force=True).timestamp
