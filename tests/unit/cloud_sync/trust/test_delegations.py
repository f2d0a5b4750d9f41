"""Who may speak of which target: the walk through delegations (specification, 5.6.7), and what a model's owners sign."""

from __future__ import annotations

import hashlib

import pytest
from securesystemslib.signer import CryptoSigner
from tuf_device import TrustingDevice
from tuf_simulator import Simulator

from cloud_sync.errors import MetadataExpired, MetadataInvalid, SignatureInvalid

# (delegator, role, paths, terminating) …, then the roles that a search for "missing" asks for
GRAPHS = {
    "one": ([("targets", "A", "*", False)], "A"),
    "siblings": ([("targets", "A", "*", False), ("targets", "B", "*", False)], "AB"),
    "depth-first": (
        [("targets", "A", "*", False), ("targets", "B", "*", False), ("A", "C", "*", False), ("A", "D", "*", False)],
        "ACDB",
    ),
    "terminating": (
        [("targets", "A", "*", False), ("targets", "B", "*", False), ("A", "C", "*", True), ("A", "D", "*", False)],
        "AC",
    ),
    "below-terminating": ([("targets", "A", "*", True), ("targets", "B", "*", False), ("A", "C", "*", False)], "AC"),
    "terminating-elsewhere": ([("targets", "A", "*.py", True), ("targets", "B", "*", False)], "B"),
    "other-paths": ([("targets", "A", "*.py", False), ("targets", "B", "*", False), ("A", "C", "*", False)], "B"),
    "a-cycle": ([("targets", "A", "*", False), ("A", "B", "*", False), ("B", "A", "*", False)], "AB"),
    "a-diamond": (
        [("targets", "A", "*", False), ("targets", "B", "*", False), ("B", "C", "*", False), ("A", "C", "*", False)],
        "ACB",
    ),
    "no-slash-in-a-star": ([("targets", "A", "*/*", False), ("targets", "B", "?issing", False)], "B"),
}


@pytest.mark.parametrize(("delegations", "visited"), GRAPHS.values(), ids=GRAPHS)
def test_roles_are_asked_in_the_order_of_trust(fresh, delegations, visited):
    """Each once, and only those that may speak of the path."""
    for by, role, paths, terminating in delegations:
        fresh.registry.delegate(role, [paths], by=by, terminating=terminating)
    fresh.registry.publish("targets", *{role for _, role, *_ in delegations})
    assert fresh.refresh().target("missing") is None
    assert fresh.asked()[4:] == [f"1.{role}" for role in visited]


def test_the_more_trusted_role_has_its_say(fresh):
    """The first that knows the path, in preorder."""
    for role in "AB":
        fresh.registry.delegate(role, ["*"])
        fresh.registry.add("file", f"of {role}".encode(), role=role)
    fresh.registry.publish("A", "B", "targets")
    repository = fresh.refresh()
    assert repository.target("file").role == "A"
    assert repository.read_target("file", 100) == b"of A"
    fresh.registry.add("file", b"of targets")
    fresh.registry.publish("targets")
    assert fresh.refresh().target("file").role == "targets"


def test_paths_may_be_delegated_by_the_digest_of_their_name(fresh):
    """`path_hash_prefixes`: bins of equal size."""
    digest = hashlib.sha256(b"file").hexdigest()
    fresh.registry.delegate("bin", prefixes=[digest[:2]])
    fresh.registry.delegate("other", prefixes=["00" if digest[:2] != "00" else "01"])
    fresh.registry.add("file", b"content", role="bin")
    fresh.registry.publish("bin", "other", "targets")
    assert fresh.refresh().target("file").role == "bin"
    assert fresh.asked()[4:] == ["1.bin"]


def test_a_search_ends_after_32_delegations(fresh):
    """A registry must not be able to keep a device busy."""
    by = "targets"
    for number in range(40):
        fresh.registry.delegate(f"r{number}", ["*"], by=by)
        by = f"r{number}"
    fresh.registry.publish(*(f"r{number}" for number in range(40)), "targets")
    assert fresh.refresh().target("missing") is None
    assert fresh.asked()[4:] == [f"1.r{number}" for number in range(32)]


def test_delegated_roles_are_kept_and_not_fetched_again(fresh):
    """Until the snapshot names a newer one."""
    fresh.registry.delegate("A", ["*"])
    fresh.registry.publish("A", "targets")
    fresh.refresh().target("missing")
    fresh.refresh().target("missing")
    assert fresh.asked() == ["2.root", "timestamp"]
    fresh.registry.publish("A")
    fresh.refresh().target("missing")
    assert fresh.asked() == ["2.root", "timestamp", "3.snapshot", "2.A"]


def test_a_role_is_verified_by_each_of_its_delegators(fresh):
    """One that this delegator's keys did not sign is refused, although another's did, in the same poll and in the cache."""
    registry = fresh.registry
    registry.delegate("A", ["a/*"])
    registry.delegate("B", ["b/*"])
    registry.delegate("C", ["*/*"], by="A")
    registry.delegate("C", ["*/*"], by="B")
    registry.signers["C"].pop()  # B's key
    registry.add("a/file", b"content", role="C")
    registry.add("b/file", b"content", role="C")
    registry.publish("A", "B", "C", "targets")
    repository = fresh.refresh()
    assert repository.target("a/file").role == "C"
    for again in (repository, fresh.refresh()):
        with pytest.raises(SignatureInvalid):
            again.target("b/file")


@pytest.mark.parametrize("role", ["?", "#", "/delegated", "../delegated", "a b", "%2e%2e", "Größe"])
def test_a_role_may_have_any_name(fresh, role):
    """It is quoted in addresses and file names alike."""
    fresh.registry.delegate(role, ["*"])
    fresh.registry.publish(role, "targets")
    before = {path for path in fresh.folder.parent.iterdir() if path != fresh.folder}
    fresh.registry.files[f"metadata/1.{role}.json"] = next(
        content
        for path, content in fresh.registry.files.items()
        if path.startswith("metadata/1.") and content == fresh.registry.signed(role)
    )
    fresh.refresh().target("missing")
    assert len(list(fresh.folder.glob("*.json"))) == 5
    assert {path for path in fresh.folder.parent.iterdir() if path != fresh.folder} == before


def test_a_name_that_no_file_can_have_is_refused(fresh):
    """Before the disk says so in its own words."""
    fresh.registry.delegate("x" * 250, ["*"])
    fresh.registry.publish("x" * 250, "targets")
    with pytest.raises(MetadataInvalid):
        fresh.refresh().target("missing")


def test_an_expired_delegated_role_ends_the_search(fresh):
    """It is not kept; the rest of the registry is of use."""
    fresh.registry.delegate("A", ["a/*"])
    fresh.registry.roles["A"].expires = fresh.registry.expires.replace(year=2020)
    fresh.registry.publish("A", "targets")
    repository = fresh.refresh()
    with pytest.raises(MetadataExpired):
        repository.target("a/file")
    assert "A" not in fresh.kept()
    assert repository.target("b/file") is None


# -- models -----------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def model(tmp_path):
    """A registry with one model of its owners."""
    registry = Simulator()
    registry.delegate("model.a", ["models/a/*/manifest.json"], terminating=True)
    registry.roles["model.a"].unrecognized_fields["x-lineside"] = {"min_release": 2}
    for release in (1, 2, 3):
        registry.add(f"models/a/{release}.0/manifest.json", b"{}", role="model.a", custom={"release": release})
    registry.publish("model.a", "targets")
    with TrustingDevice(tmp_path / "trusted", registry) as device:
        yield device


def test_a_models_owners_sign_its_versions_and_the_least_release(model):
    """All of them, for a plan that is a function of values."""
    delegation = model.refresh().delegation("a")
    assert (delegation.role, delegation.version, delegation.min_release) == ("model.a", 1, 2)
    assert {path: target.custom["release"] for path, target in delegation.targets.items()} == {
        f"models/a/{release}.0/manifest.json": release for release in (1, 2, 3)
    }


def test_a_model_that_is_not_there_is_none(model):
    """Not an error: nobody delegated it."""
    assert model.refresh().delegation("b") is None


def test_owners_speak_of_their_own_model_only(model):
    """What they sign of another's is no target."""
    model.registry.add("models/b/9.0/manifest.json", b"{}", role="model.a")
    model.registry.add("keys/assignment.json", b"{}", role="model.a")
    model.registry.publish("model.a")
    repository = model.refresh()
    assert len(repository.delegation("a").targets) == 3
    assert repository.target("models/b/9.0/manifest.json") is None
    assert repository.target("keys/assignment.json") is None


@pytest.mark.parametrize("ours", [{"min_release": -1}, {"min_release": True}, {"min_release": "2"}, [], "x", None])
def test_a_least_release_that_makes_no_sense_is_refused(model, ours):
    """Better no update than one below what the owners meant."""
    model.registry.roles["model.a"].unrecognized_fields["x-lineside"] = ours
    model.registry.publish("model.a")
    with pytest.raises(MetadataInvalid, match="min_release"):
        model.refresh().delegation("a")


def test_owners_that_say_nothing_allow_all_they_sign(model):
    """No field, no floor."""
    model.registry.roles["model.a"].unrecognized_fields.clear()
    model.registry.publish("model.a")
    assert model.refresh().delegation("a").min_release == 0


def test_owners_are_replaced_by_targets_alone(model):
    """The old ones' signatures are of no use from then on."""
    model.registry.targets.revoke_key(model.registry.signers["model.a"][0].public_key.keyid, "model.a")
    new = CryptoSigner.generate_ed25519()
    model.registry.targets.add_key(new.public_key, "model.a")
    model.registry.publish("targets")
    with pytest.raises(SignatureInvalid):
        model.refresh().delegation("a")
    model.registry.signers["model.a"] = [new]
    model.registry.publish("model.a")
    assert model.refresh().delegation("a").version == 2


def test_the_bytes_of_a_role_are_at_hand_for_its_owners(model):
    """Who edits a role begins with what was verified."""
    repository = model.refresh()
    with pytest.raises(KeyError):
        repository.signed("model.a")
    repository.delegation("a")
    assert repository.signed("model.a") == model.registry.files["metadata/1.model.a.json"]
