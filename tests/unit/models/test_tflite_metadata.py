"""What a model says of itself is the default, and a fault in it is told and does no harm."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tiny_models
from hypothesis import given
from hypothesis import strategies as st
from tiny_metadata import LABEL_FILE, with_file, with_metadata, with_metadata_buffer

from agent.core.errors import ModelRefused
from agent.models.tflite_metadata import ARCHIVE_TAIL_BYTES, MAX_LABELS_BYTES, ModelMetadata, read_metadata

MODEL = tiny_models.classifier()
GOOD = with_metadata(MODEL, ["good", "crack"], [127.5], [127.5], color="rgb", name="cells")
STRIPPED = GOOD[: GOOD.rindex(b"PK\x03\x04")]
"""GOOD without its archive."""
plain = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1).filter(lambda t: t == t.strip())


def test_a_model_without_metadata_has_none():
    """Most converters write none."""
    assert read_metadata(MODEL) is None


def test_everything_that_was_written_is_read():
    """The texts, the normalisation, the colour, the labels and the threshold."""
    written = {
        "name": "cells",
        "description": "Finds cracks.",
        "version": "1.2.0",
        "author": "Zoë",
        "license": "Apache-2.0",
        "color": "gray",
        "score_threshold": 0.25,
    }
    model = with_metadata(MODEL, ["good", "crack"], [0.0, 1.0, 2.0], [127.5], **written)
    expected = ModelMetadata(mean=(0.0, 1.0, 2.0), std=(127.5,), labels=("good", "crack"), **written)
    assert read_metadata(model) == expected


@given(st.lists(plain, min_size=1, max_size=20))
def test_labels_keep_their_places(labels):
    """Line k is class k, in any script, for classifiers and detectors alike."""
    assert read_metadata(with_metadata(MODEL, labels)).labels == tuple(labels)
    assert read_metadata(with_metadata(MODEL, labels, labels_of="value")).labels == tuple(labels)


@pytest.mark.parametrize("content", [b"good\r\ncrack\r\n", b"\xef\xbb\xbfgood\ncrack", b"good\ncrack\n\n\n"])
def test_label_files_of_any_editor_are_understood(content):
    """Windows line ends, a byte order mark, empty lines at the end."""
    assert read_metadata(with_file(STRIPPED, LABEL_FILE, content)).labels == ("good", "crack")


def test_a_model_from_a_file_is_read(tmp_path):
    """The path and the bytes are the same."""
    path = tmp_path / "model.tflite"
    path.write_bytes(GOOD)
    assert read_metadata(path) == read_metadata(GOOD)


def test_labels_behind_a_large_model_are_found():
    """Only the end of the file is searched; offsets in the archive count from its start."""
    padded = STRIPPED + bytes(2 * ARCHIVE_TAIL_BYTES)
    assert read_metadata(with_file(padded, LABEL_FILE, b"good\ncrack\n")).labels == ("good", "crack")


def test_real_models_tell_labels_and_normalisation():
    """MobileNets as TensorFlow Hub published them: 1,001 labels, inputs in [-1, 1]."""
    folder = os.environ.get("LINESIDE_TEST_ASSETS")
    if not folder:
        pytest.skip("LINESIDE_TEST_ASSETS does not say where real models are")
    found = read_metadata(Path(folder, "models", "mobilenet_v2_1.0_224_quant.tflite"))
    assert (found.problem, found.color, found.mean, found.std) == (None, "rgb", (127.5,), (127.5,))
    assert len(found.labels) == 1001
    assert found.labels[0] == "background"


def test_a_normalisation_that_divides_by_zero_is_told_and_left_out():
    """The labels beside it are still good."""
    found = read_metadata(with_metadata(MODEL, ["good", "crack"], [0.0], [0.0]))
    assert "normalisation cannot be used" in found.problem
    assert (found.mean, found.std, found.labels) == ((), (), ("good", "crack"))


@pytest.mark.parametrize(
    ("mean", "std"), [([1.0, 2.0], [1.0, 2.0, 3.0]), ([1.0], []), ([np.nan], [1.0]), ([0.0], [np.inf])]
)
def test_a_normalisation_that_makes_no_sense_is_left_out(mean, std):
    """Lengths that do not go together, and numbers that are none."""
    found = read_metadata(with_metadata(MODEL, [], mean, std))
    assert "normalisation cannot be used" in found.problem
    assert found.mean == ()


def test_a_label_file_that_is_not_there_is_told():
    """Tools that cut off the archive leave the metadata behind."""
    found = read_metadata(STRIPPED)
    assert LABEL_FILE in found.problem
    assert (found.labels, found.name, found.mean) == ((), "cells", (127.5,))


def test_an_archive_without_the_label_file_is_told():
    """The file's name in the metadata and in the archive must be the same."""
    assert "lacks the label file" in read_metadata(with_file(STRIPPED, "other.txt", b"x")).problem


def test_an_empty_label_file_is_told():
    """No labels at all would else look like a model that brings none."""
    assert "is empty" in read_metadata(with_file(STRIPPED, LABEL_FILE, b"\n\n")).problem


def test_a_zip_bomb_is_not_unpacked():
    """A few kB that claim to be labels of many MB."""
    bomb = with_file(STRIPPED, LABEL_FILE, bytes(32 * MAX_LABELS_BYTES))
    assert len(bomb) < MAX_LABELS_BYTES
    found = read_metadata(bomb)
    assert "larger than" in found.problem
    assert found.labels == ()


def test_an_unusual_compression_is_told():
    """LZMA in a label file has no place in the format, and its own ways to fail."""
    file = io.BytesIO(STRIPPED)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_LZMA) as archive:
        archive.writestr(LABEL_FILE, "good\ncrack\n")
    assert "unusual" in read_metadata(file.getvalue()).problem


def test_metadata_of_another_kind_are_told():
    """Without the identifier M001 nothing of them is believed."""
    assert "M001" in read_metadata(with_metadata_buffer(MODEL, bytes(64))).problem


@given(st.binary(max_size=200))
def test_any_bytes_may_stand_in_the_metadata(content):
    """They are no reason to refuse the model."""
    found = read_metadata(with_metadata_buffer(MODEL, content[:4].ljust(4, b"\0") + b"M001" + content[4:]))
    assert isinstance(found, ModelMetadata)


@given(st.data())
def test_a_damaged_archive_never_refuses_the_model(data):
    """Either the labels are there, or a problem says why they are not."""
    damaged = bytearray(GOOD)
    for start in data.draw(st.lists(st.integers(len(STRIPPED), len(GOOD) - 1), min_size=1, max_size=6)):
        patch = data.draw(st.binary(min_size=1, max_size=4))
        damaged[start : start + len(patch)] = patch
    found = read_metadata(bytes(damaged))
    assert found.name == "cells"
    assert bool(found.labels) != bool(found.problem)


@given(st.data())
def test_a_damaged_model_is_read_or_refused(data):
    """Any byte of the whole file."""
    damaged = bytearray(GOOD)
    for start in data.draw(st.lists(st.integers(8, len(GOOD) - 1), min_size=1, max_size=6)):
        damaged[start] = data.draw(st.integers(0, 255))
    try:
        found = read_metadata(bytes(damaged))
    except ModelRefused:
        return
    assert found is None or isinstance(found, ModelMetadata)
