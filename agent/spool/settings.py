"""`[spool]` of the configuration."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from agent.schema import Strict

GivesUp = Literal["oldest", "newest", "decision"]
"""What goes first at a bound. `decision`: accept first, then unsure, then reject, the oldest of each."""


class SpoolSettings(Strict):
    """`[spool]`: what is kept on the disk until the broker has it, and what goes first where that is too much."""

    max_bytes: int = Field(default=256 << 20, ge=64 << 10)
    """Bytes of events on the disk; beyond that events are given up, counted and announced on `…/event`."""
    max_age_s: float = Field(default=7 * 86400.0, gt=0)
    """Events older than so many seconds are given up. Only time in which the agent runs counts, so that no jump of the clock makes
    anything old."""
    gives_up: GivesUp = "oldest"
    """Which events go first at a bound: the `oldest`, the `newest`, or by `decision`: accept, then unsure, then reject."""
    flush_ms: float = Field(default=100.0, ge=0, le=60_000)
    """Events that the broker has not confirmed are written to the disk together, at the latest so many milliseconds after the first of
    them; 0: each one at once, before anything else happens with it."""
    write_budget_bytes_h: int | None = Field(default=None, ge=64 << 10)
    """Bytes an hour that the spool may write, to spare an SD card, default any number. It makes the groups larger, up to 60 s of
    events; it never drops one."""
    backlog: Literal["drop", "keep"] = "drop"
    """Predictions that are no events and cannot be sent when they are made, as the broker is away or slow: `drop` counts them, `keep`
    keeps them on the disk for `…/backlog`."""
    backlog_rate: float = Field(default=500.0, gt=0, le=100_000)
    """Late predictions a second on `…/backlog`, so that live ones are not held up."""
    backlog_max_bytes: int = Field(default=64 << 20, ge=64 << 10)
    """Bytes of late predictions on the disk."""
    backlog_max_age_s: float = Field(default=86400.0, gt=0)
    """Late predictions older than so many seconds of the agent's running time are given up."""
    backlog_gives_up: GivesUp = "oldest"
    """Which late predictions go first at a bound."""
    refusals: int = Field(default=5, ge=1, le=100)
    """So often the broker may refuse a message before it goes to quarantine (`lineside spool list`), and the next one is sent."""
    quarantine_messages: int = Field(default=1000, ge=1, le=100_000)
    """Messages in quarantine; beyond that the oldest go for good, and are counted."""
