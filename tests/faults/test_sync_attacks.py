"""Attacks on a whole device, by whoever holds the line, the mirror, the registry or some of its keys: each is refused by its own name.

A device runs version 1; what is honest would be to stay, or to go to version 2. Its sync is asked as the agent asks it, over HTTP. The store
and its activation record are compared byte for byte, and so is everything else beside the sync's own folder.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from shutil import copytree
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import zstandard
from file_server import endless, stalled, status, trickling
from folder_registry import DAY, NOW, FolderRegistry, Model, manifest_of, sha256
from hostile_mirror import HostileMirror
from registering import Device as Stranger
from securesystemslib.signer import CryptoSigner
from serving import Serving
from sync_world import DEVICE, FIRST, MODEL, NEW, OLD, SECOND, Station, make_site, sync_here, sync_in_child
from syncing import Device as ClockedDevice
from tuf.api.metadata import Metadata, MetaFile

import cloud_sync.wire
from cloud_sync import layout
from cloud_sync.device.journal import Journal
from cloud_sync.errors import CloudSyncError
from cloud_sync.wire import HttpWire

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.timeout(1200)

STABLE = "channel:stable"
HOUR = timedelta(hours=1)


@dataclass
class World:
    """A registry whose keys are all at hand, what lies before it, and a device."""

    registry: FolderRegistry
    mirror: HostileMirror
    station: Station
    early: dict[str, bytes]
    """Metadata of last week, by path."""

    def assign_second(self, **changes: Any) -> None:
        self.registry.assign(STABLE, {MODEL: "2"}, **changes)

    def late(self, role: str) -> str:
        """Path of the newest metadata of a role."""
        version = (
            self.registry.versions[role] if role in self.registry.versions else self.registry.models[MODEL].version
        )
        return layout.METADATA + layout.metadata_file(role, None if role == "timestamp" else version)

    def sign(self, path: str, signer: CryptoSigner, change: Callable[[Any], object] = lambda signed: None) -> None:
        """Change metadata in its place and sign it with whatever key."""
        metadata = Metadata.from_bytes((self.registry.folder / path).read_bytes())
        change(metadata.signed)
        metadata.sign(signer)
        self.registry.put(path, metadata.to_bytes())


# -- metadata ---------------------------------------------------------------------------------------------------------------------


def rollback(world: World) -> None:
    world.registry.put(world.late("timestamp"), world.early["metadata/timestamp.json"])


def rollback_of_the_snapshot(world: World) -> None:
    def change(signed: Any) -> None:
        signed.version += 1
        signed.snapshot_meta = MetaFile(1)

    world.sign(world.late("timestamp"), world.registry.signers["timestamp"], change)


def rollback_of_a_model(world: World) -> None:
    world.registry.write()
    name = f"{layout.role_of(MODEL)}.json"
    world.sign(
        world.late("snapshot"),
        world.registry.signers["snapshot"],
        lambda signed: signed.meta.update({name: MetaFile(1)}),
    )


def freeze(world: World) -> None:
    world.registry.timestamp_expires = NOW - timedelta(minutes=1)
    world.registry.write()
    clocked = ClockedDevice(world.station.state_dir, world.registry, now=NOW - HOUR)
    assert clocked.sync().state == "current"


def freeze_of_the_assignment(world: World) -> None:
    world.assign_second(issued_at=NOW - 2 * DAY, expires=NOW - DAY)


def mixed_snapshot(world: World) -> None:
    """Of a moment later: an older one would be a rollback."""
    world.registry.write()
    moment, place = (world.registry.folder / TIMESTAMP).read_bytes(), world.late("snapshot")
    world.registry.write()
    world.registry.put(place, (world.registry.folder / world.late("snapshot")).read_bytes())
    world.registry.put(TIMESTAMP, moment)


def mixed_role(world: World) -> None:
    world.registry.write()
    world.registry.put(world.late(layout.role_of(MODEL)), world.early["metadata/1.model.parts.json"])


def always(path: str, fault: Callable) -> Callable[[World], None]:
    def act(world: World) -> None:
        world.mirror.always[path] = fault

    return act


def blob_is(fault: Callable) -> Callable[[World], None]:
    def act(world: World) -> None:
        world.assign_second()
        (world.registry.folder / layout.patches_of(sha256(NEW))).unlink()
        world.mirror.always[layout.blob(sha256(NEW))] = fault

    return act


def wrong_key(role: str) -> Callable[[World], None]:
    def act(world: World) -> None:
        if role == "root":
            world.registry.write_root()
            path = layout.METADATA + layout.metadata_file("root", world.registry.roots)
        else:
            world.registry.write()
            path = world.late(role)
        world.sign(path, CryptoSigner.generate_ed25519())

    return act


def expired_root(world: World) -> None:
    world.registry.expires = NOW - DAY
    world.registry.write_root()


def pushed_versions(world: World) -> None:
    honest = dict(world.registry.versions)
    world.registry.versions |= {"snapshot": 2**31, "timestamp": 2**31}
    world.registry.write()
    assert world.station.poll()["state"] == "current"
    world.registry.versions = honest
    world.registry.write()


def signed_by(thief: Callable[[World], CryptoSigner]) -> Callable[[World], None]:
    def act(world: World) -> None:
        world.registry.publish(MODEL, "3", {"model.tflite": b"evil"})
        world.registry.assign(STABLE, {MODEL: "3"})
        world.sign(world.late(layout.role_of(MODEL)), thief(world))

    return act


# -- assignments ------------------------------------------------------------------------------------------------------------------


def other_hardware(world: World) -> None:
    world.registry.publish(MODEL, "3", {"model.tflite": b"3"}, hardware=("jetson-orin-nano",))
    world.registry.assign(STABLE, {MODEL: "3"})


def below_min_release(world: World) -> None:
    world.registry.models[MODEL].min_release = 3
    world.registry.write()
    world.assign_second()


def yanked(world: World) -> None:
    world.registry.yank(MODEL, "2")
    world.assign_second()


def other_manifest(world: World) -> None:
    world.registry.models[MODEL].manifests["2"] = manifest_of(MODEL, "2", {"model.tflite": b"evil"})
    world.assign_second()


def replayed(world: World) -> None:
    old = world.registry.assign(STABLE, {MODEL: "2"})
    world.registry.assign(STABLE, {MODEL: "1"})
    assert world.station.poll()["state"] == "current"
    world.registry.put(layout.assignment(STABLE), old)


def foreign(subject: str) -> Callable[[World], None]:
    def act(world: World) -> None:
        world.registry.put(layout.assignment(STABLE), world.registry.assign(subject, {MODEL: "2"}))

    return act


def strangers_assignment(world: World) -> None:
    world.assign_second(signer=CryptoSigner.generate_ed25519())


def future(world: World) -> None:
    world.assign_second(issued_at=NOW + 8 * DAY, expires=NOW + 9 * DAY)


# -- what is fetched --------------------------------------------------------------------------------------------------------------


def outside(path: str) -> Callable[[World], None]:
    def act(world: World) -> None:
        entry = {"path": path, "sha256": world.registry.blob(b"x"), "length": 1}
        content = {"schema": "lineside.manifest/1", "name": MODEL, "version": "3", "files": [entry]}
        world.registry.publish(MODEL, "3", {}, manifest=json.dumps(content).encode())
        world.registry.assign(STABLE, {MODEL: "3"})

    return act


def other_models_files(world: World) -> None:
    world.registry.publish(MODEL, "3", {}, manifest=manifest_of("bolts", "3", SECOND))
    world.registry.assign(STABLE, {MODEL: "3"})


def patch_is(make: Callable[[FolderRegistry], bytes]) -> Callable[[World], None]:
    """On a metered link, where no whole file comes in its place."""

    def act(world: World) -> None:
        world.assign_second()
        world.station.options = {"on_delta_failure": "wait"}
        content = make(world.registry)
        (world.registry.folder / layout.patches_of(sha256(NEW))).unlink()
        world.registry.offer_patch(OLD, NEW, content)

    return act


def bomb(_: FolderRegistry) -> bytes:
    """A few kilobytes that would become 50 MB."""
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=16, write_content_size=0)
    return zstandard.ZstdCompressor(compression_params=parameters).compress(bytes(50_000_000))


def other_bytes(registry: FolderRegistry) -> bytes:
    return registry.offer_patch(OLD, OLD[:1000] + b"evil" + OLD[1004:])


def changed(which: Callable[[World], str]) -> Callable[[World], None]:
    """One bit of a file on the mirror, after all was signed."""

    def act(world: World) -> None:
        world.assign_second()
        (world.registry.folder / layout.patches_of(sha256(NEW))).unlink()
        place = world.registry.folder / which(world)
        content = bytearray(place.read_bytes())
        content[len(content) // 2] ^= 1
        place.write_bytes(content)

    return act


def manifest_file(world: World) -> str:
    target = layout.manifest_target(MODEL, "2")
    return layout.target_file(target, sha256(world.registry.models[MODEL].manifests["2"]))


def key_file(world: World) -> str:
    (place,) = (world.registry.folder / "targets" / "keys").iterdir()
    return str(place.relative_to(world.registry.folder))


def plain_address(world: World) -> None:
    world.station.url = "http://192.0.2.1/"


TIMESTAMP = "metadata/timestamp.json"
ELSEWHERE = status(302, Location="https://registry.example/")


class Attack(NamedTuple):
    """One line of the table."""

    name: str
    how: str
    act: Callable[[World], None]
    code: str


ATTACKS = [
    Attack("rollback", "a mirror shows the timestamp of last week", rollback, "rollback-refused"),
    Attack("rollback", "stolen timestamp key names an older snapshot", rollback_of_the_snapshot, "rollback-refused"),
    Attack("rollback", "stolen online keys name an older role of a model", rollback_of_a_model, "rollback-refused"),
    Attack("freeze", "nothing new is shown until the timestamp expires", freeze, "metadata-expired"),
    Attack("freeze", "an assignment is shown that has expired", freeze_of_the_assignment, "assignment-expired"),
    Attack("mix-and-match", "another snapshot under a timestamp", mixed_snapshot, "metadata-mixed"),
    Attack("mix-and-match", "old role of a model under a new snapshot", mixed_role, "metadata-mixed"),
    Attack("endless data", "metadata without an end", always(TIMESTAMP, endless), "content-too-large"),
    Attack("endless data", "a blob without an end", blob_is(endless), "blob-differs"),
    Attack("slow data", "a byte of metadata now and then", always(TIMESTAMP, trickling), "too-slow"),
    Attack("slow data", "a blob that stops coming", blob_is(stalled(100)), "too-slow"),
    Attack("deep data", "16,000 brackets for metadata", always(TIMESTAMP, lambda h, _: h.whole(b"[" * 16_000)), "metadata-invalid"),
    *(
        Attack("wrong keys", f"a stranger signs {role}", wrong_key(role), "signature-invalid")
        for role in ("root", "timestamp", "snapshot", "targets", "model.parts")
    ),
    Attack("expired root", "the next root has expired", expired_root, "metadata-expired"),
    Attack("fast-forward", "versions pushed to 2^31, then honest ones without new keys", pushed_versions, "rollback-refused"),
    Attack(
        "stolen snapshot and timestamp keys", "they sign a version of a model",
        signed_by(lambda world: world.registry.signers["snapshot"]), "signature-invalid",
    ),
    Attack(
        "stolen key of another model", "its owners sign a version of this one",
        signed_by(lambda world: world.registry.models["bolts"].signer), "signature-invalid",
    ),
    Attack("stolen assignment key", "a version that is not for this hardware", other_hardware, "hardware-unfit"),
    Attack("stolen assignment key", "a version below min_release", below_min_release, "below-min-release"),
    Attack("stolen assignment key", "a yanked version", yanked, "version-yanked"),
    Attack("stolen assignment key", "another manifest under a version's name", other_manifest, "manifest-foreign"),
    Attack("stolen assignment key", "issued in the far future, to push the clock", future, "assignment-invalid"),
    Attack("replayed assignment", "a mirror shows an older one", replayed, "assignment-replayed"),
    Attack("foreign assignment", "that of another device", foreign("device:press-08"), "assignment-foreign"),
    Attack("foreign assignment", "that of another channel", foreign("channel:canary"), "assignment-foreign"),
    Attack("foreign assignment", "signed by a stranger", strangers_assignment, "signature-invalid"),
    *(
        Attack("files outside the folder", f"a manifest names {path}", outside(path), "manifest-invalid")
        for path in ("../../../secret", "/tmp/secret", "a/../../secret")
    ),
    Attack("files of another model", "a manifest says that it is of bolts", other_models_files, "manifest-foreign"),
    Attack("decompression bomb", "a patch that makes 50 MB", patch_is(bomb), "patch-bomb"),
    Attack("patch that makes other bytes", "of the right length", patch_is(other_bytes), "patch-differs"),
    Attack("patch that makes other bytes", "it is no patch", patch_is(lambda _: b"this is no patch"), "patch-differs"),
    Attack("compromised mirror", "one bit of the model", changed(lambda _: layout.blob(sha256(NEW))), "blob-differs"),
    Attack("compromised mirror", "one bit of the manifest", changed(manifest_file), "blob-differs"),
    Attack("compromised mirror", "one bit of the assignment keys", changed(key_file), "blob-differs"),
    Attack("redirect elsewhere", "for metadata", always(TIMESTAMP, ELSEWHERE), "redirect-refused"),
    Attack("redirect elsewhere", "for a blob", blob_is(ELSEWHERE), "redirect-refused"),
    Attack("no TLS", "the address of another machine without it", plain_address, "insecure-address"),
]  # fmt: skip
SLOW = [index for index, attack in enumerate(ATTACKS) if attack.name == "slow data"]


@pytest.fixture(scope="module")
def no_fsync():
    """What must survive a crash is proved elsewhere."""
    real = os.fsync
    os.fsync = lambda _: None
    yield
    os.fsync = real


@pytest.fixture(scope="module")
def original(tmp_path_factory, no_fsync):
    """A registry and a device that runs version 1, with metadata of last week; nobody changes them."""
    folder = tmp_path_factory.mktemp("original")
    registry = FolderRegistry(folder / "registry")
    registry.publish("bolts", "1", {"model.tflite": b"bolts"})
    registry.publish(MODEL, "1", FIRST)
    registry.assign(STABLE, {MODEL: "1"}, issued_at=NOW - 2 * HOUR)
    early = {str(path.relative_to(registry.folder)): path.read_bytes() for path in registry.folder.rglob("*.json")}
    registry.publish(MODEL, "2", SECOND)
    registry.offer_patch(OLD, NEW)
    with HostileMirror(registry.folder) as mirror:
        station = Station(folder / "state", registry.root, mirror.url)
        assert station.poll()["state"] == "staged"
        station.adopt()
        assert station.poll()["state"] == "current"
    return registry, station, early


def copied(registry: FolderRegistry, to: Path) -> FolderRegistry:
    """The same registry with the same keys in another folder."""
    copytree(registry.folder, to)
    twin = FolderRegistry.__new__(FolderRegistry)
    models: dict[str, Model] = {
        name: replace(model, targets=dict(model.targets), manifests=dict(model.manifests))
        for name, model in registry.models.items()
    }
    twin.__dict__ |= registry.__dict__ | {
        "folder": to,
        "models": models,
        "signers": dict(registry.signers),
        "counters": dict(registry.counters),
        "versions": dict(registry.versions),
    }
    return twin


@pytest.fixture
def world(original, tmp_path):
    registry, station, early = original
    twin = copied(registry, tmp_path / "registry")
    with HostileMirror(twin.folder) as mirror:
        yield World(twin, mirror, station.copy(tmp_path / "state", mirror.url), early)


def everything(world: World, folder: Path) -> dict[str, bytes]:
    """The device's store, and the name of each file that lies beside the registry and the sync's own folder."""
    own, registry = world.station.state_dir / "sync", world.registry.folder
    others = [path for path in folder.rglob("*") if own not in path.parents and registry not in path.parents]
    return world.station.picture() | {str(path): b"" for path in others}


def refused_with(world: World, outcome: dict[str, Any]) -> str:
    """The code of the error; of a patch that was refused, that of the patch, which is named in the message."""
    error = outcome["error"] or {"code": f"not at all: {outcome['state']}"}
    if error["code"] != "delta-failed":
        return error["code"]
    with Journal.open(world.station.state_dir / "sync") as journal:
        (reason,) = [step["reason"] for step in journal.steps() if step["what"] == "patch-failed"]
    assert reason in error["message"]
    return re.match(r"[a-z-]+", reason)[0]


@pytest.mark.parametrize("number", range(len(ATTACKS)), ids=lambda k: f"{ATTACKS[k].name}, {ATTACKS[k].how}")
def test_an_attack_is_refused_by_its_own_name_and_changes_nothing(
    number, world, tmp_path, monkeypatch, request, attack_row
):
    """Every twelfth by the process that the agent starts, with --faults=all each of them; the others in this process.

    Slow data is waited for as long as devices do only with --faults=all.
    """
    attack, is_all = ATTACKS[number], request.config.getoption("--faults") == "all"
    attack.act(world)
    in_child = is_all or (number % 12 == 0 and number not in SLOW)
    if not in_child:
        timeout_s = 0.5 if number in SLOW else 30.0
        monkeypatch.setattr(cloud_sync.wire, "HttpWire", partial(HttpWire, timeout_s=timeout_s, retries=0))
    world.station.sync = sync_in_child if in_child else sync_here
    before = everything(world, tmp_path)
    outcome = world.station.poll()
    attack_row(
        attack.name,
        attack.how,
        expected=attack.code,
        refused_with=refused_with(world, outcome),
        changed=everything(world, tmp_path) != before or outcome["staged"] != {},
    )
    assert world.station.store.active(MODEL).version == "1"


# -- after an attack --------------------------------------------------------------------------------------------------------------


def test_recovery_from_pushed_versions(world):
    """New keys for timestamp and snapshot, by the root's owners: the floors of the old ones are forgotten (5.3.11)."""
    pushed_versions(world)
    assert world.station.poll()["error"]["code"] == "rollback-refused"
    world.registry.write_root(replace=("timestamp", "snapshot"))
    world.registry.write()
    world.assign_second()
    outcome = world.station.poll()
    assert (outcome["error"], outcome["staged"]) == (None, {MODEL: "2"})


def test_recovery_from_a_pushed_counter(world):
    """A stolen assignment key locks nobody out for longer than until it is replaced."""
    world.registry.assign(STABLE, {MODEL: "1"}, counter=2**50)
    assert world.station.poll()["state"] == "current"
    world.assign_second()
    assert world.station.poll()["error"]["code"] == "assignment-replayed"
    world.registry.assigner = CryptoSigner.generate_ed25519()
    world.registry.write()
    world.assign_second()
    outcome = world.station.poll()
    assert (outcome["error"], outcome["staged"]) == (None, {MODEL: "2"})


def test_after_an_attack_on_the_way_the_next_poll_takes_the_honest_version(world):
    """A mirror can delay, and no more."""
    for act in (mixed_snapshot, changed(manifest_file), blob_is(ELSEWHERE)):
        kept = {path: path.read_bytes() for path in world.registry.folder.rglob("*") if path.is_file()}
        act(world)
        assert world.station.poll()["state"] == "failed"
        world.mirror.always.clear()
        for path, content in kept.items():
            path.write_bytes(content)
    world.registry.write()
    world.assign_second()
    assert world.station.poll()["staged"] == {MODEL: "2"}


# -- against the registry ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def admitted(tmp_path_factory, no_fsync):
    """A registry's server with one admitted device that runs what it should."""
    folder = tmp_path_factory.mktemp("admitted")
    site = make_site(folder)
    with Serving(site.registry) as url:
        site.publish(MODEL, "1", 1, FIRST, "stable")
        token = site.registry.devices.create_enrolment_token(DEVICE, by="ada")
        other_token = site.registry.devices.create_enrolment_token("press-08", by="ada")
        with HostileMirror(url) as mirror:
            station = Station(
                folder / "state", site.public / "metadata" / "1.root.json", mirror.url, {"enrol_token": token}
            )
            assert station.poll()["enrolment"] == "admitted"
            yield site, url, station, mirror.posted["api/v1/reports"], mirror.posted["api/v1/enrol"], other_token
    site.registry.close()


def nonce(url: str) -> str:
    with HttpWire(url) as wire:
        return json.loads(wire.post("api/v1/enrol/nonce", b"", 1000))["nonce"]


def said(url: str, path: str, content: bytes) -> str:
    """The state or the code of the error in the registry's answer."""
    with HttpWire(url) as wire:
        answer = json.loads(wire.ask("POST", path, content=content, max_bytes=10_000).content)
    return answer["error"]["code"] if "error" in answer else answer.get("state", "taken")


def _enrols(url, site, first, enrolment, token):
    return said(url, "api/v1/enrol", Stranger(DEVICE).request(nonce(url)))


def _enrols_with_a_token(url, site, first, enrolment, token):
    return said(url, "api/v1/enrol", Stranger(DEVICE).request(nonce(url), token))


def _enrols_again(url, site, first, enrolment, token):
    return said(url, "api/v1/enrol", enrolment)


def _enrols_for_another(url, site, first, enrolment, token):
    stranger, owner = Stranger(DEVICE), CryptoSigner.generate_ed25519()
    return said(url, "api/v1/enrol", stranger.request(nonce(url), key=owner.public_key.to_dict()))


def _reports(url, site, first, enrolment, token):
    return said(url, "api/v1/reports", Stranger(DEVICE, number=2**40).report({MODEL: "666"}))


def _reports_again(url, site, first, enrolment, token):
    return said(url, "api/v1/reports", first)


def _reports_changed(url, site, first, enrolment, token):
    content = json.loads(first)
    content["signed"]["number"] += 1
    return said(url, "api/v1/reports", json.dumps(content).encode())


REGISTRY_ATTACKS = [
    ("a stranger enrols as an existing device", "with a key of its own: an operator is asked", _enrols, "waiting"),
    ("a stranger enrols as an existing device", "with the token of another device", _enrols_with_a_token, "enrolment-refused"),
    ("a stranger enrols as an existing device", "with the device's own request, again", _enrols_again, "enrolment-refused"),
    ("a stranger enrols as an existing device", "with a key that is not its own", _enrols_for_another, "enrolment-refused"),
    ("a forged report", "signed by a stranger", _reports, "signature-invalid"),
    ("a forged report", "the device's own with another number", _reports_changed, "signature-invalid"),
    ("a replayed report", "the device's own, again", _reports_again, "report-refused"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "how", "act", "code"), REGISTRY_ATTACKS, ids=[f"{name}, {how}" for name, how, *_ in REGISTRY_ATTACKS]
)
def test_a_stranger_is_not_taken_for_a_device(name, how, act, code, admitted, attack_row):
    """The registry says so, and what it knows of the device, its key and its report, is as before."""
    site, url, _, first, enrolment, token = admitted

    def known() -> object:
        info = site.registry.devices.one(DEVICE)
        return info.keyid, info.state, info.number, info.reported_at, dict(info.runs), info.events

    before = known()
    try:
        answer = act(url, site, first, enrolment, token)
    except CloudSyncError as error:
        answer = error.code
    attack_row(name, how, expected=code, refused_with=answer, changed=known() != before)
