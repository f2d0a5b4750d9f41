"""Measures as functions of weights, so that one definition serves the value, its bootstrap and the paired comparison. Pure.

A row of weights says how often each sample was drawn; all ones is the data as it is. A measure maps [draws, samples] to [draws], and gives
NaN where it is not defined, such as a recall of a draw without any such sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Bools = npt.NDArray[np.bool_]
    Reals = npt.NDArray[np.float64]

CALIBRATION_BINS = 15
"""As in Guo et al."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure of merit.

    Attributes:
        of: [draws, samples] weights to [draws] values.
        less_is_better: Whether a smaller value is the better one.
        hits: Of a share: which samples count, [samples]; None for what is no share.
        among: Of a share: out of which samples, [samples].
        by_truth: Of a share: whether the truth alone says out of which samples, so that it is the same for every model.
    """

    of: Callable[[Reals], Reals]
    less_is_better: bool = False
    hits: Bools | None = None
    among: Bools | None = None
    by_truth: bool = True


def share(hits: Bools, among: Bools | None = None, *, less_is_better: bool = False, by_truth: bool = True) -> Measure:
    """Share of `hits` out of `among`, all samples where it is None."""
    within = np.ones_like(hits) if among is None else among
    counted = np.stack([hits & within, within], axis=1).astype(np.float64)

    def of(weights: Reals) -> Reals:
        hit, asked = (weights @ counted).T
        return ratio(hit, asked)

    return Measure(of, less_is_better, hits & within, within, by_truth)


def mean_over_classes(parts: list[Measure]) -> Measure:
    """The mean of a measure over classes; classes that do not occur in a draw are left out of it."""

    def of(weights: Reals) -> Reals:
        values = np.stack([part.of(weights) for part in parts])
        defined = ~np.isnan(values)
        return ratio(np.where(defined, values, 0).sum(axis=0), defined.sum(axis=0).astype(np.float64))

    return Measure(of)


def f1(truth: Bools, said: Bools) -> Measure:
    """2 TP / (2 TP + FP + FN): C. J. van Rijsbergen, Information Retrieval, chapter 7, with equal weight of precision and recall."""
    counted = np.stack([truth & said, truth ^ said], axis=1).astype(np.float64)

    def of(weights: Reals) -> Reals:
        right, wrong = (weights @ counted).T
        return ratio(2 * right, 2 * right + wrong)

    return Measure(of)


def auc(scores: Reals, positive: Bools) -> Measure:
    """Area under the ROC curve: share of pairs in the right order, ties counted half.

    J. A. Hanley and B. J. McNeil, The meaning and use of the area under a receiver operating characteristic curve, Radiology 143 (1982).

    Args:
        scores: Larger is more positive, [samples].
        positive: The truth, [samples].
    """
    order = np.argsort(scores, kind="stable")
    _, starts = np.unique(scores[order], return_index=True)
    is_positive = positive[order]

    def of(weights: Reals) -> Reals:
        drawn = weights[:, order]
        yes = np.add.reduceat(drawn * is_positive, starts, axis=1)
        no = np.add.reduceat(drawn * ~is_positive, starts, axis=1)
        below = np.cumsum(no, axis=1) - no
        return ratio((yes * (below + no / 2)).sum(axis=1), yes.sum(axis=1) * no.sum(axis=1))

    return Measure(of)


def calibration_error(confidence: Reals, right: Bools) -> Measure:
    """Expected calibration error: by how much confidence and accuracy differ, over bins of equal width.

    C. Guo et al., On Calibration of Modern Neural Networks, ICML 2017, equation 5.

    Args:
        confidence: Score of the label that was chosen, 0..1, [samples].
        right: Whether it was the right one.
    """
    in_bin = np.eye(CALIBRATION_BINS)[bins(confidence)]
    gap = in_bin * (confidence - right)[:, np.newaxis]

    def of(weights: Reals) -> Reals:
        return ratio(np.abs(weights @ gap).sum(axis=1), weights.sum(axis=1))

    return Measure(of, less_is_better=True)


def bins(confidence: Reals) -> npt.NDArray[np.intp]:
    """In which of the bins of calibration a confidence lies; 1 belongs to the last."""
    return np.clip((confidence * CALIBRATION_BINS).astype(np.intp), 0, CALIBRATION_BINS - 1)


def mean_error(errors: Reals) -> Measure:
    """Mean absolute error, in the unit of the errors."""
    absolute = np.abs(errors)
    return Measure(lambda weights: ratio(weights @ absolute, weights.sum(axis=1)), less_is_better=True)


def root_mean_square(errors: Reals) -> Measure:
    """Root of the mean squared error, in the unit of the errors."""
    squared = errors**2
    return Measure(lambda weights: np.sqrt(ratio(weights @ squared, weights.sum(axis=1))), less_is_better=True)


def ratio(upper: Reals, lower: Reals) -> Reals:
    """The quotient, NaN where there is nothing to divide by."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(lower > 0, upper / lower, np.nan), np.float64)
