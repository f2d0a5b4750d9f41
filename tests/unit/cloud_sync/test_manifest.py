"""A manifest is the identity of a bundle: equal files, equal digest; any difference is named, and no path leads out."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_sync import manifest
from cloud_sync.errors import Untrusted
from cloud_sync.manifest import FileEntry, FilesDiffer, Manifest, ManifestInvalid

FILES = {"model.toml": b"name", "model.tflite": b"\x00\x01", "golden/a/1.png": b"png", "labels.txt": b""}
NAMES = st.text(alphabet="abcéZ09 _-", min_size=1, max_size=6).filter(lambda name: name.strip() == name)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)


def fill(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def bundle(tmp_path):
    """A folder with its manifest written."""
    folder = fill(tmp_path / "bundle", FILES)
    manifest.write(folder, manifest.describe(folder, "parts", "1.0.0"))
    return folder


def content_of(*, path="model.tflite", sha256="00" * 32, length=1, **changes: object) -> dict[str, object]:
    files = [{"path": path, "sha256": sha256, "length": length}]
    return {"schema": manifest.SCHEMA, "name": "parts", "version": "1", "files": files} | changes


def test_a_manifest_lists_every_file_with_its_length_and_sha256(bundle):
    """In the order of their paths, itself left out."""
    described = manifest.describe(bundle, "parts", "1.0.0")
    assert described.files == tuple(
        FileEntry(path, hashlib.sha256(FILES[path]).hexdigest(), len(FILES[path])) for path in sorted(FILES)
    )


def test_a_manifest_is_read_as_it_was_written(bundle):
    """Its digest is that of the bytes on the disk."""
    read, digest = manifest.read(bundle)
    assert read == manifest.describe(bundle, "parts", "1.0.0")
    assert digest == read.digest == f"sha256:{hashlib.sha256((bundle / 'manifest.json').read_bytes()).hexdigest()}"
    manifest.verify(bundle, read)


@settings(max_examples=25, deadline=None)
@given(files=st.dictionaries(PATHS, st.binary(max_size=20), min_size=1, max_size=4), data=st.data())
def test_equal_folders_have_equal_digests_and_different_ones_do_not(tmp_path_factory, files, data):
    """Whatever the order in which the files were made, and wherever the folder lies."""
    files = {
        path: content for path, content in files.items() if not any(other.startswith(f"{path}/") for other in files)
    }
    one = fill(tmp_path_factory.mktemp("one"), files)
    two = fill(tmp_path_factory.mktemp("two"), dict(reversed(files.items())))
    digest = manifest.describe(one, "n", "1").digest
    assert manifest.describe(two, "n", "1").digest == digest
    changed = data.draw(st.sampled_from(sorted(files)))
    (two / changed).write_bytes(files[changed] + b"x")
    assert manifest.describe(two, "n", "1").digest != digest
    assert manifest.describe(one, "n", "2").digest != digest


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: (f / "model.tflite").unlink(), "model.tflite is missing"),
        (
            lambda f: (f / "model.tflite").write_bytes(b"\x00\x02"),
            "model.tflite has another sha256 than the manifest says",
        ),
        (lambda f: (f / "model.tflite").write_bytes(b"123"), "model.tflite has 3 bytes, the manifest says 2"),
        (lambda f: (f / "model.tflite").write_bytes(b""), "model.tflite has 0 bytes, the manifest says 2"),
        (lambda f: (f / "golden" / "new").write_bytes(b""), "golden/new is not in the manifest"),
        (
            lambda f: (f / "labels.txt").rename(f / "Labels.txt"),
            "Labels.txt is not in the manifest; labels.txt is missing",
        ),
    ],
    ids=["missing", "changed", "longer", "shorter", "unlisted", "renamed"],
)
def test_every_kind_of_difference_is_named(bundle, change, said):
    """One sentence per file."""
    listed, _ = manifest.read(bundle)
    change(bundle)
    with pytest.raises(FilesDiffer) as caught:
        manifest.verify(bundle, listed)
    assert "; ".join(caught.value.differences) == str(caught.value) == said


def test_hidden_files_belong_to_editors_and_file_managers(bundle):
    """They are in no manifest and change no digest; hidden folders likewise."""
    listed, digest = manifest.read(bundle)
    fill(bundle, {".DS_Store": b"x", "golden/.a.swp": b"x", ".git/config": b"x"})
    manifest.verify(bundle, listed)
    assert manifest.describe(bundle, "parts", "1.0.0").digest == digest


def test_a_hidden_file_that_is_listed_does_not_pass(bundle):
    """Nobody can hide a file from the digest and use it."""
    fill(bundle, {".hidden": b"x"})
    entry = FileEntry(".hidden", hashlib.sha256(b"x").hexdigest(), 1)
    with pytest.raises(FilesDiffer, match=r"\.hidden is missing"):
        manifest.verify(bundle, Manifest("parts", "1", (entry,)))


def test_a_manifest_is_decoded_from_its_bytes_alone(bundle):
    """As it comes from the registry, before there is a folder."""
    content = (bundle / "manifest.json").read_bytes()
    assert (manifest.decode(content), manifest.digest_of(content)) == manifest.read(bundle)


@pytest.mark.parametrize(
    "paths",
    [
        ["a", "a"],
        ["a", "a/b"],
        ["a/b/c", "a/b"],
        ["manifest.json"],
        [".hidden"],
        ["golden/.a/b"],
        ["a\0b"],
        ["\ud800"],
        ["é" * 128],
    ],
)
def test_a_manifest_names_only_files_that_can_be_written_into_an_empty_folder(paths):
    """Each once, none hidden, none a file and a folder, and never the manifest itself."""
    files = [{"path": path, "sha256": "00" * 32, "length": 1} for path in paths]
    with pytest.raises(ManifestInvalid) as caught:
        manifest.decode(json.dumps(content_of(files=files)).encode(), what="the manifest of parts 1")
    assert str(caught.value).startswith("the manifest of parts 1 ")
    assert isinstance(caught.value, Untrusted)


@pytest.mark.parametrize(
    "path", ["../secret", "a/../../secret", "/etc/passwd", "a/./b", "./a", "a//b", "a/", "", ".", "..", 3, None, ["a"]]
)
def test_a_path_that_is_not_plainly_inside_the_bundle_is_refused(tmp_path, path):
    """Before any file is looked at."""
    (tmp_path / "manifest.json").write_text(json.dumps(content_of(path=path)))
    with pytest.raises(ManifestInvalid):
        manifest.read(tmp_path)


@pytest.mark.parametrize("target", ["../outside", "/etc", "loop"])
def test_a_link_that_leads_out_or_nowhere_is_refused(bundle, target):
    """Of files and folders; one that leads to itself leads nowhere, and is no file."""
    (bundle.parent / "outside").write_bytes(b"x")
    listed, _ = manifest.read(bundle)
    (bundle / "loop").symlink_to(target)
    if target == "loop":
        manifest.verify(bundle, listed)
        return
    for use in (lambda: manifest.verify(bundle, listed), lambda: manifest.describe(bundle, "parts", "1")):
        with pytest.raises(ManifestInvalid, match=r"loop leads out of the bundle"):
            use()


def test_a_link_inside_the_bundle_is_a_file_like_any_other(bundle):
    """It is listed with the content that it leads to."""
    (bundle / "alias.txt").symlink_to("model.toml")
    found = {entry.path: entry.sha256 for entry in manifest.describe(bundle, "parts", "1").files}
    assert found["alias.txt"] == found["model.toml"]


def test_a_name_that_is_no_text_is_refused(bundle):
    """A manifest is UTF-8; the file system may hold anything."""
    (Path(os.fsdecode(os.fsencode(bundle) + b"/caf\xe9"))).write_bytes(b"x")
    with pytest.raises(ManifestInvalid, match="not UTF-8"):
        manifest.describe(bundle, "parts", "1")


def test_without_a_manifest_there_is_none(tmp_path):
    """Neither in an empty folder nor where no folder is."""
    assert manifest.read(tmp_path) is None
    assert manifest.read(tmp_path / "none") is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (content_of(schema="lineside.manifest/2"), "has schema 'lineside.manifest/2'"),
        (content_of(files=None), "is no manifest"),
        (content_of(files=[3]), "is no manifest"),
        (content_of(sha256=3), "sha256 must be text"),
        (content_of(sha256="00"), "sha256 must be text"),
        (content_of(sha256="AB" * 32), "sha256 must be text"),
        (content_of(length=-1), "a length below 0"),
        (content_of(length="1"), "length a whole number"),
        (content_of(length=True), "length a whole number"),
        ({"schema": manifest.SCHEMA}, "is no manifest"),
        ([], "is no manifest"),
        ("text", "is no manifest"),
    ],
)
def test_a_manifest_that_says_something_impossible_is_invalid(tmp_path, content, said):
    """And names its path."""
    (tmp_path / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(ManifestInvalid, match=said) as caught:
        manifest.read(tmp_path)
    assert str(tmp_path / "manifest.json") in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"[" * 100_000, b"9" * 5000, b" " * (4 << 20) + b"1"], ids=["deep", "long", "large"]
)
def test_a_hostile_manifest_is_invalid(tmp_path, content):
    """Neither depth nor size costs more than a refusal."""
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(ManifestInvalid):
        manifest.read(tmp_path)


def test_a_folder_in_place_of_the_manifest_is_invalid(tmp_path):
    """It is there, so the bundle is not merely unpacked."""
    (tmp_path / "manifest.json").mkdir()
    with pytest.raises(ManifestInvalid):
        manifest.read(tmp_path)


@settings(deadline=None)
@given(damage=st.binary(max_size=64))
def test_any_bytes_are_no_manifest(tmp_path_factory, damage):
    """Nothing but ManifestInvalid comes out."""
    folder = tmp_path_factory.mktemp("damaged")
    (folder / "manifest.json").write_bytes(damage)
    with pytest.raises(ManifestInvalid):
        manifest.read(folder)


@settings(deadline=None)
@given(data=st.data())
def test_a_damaged_manifest_is_invalid_or_another_manifest(tmp_path_factory, data):
    """One byte changed: it is refused, or its digest is another."""
    folder = fill(tmp_path_factory.mktemp("damaged"), {"model.toml": b"name", "a": b"b"})
    whole = manifest.describe(folder, "parts", "1")
    content = bytearray(whole.encode())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    (folder / "manifest.json").write_bytes(content)
    try:
        read, digest = manifest.read(folder)
    except ManifestInvalid:
        return
    assert digest != whole.digest
    assert isinstance(read, Manifest)
