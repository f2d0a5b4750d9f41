"""Reference statistics are of one model and one decision: what is told where they are of another."""

from __future__ import annotations

import pytest
import tiny_models
from line import write_bundle

from agent.core.reference import NAME, encode, reference_of
from agent.models.bundle import open_unpacked
from agent.models.reference import deciding, stale


@pytest.fixture
def bundle(tmp_path):
    """With statistics that were made of it."""
    folder = write_bundle(tmp_path / "tiny")
    known = reference_of([0.5], [], ["accept"], label="bright", of=deciding(open_unpacked(folder)))
    (folder / NAME).write_bytes(encode(known))
    return folder


def rewrite(folder, before, after):
    said = (folder / "model.toml").read_text()
    assert before in said
    (folder / "model.toml").write_text(said.replace(before, after))


CHANGES = {
    "nothing": (lambda _: None, []),
    "the version": (lambda folder: rewrite(folder, '"1.0.0"', '"1.1.0"'), []),
    "a comment": (lambda folder: rewrite(folder, "[input]", "[input] # of the camera"), []),
    "the limit": (lambda folder: rewrite(folder, "0.6", "0.7"), ["model.toml"]),
    "what is looked at": (lambda folder: rewrite(folder, "[input]", '[input]\nfit = "crop"'), ["model.toml"]),
    "the labels": (lambda folder: (folder / "labels.txt").write_text("dim\nbright\n"), ["labels.txt"]),
    "the model": (
        lambda folder: (folder / "model.tflite").write_bytes(tiny_models.classifier(seed=9)),
        ["model.tflite"],
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_reference_is_stale_when_what_decides_the_answers_has_changed(bundle, change):
    """And by nothing else: each version would else want an evaluation set only to be packed."""
    make, expected = CHANGES[change]
    make(bundle)
    assert stale(open_unpacked(bundle)) == expected


@pytest.mark.parametrize("content", [None, encode(reference_of([0.5], [], ["accept"], label=None))])
def test_without_a_reference_or_one_that_names_nothing_there_is_nothing_to_tell(bundle, content):
    """Bundles of earlier versions go on as they are."""
    (bundle / NAME).unlink()
    if content is not None:
        (bundle / NAME).write_bytes(content)
    assert stale(open_unpacked(bundle)) == []
