"""Is this model better than that one, on the same samples? Paired tests. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from agent.evaluation.intervals import percentiles, values_of
from cloud_sync.evaluation import exact_mcnemar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.evaluation.intervals import Resampling
    from agent.evaluation.measures import Measure


@dataclass(frozen=True, slots=True)
class Test:
    """One measure of two models on the same samples.

    Attributes:
        method: `exact McNemar` where both say right or wrong to the same samples, else `paired bootstrap`.
        difference: Of the measure, this model less the other, with its bootstrap interval.
        gain: The same, positive where this model is the better one.
        p: Two-sided.
        only_this: McNemar: samples that only this model got right.
        only_other: McNemar: samples that only the other got right.
    """

    measure: str
    method: str
    difference: float
    low: float
    high: float
    gain: float
    p: float
    only_this: int | None = None
    only_other: int | None = None


def compare(this: Mapping[str, Measure], other: Mapping[str, Measure], samples: int, how: Resampling) -> list[Test]:
    """Test every measure that both models have.

    The paired bootstrap draws samples and takes both models' values on the same draw; its p-value is twice the share of draws in which the
    difference has the other sign, one draw added (Efron and Tibshirani, chapter 16; Davison and Hinkley, Bootstrap Methods, section 4.2).

    Args:
        this: The model in question.
        other: The one it is compared with; same samples, same order.
        samples: How many.
        how: Draws and seed.
    """
    shared = [name for name in this if name in other]
    mine = values_of({name: this[name] for name in shared}, samples, how)
    theirs = values_of({name: other[name] for name in shared}, samples, how)
    return [_test(name, this[name], other[name], mine[name] - theirs[name], samples) for name in shared]


def _test(
    name: str, mine: Measure, other: Measure, drawn: np.ndarray[tuple[int], np.dtype[np.float64]], samples: int
) -> Test:
    whole = np.ones((1, samples))
    difference = float(mine.of(whole)[0] - other.of(whole)[0])
    low, high = percentiles(drawn)
    gain = -difference if mine.less_is_better else difference
    if mine.hits is not None and other.hits is not None and mine.among is not None and mine.by_truth:
        only_mine = int((mine.hits & ~other.hits).sum())
        only_other = int((other.hits & ~mine.hits).sum())
        p = exact_mcnemar(only_mine, only_other)
        better, worse = (only_other, only_mine) if mine.less_is_better else (only_mine, only_other)
        return Test(name, "exact McNemar", difference, low, high, gain, p, better, worse)
    defined = drawn[~np.isnan(drawn)]
    beyond = min(int((defined <= 0).sum()), int((defined >= 0).sum()))
    p = min(1.0, 2 * (beyond + 1) / (defined.size + 1))
    return Test(name, "paired bootstrap", difference, low, high, gain, p)
