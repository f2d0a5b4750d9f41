"""The store: whole versions only, one record of what is active, and nothing removed that somebody needs."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_sync import manifest
from cloud_sync.errors import BlobDiffers
from cloud_sync.manifest import FileEntry, Manifest, ManifestInvalid
from cloud_sync.store import ModelStore, Version, VersionMissing

if TYPE_CHECKING:
    from pathlib import Path


def files_of(version: str) -> dict[str, bytes]:
    return {
        "model.toml": f'version = "{version}"'.encode(),
        "model.tflite": version.encode() * 9,
        "golden/a/1.png": b"png",
    }


def manifest_of(version: str, name: str = "parts") -> bytes:
    entries = (FileEntry(path, hashlib.sha256(c).hexdigest(), len(c)) for path, c in sorted(files_of(version).items()))
    return Manifest(name, version, tuple(entries)).encode()


def build(version: str):
    def fill(folder: Path) -> None:
        for path, content in files_of(version).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)

    return fill


def put(store: ModelStore, version: str, name: str = "parts") -> Version:
    return Version(name, version, store.stage(build(version), manifest_of(version, name)))


def picture(folder: Path) -> dict[str, bytes | None]:
    """Every file below a folder, byte for byte; the lock is no content."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if path.name not in {"lock", "staging"}
    }


@pytest.fixture
def store(tmp_path):
    return ModelStore(tmp_path)


def test_an_empty_store_has_nothing_and_writes_nothing(store, tmp_path):
    """Reading makes no folder: the agent may look before the first sync."""
    assert (store.active("parts"), store.previous("parts"), store.staged(), store.rejected()) == (None, None, {}, {})
    assert (store.digests(), store.files(), store.folder("00" * 32)) == (set(), {}, None)
    assert list(tmp_path.iterdir()) == []


def test_a_staged_version_is_what_its_manifest_says_and_cannot_be_written(store, tmp_path):
    """Its digest names its folder, and nothing else lies about."""
    one = put(store, "1")
    folder = store.folder(one.digest)
    assert one.digest == hashlib.sha256(manifest_of("1")).hexdigest() == folder.name
    listed, _ = manifest.read(folder)
    manifest.verify(folder, listed)
    assert {path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()} == {0o444}
    assert list((tmp_path / "store" / "staging").iterdir()) == []


def test_what_is_there_is_not_built_again(store):
    """Whoever stages may repeat it."""
    one = put(store, "1")

    def never(_: Path) -> None:
        pytest.fail("built again")

    assert store.stage(never, manifest_of("1")) == one.digest


def _changed(folder: Path) -> None:
    build("1")(folder)
    (folder / "model.tflite").write_bytes(b"other")


def _more(folder: Path) -> None:
    build("1")(folder)
    (folder / "more").write_bytes(b"")


def _full(folder: Path) -> None:
    (folder / "model.tflite").write_bytes(b"half")
    raise OSError("no space left")


@pytest.mark.parametrize(
    ("fill", "content", "error"),
    [
        (_changed, manifest_of("1"), BlobDiffers),
        (_more, manifest_of("1"), BlobDiffers),
        (lambda _: None, manifest_of("1"), BlobDiffers),
        (_full, manifest_of("1"), OSError),
        (build("1"), b"{}", ManifestInvalid),
    ],
    ids=["changed", "more", "nothing", "disk full", "no manifest"],
)
def test_what_is_not_whole_does_not_come_in(store, tmp_path, fill, content, error):
    """And leaves the store as it was, byte for byte."""
    put(store, "0")
    before = picture(tmp_path)
    with pytest.raises(error):
        store.stage(fill, content)
    assert picture(tmp_path) == before
    assert list((tmp_path / "store" / "staging").iterdir()) == []


def test_a_damaged_version_is_staged_anew(store):
    """A disk may lose bytes; the folder that is whole takes the place of the other."""
    one = put(store, "1")
    damaged = store.folder(one.digest) / "model.tflite"
    damaged.chmod(0o644)
    damaged.write_bytes(b"x")
    assert not store.is_whole(one.digest)
    assert put(store, "1") == one
    assert store.is_whole(one.digest)


def test_only_a_damaged_version_can_be_discarded(store):
    """Active or not."""
    one = put(store, "1")
    store.activate({"parts": one})
    assert not store.discard_damaged(one.digest)
    (store.folder(one.digest) / "model.tflite").unlink()
    assert store.discard_damaged(one.digest)
    assert (store.active("parts"), store.folder(one.digest)) == (None, None)
    assert not store.discard_damaged("../..")


def test_activation_is_one_record_for_all_models(store, tmp_path):
    """What was active is previous; a model that is not named goes on."""
    one, two, other = put(store, "1"), put(store, "2"), put(store, "1", "cells")
    store.activate({"parts": one, "cells": other})
    store.activate({"parts": two})
    assert (store.active("parts"), store.previous("parts")) == (two, one)
    assert (store.active("cells"), store.previous("cells")) == (other, None)
    record = json.loads((tmp_path / "store" / "activation.json").read_bytes())
    assert (record["schema"], record["counter"]) == ("lineside.activation/1", 2)
    assert record["models"]["parts"].items() >= {"active": two.digest, "version": "2", "previous": one.digest}.items()


def test_activating_what_is_active_changes_nothing(store, tmp_path):
    """`previous` is not lost by doing it twice."""
    one, two = put(store, "1"), put(store, "2")
    store.activate({"parts": one})
    store.activate({"parts": two})
    before = picture(tmp_path)
    store.activate({"parts": two})
    assert picture(tmp_path) == before


def test_what_is_not_in_the_store_is_neither_wanted_nor_activated(store, tmp_path):
    """All of them or none."""
    one = put(store, "1")
    before = picture(tmp_path)
    for use in (store.want, store.activate):
        with pytest.raises(VersionMissing):
            use({"parts": one, "cells": Version("cells", "1", "00" * 32)})
    assert picture(tmp_path) == before


def test_what_is_wanted_is_staged_until_it_is_active_or_rejected(store):
    """The agent looks for what is left to do."""
    one, two, three = put(store, "1"), put(store, "2"), put(store, "3")
    store.activate({"parts": one})
    store.want({"parts": two})
    assert store.staged() == {"parts": two}
    store.activate({"parts": two})
    assert store.staged() == {}
    store.want({"parts": three})
    store.reject(three, "golden samples fail")
    assert store.staged() == {}
    assert store.rejected()["parts"].reason == "golden samples fail"
    store.forgive(["parts"])
    assert (store.staged(), store.rejected()) == ({"parts": three}, {})


def test_what_came_with_a_rejected_version_is_not_staged_either_and_says_whose_fault_it_was(store):
    """By one record, which a later start reads; its own digest is not held against it."""
    one, other = put(store, "1"), put(store, "1", "cells")
    store.want({"parts": one, "cells": other})
    store.reject(one, "golden samples fail", [other])
    assert store.staged() == {}
    rejected = store.rejected()
    assert (rejected["parts"].fault_of, rejected["cells"].fault_of) == ((), (one,))
    assert rejected["cells"].reason == "it came with parts 1, which is rejected: golden samples fail"


def test_of_versions_that_came_together_each_may_have_been_the_faulty_one(store):
    """Where nobody can say which, each names the others."""
    three = [put(store, "1", name) for name in ("parts", "cells", "cans")]
    store.reject_together(three, "three crashes")
    for one in three:
        assert store.rejected()[one.name].fault_of == tuple(other for other in three if other != one)


def test_a_rejection_of_before_sets_is_read(store, tmp_path):
    """It is a fault of its own."""
    (tmp_path / "store").mkdir(exist_ok=True)
    row = {"digest": "00" * 32, "reason": "no", "at": "2026-11-01T00:00:00Z"}
    record = {"schema": "lineside.rejected/1", "models": {"parts": row}}
    (tmp_path / "store/rejected.json").write_text(json.dumps(record))
    assert store.rejected()["parts"].fault_of == ()


def test_the_store_knows_what_became_active_by_one_record(store):
    """Until one of them goes on to another version."""
    one, other, alone = put(store, "1"), put(store, "1", "cells"), put(store, "1", "cans")
    store.activate({"parts": one, "cells": other})
    store.activate({"cans": alone})
    assert store.came_with("parts") == {"parts": one, "cells": other}
    store.activate({"cells": put(store, "2", "cells")})
    assert store.came_with("parts") == {"parts": one}
    assert store.came_with("lids") == {}


def test_collecting_keeps_what_is_active_previous_staged_or_in_use(store):
    """However little is to be kept."""
    one, two, three, four, five = (put(store, version) for version in "12345")
    store.activate({"parts": two})
    store.activate({"parts": three})
    store.want({"parts": four})
    assert set(store.collect(0, [one.digest])) == {five.digest}
    assert store.digests() == {one.digest, two.digest, three.digest, four.digest}


def test_collecting_keeps_the_newest_of_each_model(store):
    """As many as are asked for, what is needed among them."""
    versions = [put(store, version) for version in "123"] + [put(store, "9", "cells")]
    for age_s, version in enumerate(reversed(versions)):
        os.utime(store.folder(version.digest), (1e9 - age_s, 1e9 - age_s))
    store.activate({"parts": versions[0]})
    assert store.collect(2, []) == [versions[1].digest]
    assert store.digests() == {versions[0].digest, versions[2].digest, versions[3].digest}


@settings(max_examples=25)
@given(data=st.data())
def test_no_sequence_of_steps_loses_what_is_needed(tmp_path_factory, data):
    """Whatever is staged, wanted, activated, rejected and collected, in any order."""
    store = ModelStore(tmp_path_factory.mktemp("store"))
    for _ in range(data.draw(st.integers(1, 12))):
        version = Version("parts", data.draw(st.sampled_from("1234")), "")
        version = Version("parts", version.version, hashlib.sha256(manifest_of(version.version)).hexdigest())
        step = data.draw(st.sampled_from(["stage", "want", "activate", "reject", "collect"]))
        before = (store.active("parts"), store.previous("parts"), store.staged())
        is_here = store.folder(version.digest) is not None
        if step == "stage":
            put(store, version.version)
        elif step == "want" and is_here:
            store.want({"parts": version})
        elif step == "activate" and is_here:
            store.activate({"parts": version})
            assert store.active("parts") == version
        elif step == "reject":
            store.reject(version, "no")
        elif step == "collect":
            store.collect(data.draw(st.integers(0, 3)), [])
            assert (store.active("parts"), store.previous("parts"), store.staged()) == before
        for needed in (store.active("parts"), store.previous("parts"), *store.staged().values()):
            assert needed is None or store.is_whole(needed.digest)
        if before[0] is not None:
            assert store.active("parts") is not None


def test_an_unreadable_activation_record_costs_nothing_that_lies_here(store, tmp_path):
    """It counts as none, and nothing is collected by it; the next activation writes a new one."""
    one, two = put(store, "1"), put(store, "2")
    store.activate({"parts": one})
    for damage in (
        b"",
        b"[" * 100_000,
        b'{"schema":"lineside.activation/1","counter":1,"models":{"parts":{"active":"../.."}}}',
    ):
        (tmp_path / "store" / "activation.json").write_bytes(damage)
        assert store.active("parts") is None
        assert store.collect(0, []) == []
    store.activate({"parts": two})
    assert store.active("parts") == two


def test_two_processes_write_one_after_the_other(store, tmp_path):
    """Neither loses what the other wrote."""
    names = [f"m{number}" for number in range(8)]
    children = []
    for name in names:
        child = os.fork()
        if child == 0:
            store.reject(Version(name, "1", "00" * 32), "no")
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * len(names)
    assert sorted(store.rejected()) == names


def test_room_is_what_the_disk_has_beyond_the_reserve(store, tmp_path):
    """Also before the store's folder is there."""
    free = shutil.disk_usage(tmp_path).free
    assert store.has_room(0, 0)
    assert not store.has_room(free * 2, 0)
    assert not store.has_room(0, free * 2)


def test_going_back_is_one_record_and_leaves_nothing_to_go_back_to(store, tmp_path):
    """What was before works; a model that runs something else stays, and one that ran nothing before runs nothing."""
    one, two = put(store, "1.0.0"), put(store, "1.1.0")
    other, alone = put(store, "2.0.0", "n"), put(store, "3.0.0", "o")
    store.activate({"parts": one, "n": other, "o": alone})
    store.activate({"parts": two})
    store.give_back({"parts": two.digest, "n": two.digest, "o": alone.digest})
    assert [store.active(name) for name in ("parts", "n", "o")] == [one, other, None]
    assert store.previous("parts") is None
    record = (tmp_path / "store/activation.json").read_bytes()
    store.give_back({"parts": two.digest})
    assert (tmp_path / "store/activation.json").read_bytes() == record, "nothing changes twice"


def test_gates_of_an_assignment_are_staged_with_the_version_and_are_no_part_of_it(store):
    """Other gates for the same version are written down too."""
    version = put(store, "1.0.0")
    for gates in ({}, {"bake_s": 60.0}, {"bake_s": 90.0}):
        store.want({"parts": Version(version.name, version.version, version.digest, gates)})
        assert store.staged() == {"parts": version}
        assert store.staged()["parts"].gates == gates
