"""Whoever works with the store may be gone at any step: what was loadable is loadable, and the same work done again comes to its end."""

from __future__ import annotations

import hashlib
import os
from itertools import count
from pathlib import Path

import pytest
from crashing import killed_at

from cloud_sync.manifest import FileEntry, Manifest
from cloud_sync.store import ModelStore, Version

FILES = {"1": {"model.tflite": b"one", "golden/1": b"a"}, "2": {"model.tflite": b"two", "golden/1": b"a"}}


def manifest_of(version: str) -> bytes:
    files = sorted(FILES[version].items())
    entries = (FileEntry(path, hashlib.sha256(content).hexdigest(), len(content)) for path, content in files)
    return Manifest("parts", version, tuple(entries)).encode()


def put(store: ModelStore, version: str) -> Version:
    def build(folder: Path) -> None:
        for path, content in FILES[version].items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_bytes(content)

    return Version("parts", version, store.stage(build, manifest_of(version)))


ONE, TWO = (Version("parts", version, hashlib.sha256(manifest_of(version)).hexdigest()) for version in "12")


def update(store: ModelStore) -> None:
    """A sync and an adoption, from the first folder to the last old version."""
    store.tidy()
    store.want({"parts": put(store, "2")})
    store.activate(store.staged())
    store.want({})
    store.collect(1, [])


@pytest.mark.parametrize("before", [[], ["1"]], ids=["first", "second"])
def test_an_update_that_is_killed_at_any_step_leaves_a_loadable_model_and_is_repeated(tmp_path, chance, before):
    """The first version of a model, or one after another. Every fourth step; --faults=all takes each."""
    for number in count(chance.random.randint(1, 4), chance.pick(4, 1)):
        folder = tmp_path / str(number)
        folder.mkdir()
        store = ModelStore(folder)
        for version in before:
            store.activate({"parts": put(store, version)})
        was_killed = killed_at(number, lambda store=store: update(store))
        active = store.active("parts")
        assert active in ([ONE, TWO] if before else [None, TWO])
        assert all(store.is_whole(digest) for digest in store.digests())
        update(store)
        assert (store.active("parts"), store.staged()) == (TWO, {})
        assert store.previous("parts") == (ONE if before else None)
        rest = {path.name for path in (folder / "store").iterdir()}
        assert rest == {"versions", "staging", "activation.json", "staged.json", "lock"}
        assert list((folder / "store" / "staging").iterdir()) == []
        if not was_killed:
            break
    assert number > 20


def test_a_version_is_on_the_disk_before_its_name_is_and_the_name_before_it_is_wanted(tmp_path, monkeypatch):
    """The order that survives a loss of power: files, folders, name, folder of names, record."""
    steps = []
    fsync, rename, replace = os.fsync, Path.rename, Path.replace

    def name(path: Path) -> str:
        inside = path.relative_to(tmp_path).parts
        return "/".join("draft" if part.startswith(TWO.digest + ".") else part for part in inside)

    def recording(descriptor: int) -> None:
        steps.append(f"fsync {name(Path(f'/proc/self/fd/{descriptor}').resolve())}")
        fsync(descriptor)

    def renaming(path: Path, target: Path) -> Path:
        steps.append(f"rename to {name(Path(target))}")
        return (rename if path.is_dir() else replace)(path, target)

    store = ModelStore(tmp_path)
    store.activate({"parts": put(store, "1")})
    monkeypatch.setattr(os, "fsync", recording)
    monkeypatch.setattr(Path, "rename", renaming)
    monkeypatch.setattr(Path, "replace", renaming)
    store.want({"parts": put(store, "2")})
    draft, place = "store/staging/draft", f"store/versions/{TWO.digest}"
    files = {f"fsync {draft}/{path}" for path in ("golden/1", "model.tflite", "manifest.json")}
    named = steps.index(f"rename to {place}")
    assert {*files, f"fsync {draft}/golden", f"fsync {draft}"} == {step for step in steps[:named] if "fsync" in step}
    assert steps.index(f"fsync {draft}/golden") > steps.index(f"fsync {draft}/golden/1")
    assert steps[named + 1] == "fsync store/versions"
    assert steps[-2:] == ["rename to store/staged.json", "fsync store"]
