"""`[commands]` of the configuration."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from agent.schema import Strict

Verb = Literal["pause", "resume", "snapshot", "set", "sync", "return", "hold", "confirm", "feedback"]


class CommandsSettings(Strict):
    """`[commands]`: what may be asked of the agent over MQTT. Nothing, unless it is listed here."""

    allow: list[Verb] = Field(default=[])
    """Verbs that are obeyed: `pause` and `resume` of pipelines, `snapshot` of what a camera sees, `set` of a threshold within
    `[pipelines.<name>.bounds]`, `sync`: look for new versions of models now, `return`,
    `hold` and `confirm` of a model's version that is on trial, `feedback` on a prediction. Empty: the agent listens to no commands at all. Who may publish on `…/cmd/<verb>` is for the broker's
    access list to say."""
    max_bytes: int = Field(default=4096, ge=64, le=65_536)
    """Bytes of one command, correlation data included; a larger one is refused unread."""
    audit_bytes: int = Field(default=1_000_000, ge=10_000, le=1_000_000_000)
    """Size at which `commands.jsonl` in the state directory becomes `commands.1.jsonl`, whose predecessor goes."""
    snapshot_timeout_s: float = Field(default=5.0, gt=0, le=60)
    """How long `snapshot` waits for the next frame; other commands wait behind it."""
    snapshot_count: int = Field(default=20, ge=1, le=10_000)
    """Pictures kept in `snapshots` in the state directory; the oldest go."""
    snapshot_bytes: int = Field(default=50_000_000, ge=1_000_000, le=100_000_000_000)
    """Bytes of all these pictures together; the oldest go."""
