"""Publishing: what a client sees, and what is refused before anybody sees it."""

from __future__ import annotations

import dataclasses

import pytest
from registering import Owner, accepted, add_target, client, manifest_of, seen
from securesystemslib.signer import CryptoSigner

from cloud_sync.errors import BlobDiffers, ContentTooLarge, MetadataInvalid, Refused, SignatureInvalid
from cloud_sync.manifest import ManifestInvalid
from cloud_sync.registry.errors import AlreadyThere, BlobsMissing, Conflict, RoleRefused, UnknownName
from cloud_sync.registry.types import PublishRequest

FILES = {"model.tflite": b"second", "labels.txt": b"a\nb\n"}


def _state(site):
    return {path: path.read_bytes() for path in site.public.rglob("*") if path.is_file() and "blobs" not in path.parts}


def test_a_version_is_visible_with_its_channel(solar, tmp_path):
    """A client that follows the channel reads a manifest that the owners signed."""
    trusted = client(solar, tmp_path / "client")
    assert seen(trusted, ["solar-cell"])["solar-cell"].keys() == {"1.0.0"}
    assert accepted(solar, trusted, "channel:stable") == {"solar-cell": "1.0.0"}
    target = trusted.target("models/solar-cell/1.0.0/manifest.json")
    assert (target.role, target.custom["release"]) == ("model.solar-cell", 1)


def test_the_next_version_is_seen_by_a_client_that_knows_the_first(solar, tmp_path):
    """One poll, and the channel names it."""
    client(solar, tmp_path / "client")
    published = solar.publish("solar-cell", "1.1.0", 2, FILES, "stable", hardware=["aarch64"])
    trusted = client(solar, tmp_path / "client")
    assert seen(trusted, ["solar-cell"])["solar-cell"]["1.1.0"] == published.version.digest
    assert accepted(solar, trusted, "channel:stable") == {"solar-cell": "1.1.0"}
    assert solar.registry.models.version("solar-cell", "1.1.0").hardware == ("aarch64",)


def test_a_model_without_a_version_disturbs_nobody(solar, tmp_path):
    """Its delegation is there; others go on."""
    solar.add_model("bearing")
    assert seen(client(solar, tmp_path / "client"), ["solar-cell"])["solar-cell"].keys() == {"1.0.0"}


def test_the_second_of_two_publishers_is_told(solar):
    """Both built on the same state; the slower one must look again."""
    first = solar.request("solar-cell", "1.1.0", 2, FILES, "stable")
    second = solar.request("solar-cell", "1.1.1", 2, FILES, "stable")
    solar.registry.models.publish(first, by="ada")
    with pytest.raises(Conflict, match="3 would be the next"):
        solar.registry.models.publish(second, by="bob")


def test_the_team_of_one_model_cannot_publish_another(solar):
    """Its keys are not those of the delegation."""
    solar.add_model("bearing")
    solar.owners["solar-cell"], own = solar.owners["bearing"], solar.owners["solar-cell"]
    request = solar.request("solar-cell", "1.1.0", 2, FILES)
    solar.owners["solar-cell"] = own
    with pytest.raises(SignatureInvalid):
        solar.registry.models.publish(request, by="mallory")


def test_two_of_three_owners_must_sign(site, tmp_path):
    """One signature, or the same key twice, does not count as two."""
    keys = [CryptoSigner.generate_ed25519() for _ in range(3)]
    site.registry.models.add("press", [k.public_key for k in keys], site.signer("targets"), threshold=2, by="ada")
    site.owners["press"] = Owner("press", [keys[0], keys[0]])
    with pytest.raises(SignatureInvalid):
        site.publish("press", "1.0.0", 1, FILES)
    site.owners["press"] = Owner("press", keys[1:])
    site.publish("press", "1.0.0", 1, FILES)
    assert seen(client(site, tmp_path / "client"), ["press"])["press"].keys() == {"1.0.0"}


def _with_other(targets, manifest):
    add_target(targets, manifest, "solar-cell", "1.1.0", 2)
    add_target(targets, manifest, "solar-cell", "1.2.0", 3)


def _replacing(targets, manifest):
    add_target(targets, manifest, "solar-cell", "1.1.0", 2)
    add_target(targets, manifest, "solar-cell", "1.0.0", 1)


def _foreign(targets, manifest):
    add_target(targets, manifest, "bearing", "1.1.0", 2)


def _other_place(targets, manifest):
    add_target(targets, manifest, "solar-cell", "1.1.0", 2)
    path = "models/solar-cell/1.1.0/manifest.json"
    targets.targets["models/solar-cell/../1.1.0/manifest.json"] = targets.targets.pop(path)


def _custom(**fields):
    def change(targets, manifest):
        add_target(targets, manifest, "solar-cell", "1.1.0", 2)
        targets.targets["models/solar-cell/1.1.0/manifest.json"].custom.update(fields)

    return change


def _field(name, value):
    def change(targets, manifest):
        add_target(targets, manifest, "solar-cell", "1.1.0", 2)
        targets.unrecognized_fields[name] = value

    return change


def _length(targets, manifest):
    add_target(targets, manifest + b" ", "solar-cell", "1.1.0", 2)


@pytest.mark.parametrize(
    "change",
    [
        _with_other,
        _replacing,
        _foreign,
        _other_place,
        _length,
        lambda targets, manifest: None,
        _custom(release=1),
        _custom(release=True),
        _custom(release=2**31),
        _custom(hardware="aarch64"),
        _custom(hardware=["../x"]),
        _custom(published_at="yesterday"),
        _custom(more=1),
        _field("x-lineside", {"min_release": 3}),
        _field("x-lineside", {"min_release": -1}),
        _field("x-lineside", {"min_release": 0, "more": 1}),
        _field("x-lineside", []),
        _field("x-other", 1),
    ],
)
def test_metadata_that_says_something_else_is_refused(solar, change):
    """Although its owners signed it; nothing changes."""
    before = _state(solar)
    manifest = manifest_of("solar-cell", "1.1.0", FILES)
    for data in FILES.values():
        solar.registry.blobs.put(data)
    current = solar.registry.models.role_metadata("solar-cell")
    metadata = solar.owners["solar-cell"].role(current, solar.clock(), change=lambda t: change(t, manifest))
    with pytest.raises(RoleRefused):
        solar.registry.models.publish(PublishRequest("solar-cell", manifest, metadata, "stable"), by="ada")
    assert _state(solar) == before


def test_metadata_that_expired_is_refused(solar):
    """Clients would refuse it, too."""
    request = solar.request("solar-cell", "1.1.0", 2, FILES)
    solar.clock.forward(days=400)
    with pytest.raises(RoleRefused, match="past"):
        solar.registry.models.publish(request, by="ada")


@pytest.mark.parametrize(
    ("metadata", "fault"),
    [(b"{", MetadataInvalid), (b"[" * 100_000, MetadataInvalid), (b" " * (5 << 20), ContentTooLarge)],
)
def test_what_is_no_metadata_is_refused(solar, metadata, fault):
    """Whatever the wire brings."""
    request = dataclasses.replace(solar.request("solar-cell", "1.1.0", 2, FILES), metadata=metadata)
    with pytest.raises(fault):
        solar.registry.models.publish(request, by="ada")


def test_a_manifest_of_another_version_is_refused(solar):
    """What is signed as 1.1.0 says it is 1.2.0."""
    manifest = manifest_of("solar-cell", "1.2.0", FILES)
    current = solar.registry.models.role_metadata("solar-cell")
    metadata = solar.owners["solar-cell"].role(
        current, solar.clock(), change=lambda t: add_target(t, manifest, "solar-cell", "1.1.0", 2)
    )
    with pytest.raises(ManifestInvalid):
        solar.registry.models.publish(PublishRequest("solar-cell", manifest, metadata), by="ada")


def test_missing_files_are_named(solar):
    """So that the publisher uploads just these."""
    request = solar.request("solar-cell", "1.1.0", 2, FILES)
    sha256 = solar.registry.blobs.put(FILES["model.tflite"])
    solar.registry.blobs.path(sha256).unlink()
    with pytest.raises(BlobsMissing) as caught:
        solar.registry.models.publish(request, by="ada")
    assert caught.value.missing == (sha256,)
    solar.registry.blobs.path(sha256).write_bytes(b"longer than it was")
    with pytest.raises(BlobDiffers):
        solar.registry.models.publish(request, by="ada")


def test_a_version_is_never_reused(solar):
    """Not even one that was yanked: somewhere it may still run."""
    with pytest.raises(RoleRefused):
        solar.publish("solar-cell", "1.0.0", 2, FILES)
    solar.publish("solar-cell", "1.1.0", 2, FILES)
    solar.yank("solar-cell", "1.1.0")
    with pytest.raises(AlreadyThere):
        solar.publish("solar-cell", "1.1.0", 3, FILES)
    with pytest.raises(RoleRefused, match="release 2 is not above 2"):
        solar.publish("solar-cell", "1.2.0", 2, FILES)


def test_a_yanked_version_is_no_target_and_its_channel_returns(solar, tmp_path):
    """To the version before; a device that knew it sees it gone."""
    solar.publish("solar-cell", "1.1.0", 2, FILES, "stable")
    client(solar, tmp_path / "client")
    assert solar.yank("solar-cell", "1.1.0").returned == {"channel:stable": "1.0.0"}
    trusted = client(solar, tmp_path / "client")
    assert seen(trusted, ["solar-cell"])["solar-cell"].keys() == {"1.0.0"}
    assert accepted(solar, trusted, "channel:stable") == {"solar-cell": "1.0.0"}


def test_a_channel_without_an_earlier_version_names_none(solar):
    """Nobody chooses one for it; and it does not return below `min_release`."""
    assert solar.yank("solar-cell", "1.0.0").returned == {"channel:stable": None}
    assert solar.registry.assignments.one("channel:stable").models == {}
    solar.publish("solar-cell", "1.1.0", 2, FILES, "stable")
    solar.publish("solar-cell", "1.2.0", 3, FILES, "stable", min_release=3)
    assert solar.yank("solar-cell", "1.2.0").returned == {"channel:stable": None}


def test_assigning_takes_only_versions_that_may_run(solar):
    """Unknown, yanked and too old ones are refused, and the last assignment stays."""
    registry = solar.registry
    solar.publish("solar-cell", "1.1.0", 2, FILES)
    solar.publish("solar-cell", "1.2.0", 3, FILES, min_release=2)
    solar.yank("solar-cell", "1.2.0")
    before = registry.assignments.one("channel:stable")
    for version, fault in (("9.9.9", UnknownName), ("1.2.0", Refused), ("1.0.0", Refused)):
        with pytest.raises(fault):
            registry.assignments.set_channel("canary", {"solar-cell": version}, by="ada")
    with pytest.raises(Refused, match="no subject"):
        registry.assignments.assign("group:all", {"solar-cell": "1.1.0"}, by="ada")
    assert registry.assignments.all() == [before]


def test_counters_rise_per_subject_and_only_with_a_change(solar):
    """A device refuses an old assignment by them."""
    solar.publish("solar-cell", "1.1.0", 2, FILES)
    registry = solar.registry
    counters = [
        registry.assignments.set_channel("stable", {"solar-cell": v}, by="ada").counter
        for v in ("1.1.0", "1.1.0", "1.0.0")
    ]
    assert counters == [2, 2, 3]
    assert registry.assignments.assign_device("press-07", {"solar-cell": "1.1.0"}, by="ada").counter == 1
    assert registry.assignments.assign_device("press-07", {}, replace=True, by="ada").models == {}


def test_a_later_expiry_needs_only_the_owners(solar, tmp_path):
    """And may raise `min_release`; other targets are refused."""
    owner, registry = solar.owners["solar-cell"], solar.registry
    raised = owner.role(
        registry.models.role_metadata("solar-cell"),
        solar.clock(),
        change=lambda targets: targets.unrecognized_fields.update({"x-lineside": {"min_release": 1}}),
    )
    registry.models.renew_role("solar-cell", raised, by="ada")
    assert client(solar, tmp_path / "client").delegation("solar-cell").min_release == 1
    less = owner.role(registry.models.role_metadata("solar-cell"), solar.clock(), change=lambda t: t.targets.clear())
    with pytest.raises(RoleRefused):
        registry.models.renew_role("solar-cell", less, by="ada")


def test_what_happened_is_told_by_the_history(solar):
    """Who, what, when; and what differs between two versions."""
    solar.publish("solar-cell", "1.1.0", 2, {**FILES, "golden.json": b"{}"}, "stable")
    assert [change.what for change in solar.registry.models.history("solar-cell")] == [
        "add-model",
        "publish",
        "publish",
    ]
    diff = solar.registry.models.diff("solar-cell", "1.0.0", "1.1.0")
    assert [(file.path, file.before_bytes, file.after_bytes) for file in diff.files] == [
        ("golden.json", None, 2),
        ("model.tflite", 5, 6),
    ]
    assert diff.same == 1
    with pytest.raises(UnknownName):
        solar.registry.models.diff("solar-cell", "1.0.0", "9.9.9")


def test_what_a_version_is_called_by_its_model(solar):
    """Channels and newest first."""
    solar.publish("solar-cell", "1.1.0", 2, FILES, "canary")
    (model,) = solar.registry.models.all()
    assert [(v.version, v.channels, v.state) for v in model.versions] == [
        ("1.1.0", ("canary",), "published"),
        ("1.0.0", ("stable",), "published"),
    ]
    assert (model.threshold, model.role_version) == (1, 2)


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x" * 65])
def test_a_model_needs_a_name(site, name):
    """It stands in paths."""
    with pytest.raises(Refused):
        site.add_model(name)


def test_adding_a_model_needs_the_targets_key(site):
    """The online keys and those of other models do not do."""
    owner = Owner("press")
    with pytest.raises(SignatureInvalid):
        site.registry.models.add("press", owner.keys, owner.signers[0], by="mallory")
    assert site.registry.models.all() == []


def test_who_is_left_below_min_release_is_told_to_the_publisher(solar):
    """Their devices keep what they run, and would wait for ever unnoticed."""
    assert solar.publish("solar-cell", "1.1.0", 2, FILES, "canary", min_release=2).below_min_release == (
        "channel:stable",
    )
    assert solar.publish("solar-cell", "1.2.0", 3, FILES, "stable").below_min_release == ()
