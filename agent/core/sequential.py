"""Is the candidate better or worse? A sequential test on frames that a person has labelled, which may stop at any of them. Pure.

Only a frame on which the two decide otherwise and one of them is right says anything of that (the discordant pairs of McNemar's test). That
the candidate is the right one of such a pair has the probability u / (1 + u), with u the odds ratio of the two; Wald's sequential test of
two such processes looks at nothing else (A. Wald, Sequential Analysis, Wiley 1947, chapter 6, "double dichotomies"; boundaries: chapter 3).
"""

from __future__ import annotations

import math
from typing import Literal

Finding = Literal["better", "worse", "open"]

ODDS = 2.0
"""Odds ratio at which the risks hold: a candidate that is right in two of three discordant pairs, or in one of three. Closer to even it
takes longer, and who is right is less certain, but there is less to gain or to lose."""


def compare(better: int, worse: int, max_error: float, odds: float = ODDS) -> Finding:
    """What labelled discordant pairs say so far.

    Args:
        better: Pairs in which the candidate was right.
        worse: Pairs in which the active model was.
        max_error: Risk of either wrong answer where the odds ratio is `odds`, or 1 / `odds`; 0..0.5.
        odds: See above, more than 1.

    Returns:
        `open` as long as both may be so.
    """
    # With p1 = u / (1 + u) and p0 = 1 - p1 the log likelihood ratio rises and falls by ln u; alpha = beta.
    said = (better - worse) * math.log(odds)
    bound = math.log((1 - max_error) / max_error)
    return "better" if said >= bound else "worse" if said <= -bound else "open"


def needed(max_error: float, odds: float = ODDS) -> int:
    """By how many labelled discordant pairs one of the two must lead; see `compare`."""
    return math.ceil(math.log((1 - max_error) / max_error) / math.log(odds) - 1e-9)
