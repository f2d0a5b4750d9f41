"""`[pipelines.<name>]` of the configuration."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from agent.capture.settings import CaptureSettings
from agent.core.decisions import Events, Publish
from agent.drift.settings import DriftSettings
from agent.models.placement import Region
from agent.models.spec import DecisionSpec
from agent.schema import Name, Strict


class SmoothingSettings(Strict):
    """`smoothing`: n of the last m frames must agree before a reject counts."""

    n: int = Field(ge=1)
    """Frames that must agree."""
    m: int = Field(ge=1, le=1000)
    """Frames that are looked at."""

    @model_validator(mode="after")
    def _n_of_m(self) -> SmoothingSettings:
        if self.n > self.m:
            raise ValueError(f"{self.n} of {self.m} can never agree; n must not be larger than m")
        return self


class MotionSettings(Strict):
    """`motion`: frames in which nothing moved are not looked at; they are counted in `health` as `still`."""

    min_change: int = Field(default=25, ge=1, le=255)
    """How much brighter or darker a point must be to count as changed, of 255; above the camera's noise."""
    min_area: float = Field(default=0.005, gt=0, le=1)
    """Share of the picture, or of `region`, that must have changed since the last frame that was looked at."""
    every_s: float = Field(default=10.0, gt=0, le=86400)
    """A still scene is looked at after so many seconds all the same."""


Range = Annotated[list[float], Field(min_length=2, max_length=2)]
Share = Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=2, max_length=2)]


class BoundsSettings(Strict):
    """`bounds`: values of the decision that the command `set` may change, each with the lowest and the highest it may get."""

    min_score: Share | None = None
    """[lowest, highest] of `decision.reject.min_score`, in 0..1; without it, it cannot be set."""
    unsure_below: Share | None = None
    """[lowest, highest] of `decision.unsure_below`, in 0..1."""
    threshold: Range | None = None
    """[lowest, highest] of `decision.reject.threshold`."""
    above: Range | None = None
    """[lowest, highest] of `decision.reject.above`."""
    below: Range | None = None
    """[lowest, highest] of `decision.reject.below`."""

    @model_validator(mode="after")
    def _lowest_first(self) -> BoundsSettings:
        for key, (lowest, highest) in self.ranges.items():
            if lowest > highest:
                raise ValueError(f"{key} = [{lowest:g}, {highest:g}]: write the lowest first")
        return self

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """The same by key, without those that cannot be set."""
        given = {key: getattr(self, key) for key in type(self).model_fields}
        return {key: (bounds[0], bounds[1]) for key, bounds in given.items() if bounds is not None}


class PipelineSettings(Strict):
    """`[pipelines.<name>]`: which model looks at which source, and what is said about it."""

    source: Name
    """Name of a table under `sources`."""
    model: Name
    """Name of a table under `models`."""
    publish: Publish = "every"
    """`every` prediction, or on `change` of the verdict with a heartbeat."""
    heartbeat_s: float = Field(default=10.0, gt=0)
    """publish = "change": an unchanged verdict is said again after this many seconds."""
    qos: int = Field(default=0, ge=0, le=1)
    """MQTT quality of service of predictions; events always have 1."""
    events: Events = "reject"
    """Which predictions are events: `all`, `reject` (and unsure), or `change` of the decision."""
    smoothing: SmoothingSettings | None = None
    """n of m smoothing of the decision, default none."""
    decision: DecisionSpec | None = None
    """Replaces the bundle's decision in this pipeline."""
    bounds: BoundsSettings | None = None
    """What the command `set` may change, and how far; default nothing. See `[commands]`."""
    region: list[float] | None = Field(default=None, min_length=4, max_length=4)
    """The part of the frame that the model sees: [x_min, y_min, x_max, y_max] in 0..1 of the frame, default all of it. Boxes in
    results stay in 0..1 of the whole frame."""
    motion: MotionSettings | None = None
    """Motion gate, default none."""
    deadline_ms: float | None = Field(default=None, gt=0)
    """A prediction that is complete later than so many milliseconds after its frame was captured has `quality: "stale"` and the
    decision of `on_stale`, default never."""
    on_stale: Literal["reject", "unsure"] = "unsure"
    """The decision on a part whose prediction came too late, where the model has a decision at all."""

    drift: DriftSettings = DriftSettings()
    """How it is watched whether the line still looks like what its model was evaluated on."""
    capture: CaptureSettings | None = None
    """Which frames are kept as samples, default none."""

    max_rate_hz: float | None = Field(default=None, gt=0, le=1000)
    """At most so many frames a second are looked at, default all. Of a live source the others are let go and counted in `health` as
    `slowed`; a file or folder is read so much slower, for all its pipelines."""
    priority: int = Field(default=50, ge=0, le=100)
    """Where the machine has too little for all pipelines (`[limits]`), the lowest priority is shed first and the highest never."""

    @field_validator("region")
    @classmethod
    def _region_has_an_area(cls, region: list[float] | None) -> list[float] | None:
        if region is not None:
            x_min, y_min, x_max, y_max = region
            if not (0 <= x_min < x_max <= 1 and 0 <= y_min < y_max <= 1):
                raise ValueError("a region is [x_min, y_min, x_max, y_max] with 0 <= min < max <= 1")
        return region

    @property
    def seen(self) -> Region:
        """`region`, or all of the frame."""
        return Region(*self.region) if self.region else Region()
