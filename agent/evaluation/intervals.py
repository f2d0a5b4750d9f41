"""How sure a measure is, and how sure a difference: bootstrap over samples, seeded. Pure.

B. Efron and R. J. Tibshirani, An Introduction to the Bootstrap, chapter 13: the percentile interval. Where a share is near 0 or 1
the bootstrap believes in certainty that it cannot have (four of four right is no accuracy of 1), so a share's interval is at least as wide as Wilson's
(E. B. Wilson, JASA 22 (1927), as recommended by Brown, Cai and DasGupta, Statistical Science 16 (2001)).
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy.typing as npt

    from agent.evaluation.measures import Measure

CONFIDENCE = 0.95
_MOST_CELLS = 4_000_000
"""Draws times samples that lie in memory at once: 32 MB."""


@dataclass(frozen=True, slots=True)
class Resampling:
    """How samples are drawn: the same for every measure and model, so that differences are of pairs."""

    draws: int = 2000
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and its confidence interval; NaN where the data does not determine it."""

    value: float
    low: float
    high: float


def estimate(measures: Mapping[str, Measure], samples: int, how: Resampling) -> dict[str, Estimate]:
    """Each measure with its interval.

    Args:
        measures: By name.
        samples: How many there are.
        how: Draws and seed.
    """
    drawn = values_of(measures, samples, how)
    whole = np.ones((1, samples))
    return {name: _estimate(measure, float(measure.of(whole)[0]), drawn[name]) for name, measure in measures.items()}


def values_of(measures: Mapping[str, Measure], samples: int, how: Resampling) -> dict[str, npt.NDArray[np.float64]]:
    """Measure → its value in each draw, [draws]."""
    parts: dict[str, list[npt.NDArray[np.float64]]] = {name: [] for name in measures}
    for weights in _weights(samples, how):
        for name, measure in measures.items():
            parts[name].append(measure.of(weights))
    return {name: np.concatenate(values) for name, values in parts.items()}


def percentiles(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """The percentile interval of drawn values, those that are not defined left out."""
    defined = values[~np.isnan(values)]
    if not defined.size:
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def wilson(hits: int, among: int) -> tuple[float, float]:
    """Wilson's score interval of a share."""
    if not among:
        return float("nan"), float("nan")
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    middle = (hits + z * z / 2) / (among + z * z)
    half = z / (among + z * z) * (hits * (among - hits) / among + z * z / 4) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def _estimate(measure: Measure, value: float, drawn: npt.NDArray[np.float64]) -> Estimate:
    low, high = percentiles(drawn)
    if measure.hits is not None and measure.among is not None:
        least, most = wilson(int(measure.hits.sum()), int(measure.among.sum()))
        low, high = min(low, least), max(high, most)
    return Estimate(value, low, high)


def _weights(samples: int, how: Resampling) -> Iterator[npt.NDArray[np.float64]]:
    rng = np.random.default_rng(how.seed)
    at_once = max(1, _MOST_CELLS // samples)
    for first in range(0, how.draws, at_once):
        rows = min(at_once, how.draws - first)
        chosen = rng.integers(samples, size=(rows, samples)) + np.arange(rows)[:, np.newaxis] * samples
        yield np.bincount(chosen.ravel(), minlength=rows * samples).reshape(rows, samples).astype(np.float64)
