"""`[pipelines.<name>.drift]` of the configuration."""

from __future__ import annotations

from pydantic import Field, field_validator

from agent.core.drift import STATISTICS, Rule, Statistic
from agent.schema import Strict


class DriftSettings(Strict):
    """`[pipelines.<name>.drift]`: when a line no longer looks like what its model was evaluated on. Needs a bundle with `reference.json`."""

    statistics: list[Statistic] = Field(default=list(STATISTICS))
    """What is watched: `score`, `brightness`, `contrast`, `sharpness`; an empty list for nothing."""
    window: int = Field(default=200, ge=50, le=10_000)
    """Values that are compared with the reference at a time, reckoned as independent ones: where frames resemble those before them, a
    window takes up to 20 times as many."""
    every_s: float = Field(default=1.0, ge=0, le=3600)
    """Seconds between two values at least; frames in between mostly show the same part. 0: every frame that there is time for."""
    deadline_s: float = Field(default=3600.0, gt=0, le=30 * 86400)
    """A window is judged after so many seconds with what it has, if that is worth 30 independent values."""
    false_alarm_rate: float = Field(default=1e-4, gt=0, le=0.1)
    """Share of windows in which a line that is as it was may look different by chance, of all statistics together."""
    raise_after: int = Field(default=2, ge=1, le=100)
    """Windows in succession that must look different until a statistic drifts."""
    clear_after: int = Field(default=2, ge=1, le=100)
    """Windows in succession that must look alike until it does no longer."""

    @field_validator("statistics")
    @classmethod
    def _each_once(cls, statistics: list[Statistic]) -> list[Statistic]:
        return list(dict.fromkeys(statistics))

    @property
    def rule(self) -> Rule:
        """The same as the pure rule, which counts how many statistics share the false alarms."""
        return Rule(
            window=self.window,
            deadline_s=self.deadline_s,
            false_alarm_rate=self.false_alarm_rate,
            statistics=max(1, len(self.statistics)),
            raise_after=self.raise_after,
            clear_after=self.clear_after,
        )
