"""How different a window of values is from a reference, and how different it would be by chance alone. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from agent.core.statistics import histogram

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    import numpy.typing as npt

    from agent.core.statistics import Distribution

MIN_PSI: Final = 0.1
"""Below it a population counts as stable whatever its size (Siddiqi, Credit Risk Scorecards, 2006): sure and yet too small to matter."""
MIN_KS: Final = 0.1
"""The same for the largest difference of two distribution functions."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A window beside the reference.

    Attributes:
        psi: Population stability index.
        psi_limit: What it exceeds by chance in one of `1 / Rule.chance` windows, or `MIN_PSI`.
        ks: Largest difference of the two distribution functions, 0..1.
        ks_limit: Likewise, or `MIN_KS`.
        values: In the window.
        worth: How many independent values they are worth.
    """

    psi: float
    psi_limit: float
    ks: float
    ks_limit: float
    values: int
    worth: float

    def exceeds(self, share: float = 1.0) -> bool:
        """Whether either measure is over this share of its limit."""
        return self.psi > share * self.psi_limit or self.ks > share * self.ks_limit


def compare(values: npt.NDArray[np.float64], reference: Distribution, worth: float, chance: float) -> Difference:
    """A window beside the reference.

    Args:
        values: Of the window, any order.
        reference: What it is compared with.
        worth: How many independent values the window is worth; see `worth_of`.
        chance: With which each limit may be exceeded by a window that is no different.
    """
    known, bins = reference.samples, len(reference.counts)
    counts = histogram(values, reference.edges) * (worth / len(values))
    return Difference(
        psi=psi(counts, reference.counts),
        psi_limit=max(MIN_PSI, psi_limit(worth, known, bins, chance)),
        ks=ks(np.sort(values), reference),
        ks_limit=max(MIN_KS, ks_limit(worth, known, chance)),
        values=len(values),
        worth=worth,
    )


def psi(counts: npt.NDArray[np.floating[Any]], expected: Sequence[int]) -> float:
    """Population stability index: the sum of (a - e) ln(a / e) over the bins, with the shares a of the window and e of the reference.

    Half a value is added to each bin, so that an empty one counts as rare and not as impossible.
    """
    window, reference = _shares(counts), _shares(np.asarray(expected, np.float64))
    return float(np.sum((window - reference) * np.log(window / reference)))


def _shares(counts: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    filled = counts + 0.5
    shares: npt.NDArray[np.float64] = filled / filled.sum()
    return shares


def psi_limit(window: float, reference: float, bins: int, chance: float) -> float:
    """What PSI exceeds by chance: it is distributed as (1/window + 1/reference) times chi-square with one degree less than bins.

    Yurdakul and Naranjo, Statistical properties of the population stability index, Journal of Risk Model Validation 14(4), 2020. The
    quantile of chi-square is that of Wilson and Hilferty, PNAS 17(12), 1931: within 1 % where we use it.

    Args:
        window: Independent values in the window.
        reference: Independent values in the reference.
        bins: Of the histogram.
        chance: See above.
    """
    from statistics import NormalDist  # noqa: PLC0415 - 10 ms and a megabyte that no start needs

    degrees = bins - 1
    if degrees < 1:
        return math.inf
    spread = 2 / (9 * degrees)
    quantile = degrees * (1 - spread + NormalDist().inv_cdf(1 - chance) * math.sqrt(spread)) ** 3
    return (1 / window + 1 / reference) * quantile


def ks(ordered: npt.NDArray[np.float64], reference: Distribution) -> float:
    """Largest difference of the two distribution functions; where only the histogram is known, at its edges.

    Args:
        ordered: Of the window, ascending.
        reference: What it is compared with.
    """
    if reference.values:
        known = np.asarray(reference.values, np.float64)
        points = np.concatenate((ordered, known))
        of_reference = np.searchsorted(known, points, side="right") / len(known)
    elif reference.edges:
        points = np.asarray(reference.edges, np.float64)
        of_reference = np.cumsum(reference.counts)[:-1] / reference.samples
    else:
        return 0.0
    of_window = np.searchsorted(ordered, points, side="right") / len(ordered)
    return float(np.max(np.abs(of_window - of_reference)))


def ks_limit(window: float, reference: float, chance: float) -> float:
    """What the distance exceeds by chance: the tail of Kolmogorov's distribution, 2 exp(-2 t^2), solved for it.

    With the correction for small samples of Stephens, Journal of the Royal Statistical Society B 32, 1970. Ties make the test stricter
    than it says, never laxer.

    Args:
        window: Independent values in the window.
        reference: Independent values in the reference.
        chance: See above.
    """
    root = math.sqrt(window * reference / (window + reference))
    return math.sqrt(-math.log(chance / 2) / 2) / (root + 0.12 + 0.11 / root)
