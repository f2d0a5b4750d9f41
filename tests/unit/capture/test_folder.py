"""Samples as files: whole or not at all, read by whoever knows the format, exported as a data set."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import cv2
import pytest
from drifting import part, prediction_of
from sampling import made, sample_of

from agent.capture.export import TABLE, export
from agent.capture.folder import SCHEMA, SampleFolder, decode
from agent.core.errors import BadData


def test_a_sample_is_a_picture_and_its_prediction(tmp_path):
    """Anybody can open the one and read the other; the model is named by its digest."""
    folder = SampleFolder(tmp_path)
    sample = made(folder, 7)

    document = json.loads((tmp_path / "samples" / "2026-11-28" / f"{sample.id}.json").read_text())
    assert document["schema"] == SCHEMA
    assert document["prediction"]["model"]["digest"] == "sha256:0"
    assert document["label"] is None
    assert cv2.imread(str(tmp_path / "samples" / "2026-11-28" / f"{sample.id}.jpg")).shape == (64, 64, 3)
    assert list(folder.samples()) == [sample]


@pytest.mark.parametrize("lost", [".jpg", ".json"])
def test_half_a_sample_is_none_and_is_swept_away(tmp_path, lost):
    """What a killed agent leaves behind between two renames, or in the middle of a removal."""
    folder = SampleFolder(tmp_path)
    whole, half = made(folder, 1), made(folder, 2)
    folder.image(half).with_suffix(lost).unlink()
    (folder.image(whole).parent / ".x.jpg.0011.partial").write_bytes(b"half")

    assert [sample.id for sample in folder.samples()] == [whole.id]
    assert folder.sweep() == 2
    assert sorted(path.name for path in folder.image(whole).parent.iterdir()) == [f"{whole.id}.jpg", f"{whole.id}.json"]


def test_what_a_later_version_wrote_is_left_alone(tmp_path):
    """An agent that went back must not sweep it away."""
    folder = SampleFolder(tmp_path)
    sample = made(folder, 1)
    folder.document(sample).write_text('{"schema": "lineside.sample/2"}')

    assert list(folder.samples()) == []
    assert folder.sweep() == 0


@pytest.mark.parametrize(
    "change",
    [
        {"id": "../../etc/passwd"},
        {"captured_at": "../.."},
        {"reasons": []},
        {"reasons": ["because"]},
        {"reasons": 3},
        {"image": None},
        {"image": {}},
        {"likeness": "zz"},
    ],
)
def test_what_is_no_sample_is_refused(change):
    """Names of files are made of it."""
    document = json.loads(sample_of(prediction_of(part(1)))[0].encode()) | change
    with pytest.raises(BadData):
        decode(json.dumps(document).encode())


def test_a_removed_sample_is_gone_with_its_day(tmp_path):
    """Twice is as good as once."""
    folder = SampleFolder(tmp_path)
    sample = made(folder, 1)
    folder.remove(sample)
    folder.remove(sample)

    assert list(folder.root.iterdir()) == []


def test_an_export_has_a_folder_for_each_label_and_a_table_of_what_a_person_said(tmp_path):
    """A model's decision names a folder and is no label: nobody may learn from it as from the truth."""
    folder = SampleFolder(tmp_path)
    cracked, rejected, unknown, fine = (
        made(folder, 1, label="crack / deep"),
        made(folder, 2, decision="reject"),
        made(folder, 3, decision=None),
        made(folder, 4, decision="reject"),
    )
    folder.rewrite(replace(fine, decision="accept"))
    copies = export(folder, folder.samples(), tmp_path / "out")

    assert [copy.relative_to(tmp_path / "out").as_posix() for copy in copies] == [
        f"crack-deep/{cracked.id}.jpg",
        f"reject/{rejected.id}.jpg",
        f"unlabelled/{unknown.id}.jpg",
        f"accept/{fine.id}.jpg",
    ]
    with (tmp_path / "out" / TABLE).open(newline="") as table:
        assert list(csv.DictReader(table)) == [
            {"file": f"crack-deep/{cracked.id}.jpg", "label": "crack / deep", "decision": ""},
            {"file": f"accept/{fine.id}.jpg", "label": "", "decision": "accept"},
        ]


def test_an_export_does_not_mix_with_what_is_there(tmp_path):
    """Two data sets in one folder are none."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    with pytest.raises(BadData, match="not empty"):
        export(SampleFolder(tmp_path), [], tmp_path / "out")
