"""How the training script chooses thresholds and counts: `examples/solar-cells/judging.py`."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.demo.cells import Cell

if TYPE_CHECKING:
    from types import ModuleType

SCRIPT = Path(__file__).parents[3] / "examples" / "solar-cells" / "judging.py"

judged_cells = st.lists(st.tuples(st.sampled_from([0.0, 1 / 3, 2 / 3, 1.0]), st.integers(0, 255)), min_size=2).filter(
    lambda pairs: {0.0, 1.0} <= {probability for probability, _ in pairs}
)


def load() -> ModuleType:
    """The script's module, which is not installed."""
    spec = importlib.util.spec_from_file_location("judging", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # A dataclass looks its own module up.
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "judging", module)
        spec.loader.exec_module(module)
    return module


judging = load()


def split(pairs: list[tuple[float, int]]) -> tuple[list[Cell], np.ndarray]:
    """Cells with these probabilities, and their scores as an int8 model gives them."""
    chosen = [Cell(f"cell{k}.png", Path(), probability, "mono") for k, (probability, _) in enumerate(pairs)]
    return chosen, np.array([code / 256 for _, code in pairs])


def cost(figures: Any) -> float:
    """What these figures cost, in good cells thrown away."""
    return float(judging.MISS_COST * figures.missed + figures.false_rejects)


@given(judged_cells, st.integers(30, 70))
def test_no_other_threshold_costs_less(pairs: list[tuple[float, int]], percent: int) -> None:
    """`min_score` is chosen by cost, a missed defect counting more than a good cell thrown away."""
    chosen, scores = split(pairs)
    min_score, _ = judging.thresholds(chosen, scores)
    assert cost(judging.judged(chosen, scores, min_score)) <= cost(judging.judged(chosen, scores, percent / 100))


@given(judged_cells)
def test_few_cells_are_left_to_a_person(pairs: list[tuple[float, int]]) -> None:
    """Asking a person more often than for UNSURE_SHARE of the cells is done only where 0.5 already does."""
    chosen, scores = split(pairs)
    min_score, unsure_below = judging.thresholds(chosen, scores)
    counts = judging.outcomes(chosen, scores, min_score, unsure_below)
    unsure = sum(count.get("unsure", 0) for count in counts.values())
    cells = sum(sum(count.values()) for count in counts.values())
    assert unsure_below == 0.5 or unsure <= judging.UNSURE_SHARE * cells


@given(judged_cells)
def test_every_sure_cell_gets_one_decision(pairs: list[tuple[float, int]]) -> None:
    """Cells the experts were unsure of are counted nowhere, the others once."""
    chosen, scores = split(pairs)
    counts = judging.outcomes(chosen, scores, *judging.thresholds(chosen, scores))
    sizes = judging.sizes(chosen)
    assert {label: sum(counts[label].values()) for label in judging.LABELS} == {
        label: sizes[label] for label in judging.LABELS
    }


@given(judged_cells)
def test_auc_counts_pairs_in_the_right_order(pairs: list[tuple[float, int]]) -> None:
    """Scores turned upside down give the complement."""
    chosen, scores = split(pairs)
    upright, reversed_ = judging.judged(chosen, scores, 0.5).auc, judging.judged(chosen, 1 - scores, 0.5).auc
    assert upright + reversed_ == pytest.approx(1, abs=1e-3)
