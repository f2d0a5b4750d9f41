"""How much a stretch of a series says, whose values depend on those before them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt


def worth_of(values: npt.NDArray[np.float64]) -> float:
    """How many independent values a stretch of a series is worth: n / (1 + 2 times the sum of its autocorrelations).

    Bayley and Hammersley, Supplement to the Journal of the Royal Statistical Society 8, 1946; summed up as far as pairs of
    autocorrelations are positive (Geyer, Statistical Science 7, 1992). Of ranks, so that no outlier decides; and around the one step that
    the stretch may hold, so that a sudden change is not taken for a slow stream.

    Args:
        values: In the order of time; at least one.

    Returns:
        1 to n. n for values that are all the same.
    """
    size = len(values)
    if size < 4 or values.min() == values.max():  # noqa: PLR2004 - too few for an autocorrelation
        return float(size)
    rest = _without_step(_ranks(values))
    power = np.abs(np.fft.rfft(rest, 2 * size)) ** 2
    covariance = np.fft.irfft(power)[:size]
    if covariance[0] <= 0:
        return float(size)
    correlation = covariance / covariance[0]
    pairs = correlation[: size // 2 * 2].reshape(-1, 2).sum(axis=1)
    ends = np.flatnonzero(pairs <= 0)
    positive = pairs[: ends[0] if len(ends) else len(pairs)]
    return float(size / max(1.0, 2 * positive.sum() - 1))


def _ranks(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Of equal values the mean."""
    ordered = np.sort(values)
    low, high = (np.searchsorted(ordered, values, side=side) for side in ("left", "right"))
    return np.asarray((low + high) / 2, np.float64)


def _without_step(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Less the mean of each side of the most likely change (the largest cumulative sum)."""
    rest = np.asarray(values - values.mean(), np.float64)
    sums = np.cumsum(rest)[:-1]
    split = int(np.argmax(np.abs(sums))) + 1
    rest[:split] -= rest[:split].mean()
    rest[split:] -= rest[split:].mean()
    return rest
