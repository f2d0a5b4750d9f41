"""How often lines that never change look different: drift_windows.py MEMORY WINDOWS SEED. Prints one JSON object.

Each value of a line is the one before times MEMORY, and something new: 0 for parts that know nothing of each other, 0.97 for what changes
over half a minute at one value a second.
"""

from __future__ import annotations

import json
import math
import sys

import numpy as np

from agent.core.drift import Rule, Series
from agent.core.statistics import distribution

_LINES = 20
"""Each with a reference of its own: what is unlucky in one is no rule."""
_REFERENCE = 300
"""Samples of each: what an evaluation set of a line may have."""
_BLOCK = 10_000


def stationary(memory: float, windows: int, seed: int) -> dict[str, float]:
    """Windows that look different and alarms among so many, over lines that never change."""
    rng = np.random.default_rng(seed)
    judged = different = alarms = unjudged = worst = values = 0
    for _ in range(_LINES):
        series, wanted, of_line = (
            Series(distribution(rng.normal(size=_REFERENCE).tolist()), Rule(deadline_s=math.inf)),
            windows // _LINES,
            0,
        )
        value, was = float(rng.normal()), False
        while series.judged < wanted and series.unjudged < wanted:
            for step in (rng.normal(size=_BLOCK) * math.sqrt(1 - memory**2)).tolist():
                value = memory * value + step
                values += 1
                window = series.take(value, 0.0)
                if window is not None:
                    of_line += window.exceeds()
                    alarms += series.drifting and not was
                    was = series.drifting
                    if series.judged >= wanted:
                        break
        judged, unjudged, different = judged + series.judged, unjudged + series.unjudged, different + of_line
        worst = max(worst, of_line)
    return {
        "windows": judged,
        "different": different,
        "alarms": alarms,
        "unjudged": unjudged,
        "different, of the worst line": worst,
        "values a window": values / max(1, judged + unjudged),
    }


if __name__ == "__main__":
    print(json.dumps(stationary(float(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
