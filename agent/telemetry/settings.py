"""`[limits]` of the configuration."""

from __future__ import annotations

from pydantic import Field

from agent.core.limits import Limits, Reaction
from agent.schema import Strict


class LimitsSettings(Strict):
    """`[limits]`: how far the machine may be driven, and what the agent does before the system does something worse."""

    max_temperature_c: float | None = Field(default=None, gt=0, lt=150)
    """°C of the hottest sensor, default by the device profile: 2 below the temperature from which the chip slows down by itself,
    none where the profile does not know it."""
    max_memory_bytes: int | None = Field(default=None, ge=1 << 20)
    """Memory of the agent's process, as `memory_bytes` in `health`; default none."""
    min_memory_free_bytes: int = Field(default=64 << 20, ge=0)
    """Memory that must be left: of the machine, and to the agent's service where `MemoryMax=` or `MemoryHigh=` bounds it. 0: not
    watched."""
    min_disk_free_bytes: int = Field(default=100_000_000, ge=0)
    """Room that must be left on the file system of `device.state_dir`; less is told, and slows no pipeline. 0: not watched."""
    reaction: Reaction = "both"
    """What is done about heat and memory: `slower` runs all pipelines slower, in two steps; `fewer` sheds one pipeline after the
    other, by `priority`; `both`, in this order; `none` only tells."""
    slower_factor: float = Field(default=0.5, ge=0.1, le=0.9)
    """Share of its rate that a pipeline keeps at the first step of `slower`, and of that again at the second."""
    check_interval_s: float = Field(default=5.0, ge=1, le=300)
    """Seconds between two looks."""
    step_after_s: float = Field(default=10.0, ge=1, le=3600)
    """Seconds that a step gets to help before the next one is taken."""
    recover_after_s: float = Field(default=60.0, ge=1, le=86400)
    """Seconds for which all must have been well (3 °C cooler, 5 % more memory) before a step is taken back."""

    @property
    def bounds(self) -> Limits:
        """As the rule takes them."""
        return Limits(
            max_temperature_c=self.max_temperature_c,
            max_memory_bytes=self.max_memory_bytes,
            min_memory_free_bytes=self.min_memory_free_bytes or None,
            min_disk_free_bytes=self.min_disk_free_bytes or None,
            step_after_s=self.step_after_s,
            recover_after_s=self.recover_after_s,
        )
