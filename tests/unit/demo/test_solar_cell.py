"""The committed model, run the way the agent runs it, on photographs that it has never seen."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest

from agent.core.results import Classification
from agent.demo import cells as demo_cells
from agent.demo.cells import cells, part_of, truth
from agent.models.bundle import open_unpacked
from agent.models.execution import Execution
from agent.models.golden import judge
from agent.models.loading import LoadedModel, load_model

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("elpv_dataset") is None,
    reason="elpv_dataset is not installed: pip install 'lineside[demo]'",
)

BUNDLE = open_unpacked(Path(demo_cells.__file__).parent / "solar-cell")


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    """The bundle, loaded."""
    return load_model(BUNDLE, Execution())


def defect_score(model: LoadedModel, path: Path) -> float:
    """The score of `defective` for a photograph."""
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
    assert pixels is not None
    result = model.predict(pixels)
    assert isinstance(result, Classification)
    return next(one.score for one in result.top if one.label == "defective")


def test_it_is_better_than_a_plain_small_network(model: LoadedModel) -> None:
    """On held-out cells that the experts were sure of, a plain small network reaches an AUC of 0.90."""
    held_out = [cell for cell in cells() if part_of(cell.name) == "held-out" and truth(cell)]
    scores = np.array([defect_score(model, cell.path) for cell in held_out])
    defective = np.array([truth(cell) == "defective" for cell in held_out])
    pairs = scores[defective][:, np.newaxis] - scores[~defective]
    assert np.mean(pairs > 0) + np.mean(pairs == 0) / 2 > 0.90


def test_it_proves_itself(model: LoadedModel) -> None:
    """Its golden samples get the answers that the bundle asks for."""
    report = judge(BUNDLE, model)
    assert report is not None
    assert report.passed


def test_its_input_uses_the_whole_range(model: LoadedModel) -> None:
    """Mean and std are those it was trained with, so nothing is clipped and no finding is raised."""
    assert [finding for finding in model.findings if finding.code == "input-range"] == []
