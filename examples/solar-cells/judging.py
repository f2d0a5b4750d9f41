"""Thresholds and figures, on the cells that the experts were sure of. Pure: scores in, numbers out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from agent.core.decisions import DecisionRule, decide
from agent.core.results import Classification, Scored
from agent.demo.cells import truth

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from agent.demo.cells import Cell

LABELS = ("functional", "defective")
MISS_COST = 2.0
"""What a missed defect costs, counted in good cells thrown away."""
UNSURE_SHARE = 0.08
"""The largest share of cells that a person may be asked to look at."""


@dataclass(frozen=True, slots=True)
class Figures:
    """How a model does, with scores at or above a threshold rejected."""

    cells: int
    defective: int
    auc: float
    accuracy: float
    recall: float
    missed: int
    false_rejects: int


def sizes(chosen: Sequence[Cell]) -> dict[str, int]:
    """How many cells of each truth are among them; `unsure` are those with probability 1/3 or 2/3."""
    return dict(Counter(truth(cell) or "unsure" for cell in chosen))


def thresholds(chosen: Sequence[Cell], scores: npt.NDArray[np.floating]) -> tuple[float, float]:
    """`min_score` with the least cost on these cells, and `unsure_below` that leaves at most UNSURE_SHARE to a person."""
    score, defective = _sure(chosen, scores)
    candidates = np.arange(30, 71) / 100
    costs = np.array(
        [
            MISS_COST * np.sum(defective & (score < limit)) + np.sum(~defective & (score >= limit))
            for limit in candidates
        ]
    )
    min_score = round(float(np.median(candidates[costs == costs.min()])), 2)
    limits = np.arange(50, 100) / 100
    shares = np.array([np.mean(_decisions(score, min_score, limit) == "unsure") for limit in limits])
    return min_score, float(max(limits[shares <= UNSURE_SHARE], default=0.5))


def judged(chosen: Sequence[Cell], scores: npt.NDArray[np.floating], min_score: float) -> Figures:
    """Figures of these scores; the AUC is the share of pairs in the right order, ties counted half (Mann-Whitney)."""
    score, defective = _sure(chosen, scores)
    rejected = score >= min_score
    pairs = score[defective][:, np.newaxis] - score[~defective]
    return Figures(
        cells=len(score),
        defective=int(defective.sum()),
        auc=round(float(np.mean(pairs > 0) + np.mean(pairs == 0) / 2), 4),
        accuracy=round(float(np.mean(rejected == defective)), 4),
        recall=round(float(np.mean(rejected[defective])), 4),
        missed=int(np.sum(defective & ~rejected)),
        false_rejects=int(np.sum(rejected & ~defective)),
    )


def outcomes(
    chosen: Sequence[Cell], scores: npt.NDArray[np.floating], min_score: float, unsure_below: float
) -> dict[str, dict[str, int]]:
    """How many cells of each truth the agent rejects, calls unsure and accepts."""
    score, defective = _sure(chosen, scores)
    decisions = _decisions(score, min_score, unsure_below)
    return {
        "functional": dict(Counter(decisions[~defective].tolist())),
        "defective": dict(Counter(decisions[defective].tolist())),
    }


def _sure(
    chosen: Sequence[Cell], scores: npt.NDArray[np.floating]
) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.bool_]]:
    """Scores and truth (True for defective) of the cells the experts were sure of."""
    truths = np.array([truth(cell) or "" for cell in chosen])
    return scores[truths != ""], truths[truths != ""] == "defective"


def _decisions(scores: npt.NDArray[np.floating], min_score: float, unsure_below: float) -> npt.NDArray[np.str_]:
    """What the agent decides at each score of `defective`, by its own rule."""
    rule = DecisionRule(label="defective", min_score=min_score, unsure_below=unsure_below)
    return np.array([decide(_classification(float(score)), rule) for score in scores])


def _classification(defective: float) -> Classification:
    pairs = zip(LABELS, (1 - defective, defective), strict=True)
    top = sorted((Scored(label=label, score=score) for label, score in pairs), key=lambda one: -one.score)
    return Classification(label=top[0].label, score=top[0].score, top=top)
