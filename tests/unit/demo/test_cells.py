"""The split of the demo's photographs, and what the solar-cell bundle may and must contain."""

from __future__ import annotations

import csv
import importlib.util
from collections import Counter
from pathlib import Path

import pytest

from agent.core.errors import MissingExtra
from agent.demo import cells as demo_cells
from agent.demo.cells import Cell, cells, part_of, truth

BUNDLE = Path(demo_cells.__file__).parent / "solar-cell"
NAMES = [f"cell{number:04}.png" for number in range(1, 2625)]

needs_photographs = pytest.mark.skipif(
    importlib.util.find_spec("elpv_dataset") is None,
    reason="elpv_dataset is not installed: pip install 'lineside[demo]'",
)


def golden_rows() -> list[dict[str, str]]:
    """The rows of the bundle's golden/labels.csv."""
    with (BUNDLE / "golden" / "labels.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_split_never_changes() -> None:
    """A model in the field was trained on exactly these parts, so no release may move a photograph."""
    expected = {"train": 1612, "validation": 280, "golden": 74, "held-out": 658}
    assert expected == Counter(part_of(name) for name in NAMES)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("cell0001.png", "held-out"),
        ("cell0002.png", "train"),
        ("cell0003.png", "held-out"),
        ("cell0004.png", "train"),
        ("cell0013.png", "validation"),
        ("cell0023.png", "validation"),
        ("cell0074.png", "golden"),
        ("cell0078.png", "golden"),
    ],
)
def test_part_depends_on_the_name_alone(name: str, part: str) -> None:
    """These photographs stay in their parts for good."""
    assert part == part_of(name)


def test_truth_is_silent_where_the_experts_were_unsure() -> None:
    """Only probabilities 0 and 1 are a truth; 1/3 and 2/3 are none."""
    judged = [truth(Cell("a.png", Path("a.png"), probability, "mono")) for probability in (0.0, 1 / 3, 2 / 3, 1.0)]
    assert judged == ["functional", None, None, "defective"]


def test_missing_data_set_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the photographs the error says what to install."""
    monkeypatch.setattr(demo_cells, "PACKAGE", "a_data_set_that_is_not_installed")
    with pytest.raises(MissingExtra) as caught:
        cells()
    assert caught.value.hint == "pip install 'lineside[demo]'"


@needs_photographs
def test_all_photographs_are_listed_and_installed() -> None:
    """Every name of the data set has a file, a probability and a kind."""
    listed = cells()
    assert sorted(cell.name for cell in listed) == NAMES
    assert all(cell.path.is_file() for cell in listed)
    assert Counter(cell.kind for cell in listed) == {"mono": 1074, "poly": 1550}


@needs_photographs
def test_parts_share_no_photograph() -> None:
    """No two photographs are the same picture, so disjoint names are disjoint pictures."""
    digests = [cell.sha256() for cell in cells()]
    assert len(digests) == len(set(digests))


def test_golden_samples_belong_to_the_golden_part() -> None:
    """A model is never proved by what it has learned from or was tuned on; both classes are there."""
    rows = golden_rows()
    assert {"golden"} == {part_of(row["file"]) for row in rows}
    assert {"functional", "defective"} == {row["label"] for row in rows}
    assert len(rows) == len({row["file"] for row in rows})


@needs_photographs
def test_golden_samples_are_the_installed_photographs() -> None:
    """Digest and label of each golden sample agree with the data set."""
    installed = {cell.name: cell for cell in cells()}
    rows = [(row["label"], row["sha256"]) for row in golden_rows()]
    expected = [(truth(installed[row["file"]]), installed[row["file"]].sha256()) for row in golden_rows()]
    assert expected == rows


def test_bundle_has_nothing_of_the_photographs() -> None:
    """Their licence is not ours, so the package holds names, digests and statistics of them only."""
    files = {path.relative_to(BUNDLE).as_posix() for path in BUNDLE.rglob("*") if path.is_file()}
    described = {"model.tflite", "model.toml", "labels.txt", "README.md", "reference.json"}
    golden = {f"golden/{name}" for name in ("labels.csv", "recorded.json", "recorded.npz")}
    assert described | golden == files - {"manifest.json"}


def test_model_is_small() -> None:
    """The model travels over metered links and sits on small devices."""
    assert (BUNDLE / "model.tflite").stat().st_size <= 500_000
