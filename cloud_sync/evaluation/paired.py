"""Is one of two versions better, given what both said to the same samples? Pure, and of the standard library alone."""

from __future__ import annotations

from fractions import Fraction
from math import comb, exp, lgamma, log
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SIGNIFICANCE = 0.05
"""Below it a difference is not put down to chance."""
_BY_WHOLE_NUMBERS = 1000
"""Disagreements up to which the binomial is summed exactly."""
_NEGLIGIBLE = 1e-17


def exact_mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided p-value of McNemar's test in its exact, binomial form: samples on which both agree say nothing.

    Q. McNemar, Note on the sampling error of the difference between correlated proportions, Psychometrika 12 (1947); the exact form as
    in A. Agresti, Categorical Data Analysis, section 11.1. The normal approximation is of no use below some 25 disagreements, which is where
    two versions of one model usually are.

    Args:
        only_first: Samples that only the first got right.
        only_second: Samples that only the second got right.
    """
    disagree, fewer = only_first + only_second, min(only_first, only_second)
    if disagree <= _BY_WHOLE_NUMBERS:
        tail = float(Fraction(sum(comb(disagree, k) for k in range(fewer + 1)), 2**disagree))
    else:
        tail = _tail(disagree, fewer)
    return min(1.0, 2 * tail)


def _tail(tosses: int, most: int) -> float:
    """Probability of at most so many heads, from the likeliest term down until nothing is added: whole numbers take minutes here."""
    term = exp(lgamma(tosses + 1) - lgamma(most + 1) - lgamma(tosses - most + 1) - tosses * log(2))
    total = 0.0
    for heads in range(most, -1, -1):
        total += term
        if term <= total * _NEGLIGIBLE:
            break
        term *= heads / (tosses - heads + 1)
    return total


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """The same p-values, adjusted for how many questions were asked, so that all answers together err in 5 % of cases only.

    S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6 (1979).
    """
    adjusted, least = {}, 0.0
    for rank, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        least = max(least, min(1.0, (len(p_values) - rank) * p))
        adjusted[name] = least
    return adjusted
