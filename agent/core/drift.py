"""Does the line still look like what the model was evaluated on? Pure: values in, verdicts out.

One series for each statistic. Its values are gathered into windows that do not overlap, and each window is compared with the reference by
two measures: the population stability index, which sees changes of shape, and the two-sample Kolmogorov-Smirnov distance, which sees shifts.
What they would be by chance alone is known for both, so their limits follow from the rate of false alarms that is allowed.

Chance is reckoned for independent values, and the frames of a line are not: parts stay in the picture, light changes slowly. So a window is
complete when it is *worth* so many independent values, by its own autocorrelation; one that never is, is not judged, and counted.
"""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from agent.core.difference import compare
from agent.core.statistics import INPUTS
from agent.core.worth import worth_of

if TYPE_CHECKING:
    from agent.core.difference import Difference
    from agent.core.statistics import Distribution

Statistic = Literal["score", "brightness", "contrast", "sharpness"]
STATISTICS: Final = ("score", *INPUTS)
MEASURES: Final = 2
"""PSI and KS; either may raise the alarm."""
MIN_WORTH: Final = 30
"""Fewer independent values say nothing of ten bins."""
MAX_STRETCH: Final = 20
"""A window holds at most so many times the values that it is to be worth."""
CLEAR_SHARE: Final = 0.8
"""An alarm ends below this share of the limits that raise it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """When a statistic has drifted.

    Attributes:
        window: Independent values that a window is to be worth.
        deadline_s: From a window's first value to its last one; then it is judged as it is, if it is worth `MIN_WORTH`.
        false_alarm_rate: The share of windows of a stationary line that may look different, of all statistics together.
        statistics: How many are watched.
        raise_after: Windows in succession that must look different.
        clear_after: Windows in succession that must look alike again.
    """

    window: int = 200
    deadline_s: float = 3600.0
    false_alarm_rate: float = 1e-4
    statistics: int = len(STATISTICS)
    raise_after: int = 2
    clear_after: int = 2

    @property
    def chance(self) -> float:
        """Of one measure of one statistic in one window (Bonferroni)."""
        return self.false_alarm_rate / (self.statistics * MEASURES)


class Series:
    """Watches one statistic. One thread at a time.

    Attributes:
        drifting: Whether the alarm is raised.
        streak: Windows in succession that speak against that.
        last: The last window that was judged.
        judged: Windows since the start.
        unjudged: Windows that were worth too little.
    """

    def __init__(self, reference: Distribution, rule: Rule, *, drifting: bool = False, streak: int = 0) -> None:
        """Begin, or go on where an earlier start of the agent was.

        Args:
            reference: What the line is compared with.
            rule: When it has drifted.
            drifting: As above.
            streak: As above.
        """
        self.drifting = drifting
        self.streak = streak
        self.last: Difference | None = None
        self.judged = 0
        self.unjudged = 0
        self._reference = reference
        self._rule = rule
        self._values = array("d")
        self._began_s = 0.0
        self._target = rule.window

    def take(self, value: float, at_s: float) -> Difference | None:
        """One more value; finite.

        Args:
            value: Of the statistic.
            at_s: When, monotonic.

        Returns:
            The comparison of the window that this value completed; `drifting` counts it already. None while it is not complete, and for one
            that was worth too little.
        """
        if not self._values:
            self._began_s = at_s
        self._values.append(value)
        late = at_s - self._began_s >= self._rule.deadline_s
        if len(self._values) < self._target and not late:
            return None
        values = np.asarray(self._values, np.float64)
        worth, longest = worth_of(values), self._rule.window * MAX_STRETCH
        if worth < self._rule.window and not late and len(values) < longest:
            self._target = min(longest, max(len(values) + 1, math.ceil(len(values) * self._rule.window / worth)))
            return None
        self._values = array("d")
        self._target = min(longest, max(self._rule.window, math.ceil(len(values) * self._rule.window / worth)))
        if worth < MIN_WORTH:
            self.unjudged += 1
            return None
        self.last = compare(values, self._reference, worth, self._rule.chance)
        self.judged += 1
        self._count(self.last)
        return self.last

    def _count(self, window: Difference) -> None:
        """Hysteresis: the alarm begins and ends after some windows in succession."""
        if self.drifting:
            against, needed = not window.exceeds(CLEAR_SHARE), self._rule.clear_after
        else:
            against, needed = window.exceeds(), self._rule.raise_after
        self.streak = self.streak + 1 if against else 0
        if self.streak >= needed:
            self.drifting, self.streak = not self.drifting, 0
