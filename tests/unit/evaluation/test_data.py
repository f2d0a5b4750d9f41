"""Evaluation data in its three forms, and what is no data."""

from __future__ import annotations

import json

import pytest
from evaluating import write_pictures

from agent.core.errors import BadData
from agent.evaluation.data import read_data


def coco(folder, file_name="a.png", bbox=(1, 2, 3, 4)):
    said = {
        "images": [{"id": 7, "file_name": file_name, "width": 8, "height": 8}],
        "categories": [{"id": 3, "name": "crack"}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 3, "bbox": list(bbox)}],
    }
    (folder / "annotations.json").write_text(json.dumps(said))


def test_a_folder_per_label_and_a_table_say_the_same(tmp_path):
    """The same samples with the same truth have the same digest, however they are laid out."""
    folders = write_pictures(write_pictures(tmp_path / "a", "dark", [10, 20]), "bright", [200])
    table = write_pictures(tmp_path / "b", "all", [200, 20, 10])
    (table / "labels.csv").write_text("file,label\nall/200.png,bright\nall/10.png,dark\nall/20.png,dark\n")
    first, second = read_data(folders), read_data(table)
    assert (first.form, second.form) == ("folders", "table")
    assert first.sha256 == second.sha256
    assert sorted(item.expected for item in second.items) == ["bright", "dark", "dark"]


def test_coco_annotations_give_boxes_by_name(tmp_path):
    """Pictures lie in the folder or in `images`; the area is that of the box where it is not said."""
    write_pictures(tmp_path, "images", [5])
    coco(tmp_path, "5.png")
    (item,) = read_data(tmp_path).items
    assert item.objects == ({"category": "crack", "bbox": [1.0, 2.0, 3.0, 4.0], "area": 12.0, "iscrowd": 0},)


def test_the_same_picture_counts_once(tmp_path):
    """Twice the same sample would feign certainty."""
    folder = write_pictures(tmp_path, "dark", [10, 20])
    (folder / "dark" / "again.png").write_bytes((folder / "dark" / "10.png").read_bytes())
    found = read_data(folder)
    assert (len(found.items), found.repeated) == (2, 1)


def test_one_picture_with_two_truths_is_refused(tmp_path):
    """Nobody can be right about it."""
    folder = write_pictures(write_pictures(tmp_path, "dark", [10]), "bright", [10])
    with pytest.raises(BadData, match="same picture"):
        read_data(folder)


@pytest.mark.parametrize("name", ["../5.png", "/etc/passwd", "missing.png"])
def test_annotations_do_not_lead_out_of_the_folder(tmp_path, name):
    """Data from elsewhere names files that are in it."""
    write_pictures(tmp_path, "images", [5])
    coco(tmp_path, name)
    with pytest.raises(BadData, match=r"leads out|is not in"):
        read_data(tmp_path)


def test_a_folder_without_samples_says_what_was_expected(tmp_path):
    """And so does one that is not there."""
    for folder in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(BadData) as refused:
            read_data(folder)
        assert "labels.csv" in refused.value.hint


def test_a_table_without_rows_says_who_fills_it(tmp_path):
    """Captured samples that nobody has judged are no evaluation set."""
    write_pictures(tmp_path, "reject", [10])
    (tmp_path / "labels.csv").write_text("file,label,decision\n")
    with pytest.raises(BadData, match="names no sample") as refused:
        read_data(tmp_path)
    assert "feedback" in refused.value.hint
