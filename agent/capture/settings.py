"""`[samples]` and `[pipelines.<name>.capture]` of the configuration."""

from __future__ import annotations

from pydantic import Field, field_validator

from agent.core.sampling import REASONS, Quotas, Reason
from agent.schema import Strict


class SamplesSettings(Strict):
    """`[samples]`: how much room samples may take; whether any are kept is said by each pipeline's `capture`."""

    max_count: int = Field(default=2000, ge=1, le=100_000)
    """Samples in all; beyond that the oldest of the least reason goes."""
    max_bytes: int = Field(default=512 << 20, ge=1 << 20)
    """Bytes of all their files."""
    max_per_day: int = Field(default=200, ge=1, le=100_000)
    """Samples of one day, so that one bad day does not take all the room."""
    reserve_bytes: int = Field(default=512 << 20, ge=0)
    """Bytes that stay free on the disk: with less, none is written."""
    recent_bytes: int = Field(default=16 << 20, ge=0)
    """Bytes of memory for pictures that were not accepted, so that an operator's word on one still finds it; for all pipelines that keep
    `feedback`."""

    @property
    def quotas(self) -> Quotas:
        """The bounds as the pure rule takes them."""
        return Quotas(self.max_count, self.max_bytes, self.max_per_day)


class CaptureSettings(Strict):
    """`[pipelines.<name>.capture]`: which frames are kept. Without this table none is."""

    reasons: list[Reason] = Field(default=list(REASONS), min_length=1)
    """Why a frame is kept: an operator's `feedback`, `disagreement` of the model and its candidate, `drift` (no sample of the evaluation
    looked like that), `near_threshold`, `random`."""
    near: float = Field(default=0.05, gt=0, le=1)
    """near_threshold: the score is at most so far from the limit that decides; for limits that are no score, as a share of the limit."""
    random_share: float = Field(default=0.0005, ge=0, le=1)
    """random: the share of all frames that is kept; about 50 an hour at 30 frames/s."""
    every_s: float = Field(default=2.0, ge=0, le=86400)
    """Seconds between two samples of the same reason at least; feedback is always kept."""
    min_difference: float = Field(default=0.0625, ge=0, le=1)
    """A picture that differs in a smaller share of its fields from one of the last that were kept is skipped; feedback never is. 0: none
    is."""

    @field_validator("reasons")
    @classmethod
    def _each_once(cls, reasons: list[Reason]) -> list[Reason]:
        return list(dict.fromkeys(reasons))
