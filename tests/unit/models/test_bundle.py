"""Bundles and bare models: what is read, what is refused and why, and what a manifest protects."""

from __future__ import annotations

import numpy as np
import pytest
import tiny_models
from line import CLASSIFIER_TOML, write_bundle
from tiny_metadata import with_metadata

from agent.core.errors import ModelRefused, NotTrusted
from agent.models.bundle import open_bundle, open_model, open_unpacked
from agent.models.settings import ModelSettings
from cloud_sync import manifest


def packed(folder):
    bundle = open_unpacked(folder)
    manifest.write(folder, manifest.describe(folder, bundle.spec.name, bundle.spec.version))
    return folder


def test_an_unpacked_folder_opens_with_a_warning(tmp_path):
    """Its digest is the one that packing will give it."""
    folder = write_bundle(tmp_path / "b")
    before = open_bundle(folder)
    assert [finding.code for finding in before.findings] == ["not-packed"]
    after = open_bundle(packed(folder))
    assert after.findings == []
    assert after.digest == before.digest
    assert after.labels == ["dark", "bright"]
    assert after.model_sha256 == before.model_sha256 == manifest.file_sha256(after.model)


@pytest.mark.parametrize("pack", [lambda folder: folder, packed])
def test_a_model_that_no_manifest_lists_has_no_digest_yet(tmp_path, pack):
    """Hidden files are not read for the manifest, so who needs the digest computes it."""
    folder = write_bundle(tmp_path / "b", toml=CLASSIFIER_TOML.replace("model.tflite", ".model.tflite"))
    (folder / "model.tflite").rename(folder / ".model.tflite")
    assert open_bundle(pack(folder)).model_sha256 is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: (f / "labels.txt").write_text("dark\nlight\n"), r"labels\.txt has \d+ bytes"),
        (lambda f: (f / "labels.txt").write_text("bright\ndark\n"), r"labels\.txt has another sha256"),
        (lambda f: (f / "labels.txt").unlink(), r"labels\.txt is missing"),
        (lambda f: (f / "extra.txt").write_text("x"), r"extra\.txt is not in the manifest"),
        (lambda f: (f / "manifest.json").write_text("{}"), r"manifest\.json is no manifest"),
    ],
)
def test_a_folder_that_is_not_what_its_manifest_says_is_not_trusted(tmp_path, change, said):
    """Whatever the difference; the exit code is 5 and the file is named."""
    folder = packed(write_bundle(tmp_path / "b"))
    change(folder)
    with pytest.raises(NotTrusted, match=said) as caught:
        open_bundle(folder)
    assert caught.value.exit_code == 5
    assert "lineside model pack" in caught.value.hint


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('version = "1.0.0"\n', "", "version is missing"),
        ('decode = "classifier"', 'decode = "clasifier"', "output.decode"),
        ('task = "classification"', 'task = "detection"', "gives classification, task says detection"),
        ('kind = "image"', 'kind = "image"\ncolour = "gray"', "input.colour is not known"),
        ('kind = "image"', 'kind = "image"\nstd = [0.0]', "std must not contain 0"),
        ('kind = "image"', "std = [255.0]", "input.kind is missing"),
        ('"model.tflite"', '"../model.tflite"', "leads out of the bundle"),
        ('"labels.txt"', '"label.txt"', "is not there"),
        ('name = "tiny"', "name = tiny", "cannot be read"),
    ],
)
def test_a_description_that_makes_no_sense_is_refused_with_its_fault(tmp_path, old, new, said):
    """The message names the file and the key."""
    assert old in CLASSIFIER_TOML
    folder = write_bundle(tmp_path / "b", toml=CLASSIFIER_TOML.replace(old, new, 1))
    with pytest.raises(ModelRefused, match=said) as caught:
        open_bundle(folder)
    assert "model.toml" in str(caught.value)


def test_what_is_not_there_is_named(tmp_path):
    """A folder without model.toml, and no folder at all."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelRefused, match=r"model\.toml is not there"):
        open_bundle(tmp_path / "empty")
    with pytest.raises(ModelRefused, match="no-such is not there"):
        open_model("m", ModelSettings(path=tmp_path / "no-such"))


def test_labels_keep_empty_lines_inside_and_lose_those_at_the_end(tmp_path):
    """Line k is class k, also where a line is empty."""
    folder = write_bundle(tmp_path / "b", labels=("dark", "", "bright", "", ""))
    assert open_bundle(folder).labels == ["dark", "", "bright"]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe\x00", b"\x80abc"])
def test_a_label_file_without_text_is_refused(tmp_path, content):
    """Empty, or no UTF-8."""
    folder = write_bundle(tmp_path / "b")
    (folder / "labels.txt").write_bytes(content)
    with pytest.raises(ModelRefused, match=r"labels\.txt"):
        open_bundle(folder)


def test_references_of_an_embedding_are_read_and_checked(tmp_path):
    """Finite numbers of shape [n, features], never a pickle."""
    toml = CLASSIFIER_TOML.split("[decision]")[0].replace("classification", "embedding")
    toml = toml.replace('decode = "classifier"', 'decode = "embedding"\nreferences = "good.npy"')
    folder = write_bundle(tmp_path / "b", toml=toml, model=tiny_models.embedding())
    np.save(folder / "good.npy", np.eye(3))
    bundle = open_bundle(folder)
    assert bundle.references is not None
    assert bundle.references.dtype == np.float32
    assert bundle.references.tolist() == np.eye(3).tolist()
    for bad in (np.zeros(3), np.full((2, 3), np.nan), np.array([[{}]], dtype=object)):
        np.save(folder / "good.npy", bad, allow_pickle=True)
        with pytest.raises(ModelRefused, match=r"good\.npy"):
            open_bundle(folder)


def test_a_bare_model_is_described_by_its_own_metadata(tmp_path):
    """Labels and normalisation; the digest is the file's."""
    path = tmp_path / "bare.tflite"
    path.write_bytes(with_metadata(tiny_models.classifier(), ["dark", "bright"], [0.0], [255.0]))
    bundle = open_model("bare", ModelSettings(path=path))
    assert (bundle.spec.name, bundle.spec.task, bundle.spec.output.decode) == ("bare", "classification", "classifier")
    assert bundle.labels == ["dark", "bright"]
    assert (bundle.spec.input.mean, bundle.spec.input.std) == ([0.0], [255.0])
    assert bundle.digest == f"sha256:{manifest.file_sha256(path)}"


def test_the_configuration_beats_the_metadata_of_a_bare_model(tmp_path):
    """What a person writes wins."""
    path = tmp_path / "bare.tflite"
    path.write_bytes(with_metadata(tiny_models.classifier(), ["dark", "bright"], [127.5], [127.5]))
    (tmp_path / "l.txt").write_text("a\nb\n")
    given = {"path": path, "labels": tmp_path / "l.txt", "input": {"mean": [1.0]}, "name": "other", "version": "7"}
    bundle = open_model("bare", ModelSettings.model_validate(given))
    assert (bundle.spec.name, bundle.spec.version, bundle.labels) == ("other", "7", ["a", "b"])
    assert bundle.spec.input.mean == [1.0]


def test_a_bare_model_that_nobody_describes_is_refused_with_what_to_write(tmp_path):
    """The hint is a line of configuration."""
    path = tmp_path / "bare.tflite"
    path.write_bytes(tiny_models.classifier())
    with pytest.raises(ModelRefused, match=r"int8 \[1, 2\]") as caught:
        open_model("m", ModelSettings(path=path))
    assert 'models.m.output = { decode = "classifier" }' in caught.value.hint
