"""Whether the agent may say that it is alive, and the sentence that says how it is. Pure; `agent.service` tells systemd.

The watchdog is the last cure, not the first. A call that hangs is the supervisor's, within its limits and beyond them; the watchdog
is for what the supervisor cannot cure or see: a main loop that does not come round, native code that keeps Python's lock, a supervisor
that does not do its work. So a pipeline withholds the sign of life only while it hangs and nobody has taken it in hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.core.messages import SourceStateName

_NAMED = 3
"""Troubles that are named in the sentence; of the others the number is said."""
_TROUBLE: dict[SourceStateName, str] = {
    "connecting": "is connecting",
    "no_signal": "has no signal",
    "stale": "gives no new frames",
    "failed": "failed",
    "ended": "has ended",
}


@dataclass(frozen=True, slots=True)
class PipelineView:
    """One pipeline, as seen from outside.

    Attributes:
        name: Its name.
        state: As in `health`.
        holds: Why it takes no frames, such as `paused`.
        source: The name of its source.
        source_state: How that is.
        stalled: Whether one of its calls hangs and was not given up yet.
    """

    name: str
    state: Literal["starting", "ok", "failed", "ended"]
    holds: frozenset[str]
    source: str
    source_state: SourceStateName
    stalled: bool

    @property
    def should_progress(self) -> bool:
        """Whether there is something to inspect, and somebody who does."""
        return self.state in ("starting", "ok") and not self.holds and self.source_state == "ok"

    @property
    def inspects(self) -> bool:
        """Whether it makes predictions when there is something to see."""
        return self.state == "ok" and self.should_progress and not self.stalled


def withheld_by(pipelines: Sequence[PipelineView]) -> str | None:
    """The pipeline that should progress and does not, or None if the watchdog may be fed.

    A pipeline that is being restarted does not withhold it: that is the milder cure, it has a bound of its own, and the restart of the
    process would cost the other pipelines seconds for nothing.
    """
    return next((pipeline.name for pipeline in pipelines if pipeline.stalled and pipeline.should_progress), None)


def troubles(pipelines: Sequence[PipelineView]) -> list[str]:
    """What keeps pipelines from inspecting, one clause each."""
    found: dict[str, None] = {}
    for pipeline in pipelines:
        if pipeline.state == "ended":
            found[f"pipeline {pipeline.name} has ended"] = None
        elif pipeline.holds:
            found[f"pipeline {pipeline.name} is {' and '.join(sorted(pipeline.holds))}"] = None
        elif pipeline.stalled:
            found[f"pipeline {pipeline.name} hangs"] = None
        elif pipeline.state != "ok":
            found[f"pipeline {pipeline.name} {'is starting' if pipeline.state == 'starting' else 'failed'}"] = None
        elif pipeline.source_state != "ok":
            found[f"source {pipeline.source} {_TROUBLE[pipeline.source_state]}"] = None
    return list(found)


def sentence(pipelines: Sequence[PipelineView], rate_hz: float, broker: str, waiting: int) -> str:
    """How the agent is, for a person: `3 of 4 pipelines inspect, 12.1/s; source west has no signal; broker connected; 0 messages wait`.

    Args:
        pipelines: All of them.
        rate_hz: Predictions a second, of all together.
        broker: State of the connection, such as `connected`.
        waiting: Messages that wait for the broker.
    """
    count, inspecting = len(pipelines), sum(pipeline.inspects for pipeline in pipelines)
    noun, verb = ("pipeline", "inspects") if count == 1 else ("pipelines", "inspect")
    named = troubles(pipelines)
    if len(named) > _NAMED:
        named = [*named[:_NAMED], f"and {len(named) - _NAMED} more"]
    messages = "1 message waits" if waiting == 1 else f"{waiting} messages wait"
    first = f"{inspecting} of {count} {noun} {verb}, {rate_hz:.1f}/s"
    return "; ".join([first, *named, f"broker {broker.replace('_', ' ')}", messages])
