"""`[gates]` of `model.toml` and `[models.<name>.gates]` of the configuration: what a new version must show before it counts."""

from __future__ import annotations

from pydantic import Field

from agent.schema import Strict


class GateSettings(Strict):
    """What a version must show here before it counts. Bundle, assignment and configuration may each set any of it; the tightest holds."""

    shadow_frames: int | None = Field(default=None, ge=0, le=1_000_000_000)
    """Frames on which a new version is compared with the active one before it decides any; 0 skips the shadow. Default 500."""
    shadow_s: float | None = Field(default=None, ge=0, le=31_536_000)
    """Seconds that this takes at least. Default 300."""
    shadow_deadline_s: float | None = Field(default=None, gt=0, le=31_536_000)
    """Seconds after which a version is rejected that is still in its shadow. Default 172800, two days."""
    canary_frames: int | None = Field(default=None, ge=0, le=1_000_000_000)
    """Frames that it decides before it decides all; 0 skips the canary. Default 100."""
    canary_s: float | None = Field(default=None, ge=0, le=31_536_000)
    """Seconds that this takes at least. Default 60."""
    canary_deadline_s: float | None = Field(default=None, gt=0, le=31_536_000)
    """Seconds after which a version is rejected that is still a canary. Default 172800, two days."""
    canary_share: float | None = Field(default=None, ge=0.001, le=1)
    """Share of the frames that a canary decides; the smallest that somebody sets holds. Default 0.1."""
    bake_frames: int | None = Field(default=None, ge=0, le=1_000_000_000)
    """Predictions of an active version after which it may be confirmed. Default 1000."""
    bake_s: float | None = Field(default=None, ge=0, le=31_536_000)
    """Seconds that its bake time takes at least; until then the previous one stays loaded. Default 3600."""
    bake_deadline_s: float | None = Field(default=None, gt=0, le=31_536_000)
    """Seconds after which the previous version comes back if this one could not be confirmed. Default 604800, a week."""
    max_disagreement: float | None = Field(default=None, ge=0, le=1)
    """Share of compared frames on which it may decide otherwise, or find something else where it decides nothing, without feedback that says
    who is right. Default 0.02."""
    max_failures: float | None = Field(default=None, ge=0, le=1)
    """Share of frames of which it may make nothing that can be used: an error, no number, too late. Default 0.01."""
    max_decision_shift: float | None = Field(default=None, ge=0, le=1)
    """By how much the share of a decision may differ from its predecessor's, or from its bundle's reference, while it bakes. Default 0.1."""
    max_wrong: int | None = Field(default=None, ge=1, le=1_000_000)
    """So many predictions of its own called wrong by feedback, less those called right, end it. Default 5."""
    max_error: float | None = Field(default=None, gt=0, lt=0.5)
    """Risk that feedback takes a worse version for a better one. Default 0.05."""
    p99_ms: float | None = Field(default=None, gt=0)
    """99th percentile of one inference on this device, in milliseconds; `budget.p99_ms` of the bundle counts as well. No default."""
    memory_headroom_bytes: int | None = Field(default=None, ge=0, le=1 << 50)
    """Memory of the machine that must be left when it is loaded. Default 64000000."""
    crash_runs: int | None = Field(default=None, ge=1, le=1000)
    """So many runs of the agent in a row that did not end cleanly while it was at work end it. Default 3."""
    crash_window_s: float | None = Field(default=None, ge=0, le=31_536_000)
    """Seconds of work after which such an end is not its fault any more. Default 600."""

    def said(self) -> dict[str, float | None]:
        """As `agent.core.gates.tightest` takes them."""
        return dict(self.model_dump())
