"""`[pipelines.<name>]` of the configuration."""

from __future__ import annotations

from pydantic import Field, model_validator

from agent.core.decisions import Events, Publish
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
