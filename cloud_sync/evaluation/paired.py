"""Is one of two versions better, given what both said to the same samples? Pure, and of the standard library alone."""

from __future__ import annotations

from fractions import Fraction
from math import comb
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SIGNIFICANCE = 0.05
"""Below it a difference is not put down to chance."""


def exact_mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided p-value of McNemar's test in its exact, binomial form: samples on which both agree say nothing.

    Q. McNemar, Note on the sampling error of the difference between correlated proportions, Psychometrika 12 (1947); the exact form as
    in A. Agresti, Categorical Data Analysis, section 11.1. The normal approximation is of no use below some 25 disagreements, which is where
    two versions of one model usually are.

    Args:
        only_first: Samples that only the first got right.
        only_second: Samples that only the second got right.
    """
    disagree = only_first + only_second
    tail = sum(comb(disagree, k) for k in range(min(only_first, only_second) + 1))
    return min(1.0, 2.0 * float(Fraction(tail, 2**disagree)))  # whole numbers, as 2**disagree is soon beyond any float


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """The same p-values, adjusted for how many questions were asked, so that all answers together err in 5 % of cases only.

    S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6 (1979).
    """
    adjusted, least = {}, 0.0
    for rank, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        least = max(least, min(1.0, (len(p_values) - rank) * p))
        adjusted[name] = least
    return adjusted
